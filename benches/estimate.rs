//! What estimates cost, beside plain tiktoken-rs, how long they hold a thread, and how far samples are off.
//!
//! Writes the tables of `docs/estimate`. Contenders take turns in one process on texts that none of them has
//! seen. Further arguments are folders whose files are sampled, too.

#![forbid(unsafe_code)]

#[path = "estimate/holds.rs"]
mod holds;
#[path = "estimate/hostile.rs"]
mod hostile;
#[path = "estimate/measure.rs"]
mod measure;
#[path = "estimate/page.rs"]
mod page;
mod readme;
#[path = "estimate/samples.rs"]
mod samples;
#[path = "estimate/speed.rs"]
mod speed;
#[path = "estimate/text.rs"]
mod text;
#[path = "estimate/words.rs"]
mod words;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use text::Random;
use tokio::runtime::Builder;

const SEED: u64 = 0x746f_6c6c_6761_7465;

fn main() -> io::Result<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = project.join("docs/estimate/README.md");
    let mut page = fs::read_to_string(&readme)?;
    let mut tell = |name: &str, table: String| {
        println!("{name}\n\n{table}");
        page = readme::fill(&page, name, &table)?;
        io::Result::Ok(())
    };

    let runtime = Builder::new_current_thread().build()?;
    let random = &mut Random(SEED);
    // Before anything else: it builds the vocabulary.
    tell("first", holds::first(&runtime, random))?;
    let vocabulary = tiktoken_rs::o200k_base_singleton();

    tell("requests", speed::requests(&runtime, vocabulary, random))?;
    tell("growing", speed::growing(&runtime, vocabulary, random))?;
    tell("thresholds", holds::thresholds(&runtime, random))?;
    tell("many", holds::many(&runtime, random))?;
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    tell("megabytes", holds::megabytes(&runtime, vocabulary, random))?;
    std::panic::set_hook(loud);
    let own = ("this repository".to_owned(), project);
    let further = env::args().skip(1).map(|folder| ("further files".to_owned(), PathBuf::from(folder)));
    let folders: Vec<(String, PathBuf)> = std::iter::once(own).chain(further).collect();
    tell("samples", samples::errors(&runtime, vocabulary, random, &folders)?)?;
    fs::write(&readme, page)
}
