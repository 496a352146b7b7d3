//! How far sampled counts are off.

use std::path::{Path, PathBuf};
use std::{fs, io};

use tiktoken_rs::CoreBPE;
use tokio::runtime::Runtime;
use tollgate::estimate::{Accuracy, Estimator};

use crate::measure::{body, hold, says};
use crate::page::Table;
use crate::text::{KINDS, Random, boundary};

/// Texts of each kind, of so many bytes.
const TEXTS: u64 = 12;
const SIZES: (u64, u64) = (1 << 20, 4 << 20);

/// Made texts, and those of the files in `folders`, mixed.
pub(crate) fn errors(
    runtime: &Runtime,
    vocabulary: &CoreBPE,
    random: &mut Random,
    folders: &[(String, PathBuf)],
) -> io::Result<String> {
    let mut table = Table::new(&["mean", "worst too few", "worst too many"]);
    // The role is counted, the message is sampled.
    let estimator = Estimator::builder().exact_up_to(64).build();
    let mut row = |name: &str, random: &mut Random, make: &mut dyn FnMut(&mut Random, usize) -> String| {
        let errors = (0..TEXTS).map(|_| {
            let bytes = random.between(SIZES.0, SIZES.1) as usize;
            let text = make(random, bytes);
            let pieces = Pieces { rest: &text };
            let truth: usize = pieces.map(|piece| vocabulary.count_ordinary(piece)).sum();
            let (_, estimate) = hold(runtime, &estimator, &body(vec![says(0, &text)]));
            assert_eq!(estimate.accuracy(), Accuracy::Sampled);
            (estimate.parts().text as f64 / truth as f64 - 1.0) * 100.0
        });
        let errors: Vec<f64> = errors.collect();
        let mean = errors.iter().map(|error| error.abs()).sum::<f64>() / errors.len() as f64;
        let [least, most] = [f64::min, f64::max].map(|of| errors.iter().copied().fold(0.0, of));
        table.row(name, [mean, least, most].map(|percent| format!("{percent:.1} %")));
    };
    for kind in KINDS {
        row(kind.name(), random, &mut |random, bytes| kind.text(random, bytes));
    }
    row("documents of these kinds, mixed", random, &mut |random, bytes| {
        let mut text = String::new();
        while text.len() < bytes {
            let document = random.between(500, 40_000) as usize;
            text.push_str(&random.of(&KINDS).text(random, document));
        }
        text
    });
    for (ending, what) in [("rs", "Rust"), ("md", "Markdown"), ("json", "JSON")] {
        for (name, folder) in folders {
            let mut files = Vec::new();
            read(folder, ending, &mut files)?;
            if files.is_empty() {
                continue;
            }
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            row(&format!("{what} of {name}"), random, &mut |random, bytes| {
                let mut text = String::new();
                while text.len() < bytes {
                    let file = random.of(&files);
                    // No more than a tenth from one file, so that texts are not all alike.
                    text.push_str(&file[..boundary(file, bytes / 10)]);
                }
                text
            });
        }
    }
    Ok(table.into())
}

/// The readable files under `folder` whose names end so.
fn read(folder: &Path, ending: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                read(&path, ending, found)?;
            }
        } else if path.extension().is_some_and(|of| of == ending) {
            found.extend(fs::read_to_string(&path).ok().filter(|text| !text.is_empty()));
        }
    }
    found.sort_unstable();
    Ok(())
}

/// Lines of about 16 kB together: tiktoken-rs panics on some longer texts.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let reach = boundary(self.rest, 16_384);
        let cut = match self.rest[..reach].rfind([' ', '\n']) {
            Some(at) if at > 0 && reach < self.rest.len() => at,
            _ => reach,
        };
        let (piece, rest) = self.rest.split_at(cut);
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}
