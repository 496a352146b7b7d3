//! How long an estimate holds the thread of an executor.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::Value;
use tiktoken_rs::CoreBPE;
use tokio::runtime::Runtime;
use tollgate::estimate::{Accuracy, Encoding, Estimator, TokenCounter};

use crate::hostile;
use crate::measure::{Hold, body, hold, percentile, plain, says, time};
use crate::page::{Table, micros, millis};
use crate::text::{Kind, Random, boundary};

const MB: usize = 1 << 20;
/// Sizes at which the estimator decides otherwise, and between.
const SIZES: [(usize, &str); 8] = [
    (800, "0.8 kB"),
    (1_600, "1.6 kB"),
    (4_900, "4.9 kB"),
    (8_192, "8 KiB"),
    (9_000, "9 kB"),
    (16_384, "16 KiB"),
    (32_768, "32 KiB"),
    (65_536, "64 KiB"),
];
/// How often each is measured, with new texts.
const SMALL: usize = 41;
const LARGE: usize = 5;

/// One message of a megabyte, and of four.
pub(crate) fn megabytes(runtime: &Runtime, vocabulary: &CoreBPE, random: &mut Random) -> String {
    let mut table = Table::new(&[
        "1 MiB: tiktoken-rs, ms",
        "`Estimator`, ms",
        "longest hold, µs",
        "4 MiB: `Estimator`, ms",
        "longest hold, µs",
    ]);
    let estimator = Estimator::new();
    for (name, make) in hostile::ALL {
        let mut cells = Vec::new();
        for bytes in [MB, 4 * MB] {
            // A little less, for the role.
            let one = |random: &mut Random| body(vec![says(0, cut(&make(random, bytes), bytes - 100))]);
            if bytes == MB {
                let body = one(random);
                let counted = catch_unwind(AssertUnwindSafe(|| time(|| plain(vocabulary, &body))));
                cells.push(counted.map_or("panics".to_owned(), millis));
            }
            let holds: Vec<Hold> = (0..LARGE)
                .map(|_| {
                    let mut body = one(random);
                    anew(&mut body, random.next() % 0x1_0000);
                    hold(runtime, &estimator, &body).0
                })
                .collect();
            let total: Vec<Duration> = holds.iter().map(|hold| hold.wall).collect();
            cells.push(millis(percentile(&total, 50)));
            cells.push(longest(&holds));
        }
        table.row(name, cells);
    }
    table.into()
}

/// Texts about as long as those that are counted where the caller is.
pub(crate) fn thresholds(runtime: &Runtime, random: &mut Random) -> String {
    let mut table = Table::new(&SIZES.map(|(_, name)| name));
    let estimator = Estimator::new();
    for (name, make) in hostile::ALL {
        let cells = SIZES.map(|(bytes, _)| {
            let one = |_| {
                let mut body = body(vec![says(0, cut(&make(random, bytes), bytes))]);
                anew(&mut body, random.next() % 0x1_0000);
                hold(runtime, &estimator, &body).0
            };
            let holds: Vec<Hold> = (0..SMALL).map(one).collect();
            longest(&holds)
        });
        table.row(name, cells);
    }
    table.into()
}

/// Requests of many texts.
pub(crate) fn many(runtime: &Runtime, random: &mut Random) -> String {
    let mut table = Table::new(&[
        "new: ms",
        "longest hold, µs",
        "again: longest hold, µs",
        "before the vocabulary is built: longest hold, µs",
        "accuracy",
    ]);
    let (estimator, unbuilt) = (Estimator::new(), Estimator::builder().counter(Unbuilt).build());
    let requests = [
        ("1 message of 5 kB", 1, 5_000),
        ("1 message of 60 kB", 1, 60_000),
        ("1 message of 16 MB", 1, 16 << 20),
        ("100 messages of 1 kB", 100, 1_000),
        ("1,000 messages of 50 B", 1_000, 50),
        ("10,000 messages of 50 B", 10_000, 50),
        ("10,000 messages of 1 kB", 10_000, 1_000),
        ("128 messages of 8 kB", 128, 8_000),
        ("100 messages of 60 kB", 100, 60_000),
        ("64 messages of 100 kB", 64, 100_000),
    ];
    for (name, messages, bytes) in requests {
        let mut of = [const { Vec::new() }; 3];
        let mut accuracy = Accuracy::Exact;
        for _ in 0..if messages * bytes > MB { LARGE } else { SMALL } {
            let texts = (0..messages).map(|at| says(at, &Kind::English.text(random, bytes)));
            let body = body(texts.collect());
            let (new, estimate) = hold(runtime, &estimator, &body);
            accuracy = estimate.accuracy();
            of[0].push(new);
            of[1].push(hold(runtime, &estimator, &body).0);
            of[2].push(hold(runtime, &unbuilt, &body).0);
        }
        let total: Vec<Duration> = of[0].iter().map(|hold| hold.wall).collect();
        let [new, again, unbuilt] = of.map(|holds| longest(&holds));
        table.row(name, [millis(percentile(&total, 50)), new, again, unbuilt, accuracy.to_string()]);
    }
    table.into()
}

/// Estimates while a vocabulary is really built, which happens once in a process.
pub(crate) fn first(runtime: &Runtime, random: &mut Random) -> String {
    let mut table = Table::new(&["longest hold, µs"]);
    let estimator = Estimator::new();
    let mut holds = Vec::new();
    let built = loop {
        let texts = (0..10).map(|at| says(at, &Kind::English.text(random, 1_600)));
        let (of, estimate) = hold(runtime, &estimator, &body(texts.collect()));
        if estimate.accuracy() == Accuracy::Exact {
            break of;
        }
        holds.push(of);
    };
    table.row("the first estimate of a process, 16 kB", [micros(holds[0].longest)]);
    table.row(&format!("{} more until the vocabulary was built", holds.len() - 1), [longest(&holds[1..])]);
    table.row("the first estimate with the vocabulary", [micros(built.longest)]);
    table.into()
}

/// The median of the longest holds, and the longest of all.
fn longest(holds: &[Hold]) -> String {
    let longest: Vec<Duration> = holds.iter().map(|hold| hold.longest).collect();
    format!("{} / {}", micros(percentile(&longest, 50)), micros(percentile(&longest, 100)))
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..boundary(text, bytes)]
}

/// Makes a text new to all estimators by its first bytes, a number.
fn anew(body: &mut Value, number: u64) {
    if let Value::String(text) = &mut body["messages"][0]["content"] {
        let begin = (4..8).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.replace_range(..begin, &format!("{number:04x}"));
    }
}

/// A vocabulary that is never there.
struct Unbuilt;

impl TokenCounter for Unbuilt {
    fn count(&self, _: &str, _: Encoding) -> u64 {
        0
    }

    fn is_ready(&self, _: Encoding) -> bool {
        false
    }
}
