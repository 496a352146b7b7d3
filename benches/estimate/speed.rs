//! What an estimate costs where requests are as large as usual.

use std::time::Duration;

use serde_json::Value;
use tiktoken_rs::CoreBPE;
use tokio::runtime::Runtime;
use tollgate::estimate::{self, Estimator};

use crate::measure::{again, body, chat, hold, percentile, plain, says, time, work};
use crate::page::{Table, micros, times};
use crate::text::{KINDS, Kind, Random};

/// Chats of each kind and size.
const CHATS: usize = 400;
const SIZES: [(usize, &str); 3] = [(1_000, "1 kB"), (4_000, "4 kB"), (16_000, "16 kB")];

/// Turns of a growing chat, and the bytes of each of a turn's two messages.
const TURNS: usize = 50;
const MESSAGE: usize = 420;
/// Growing chats of each kind.
const GROWING: usize = 20;

/// Requests whose texts are all new, and the same again.
pub(crate) fn requests(runtime: &Runtime, vocabulary: &CoreBPE, random: &mut Random) -> String {
    let mut columns = vec!["tiktoken-rs", "`estimate::request`", "`Estimator`, new", "on the wall", "again"];
    if cfg!(feature = "bpe-openai") {
        columns.push("with `BpeOpenai`, new");
    }
    let mut table = Table::new(&columns);
    let estimator = Estimator::new();
    let others = others(runtime);
    for (bytes, size) in SIZES {
        for kind in KINDS {
            let mut taken = vec![Vec::new(); columns.len()];
            for _ in 0..CHATS {
                let body = chat(kind, random, bytes);
                // Each in turn is the first to touch the text.
                let first = random.next() as usize % 3;
                for at in [first, (first + 1) % 3, (first + 2) % 3] {
                    match at {
                        0 => taken[0].push(time(|| plain(vocabulary, &body))),
                        1 => taken[1].push(time(|| estimate::request(&body))),
                        _ => {
                            let hold = hold(runtime, &estimator, &body).0;
                            taken[2].push(hold.work);
                            taken[3].push(hold.wall);
                        }
                    }
                }
                taken[4].push(again(runtime, &estimator, &body));
                if let Some(other) = &others {
                    taken[5].push(hold(runtime, other, &body).0.work);
                }
            }
            let cells = taken
                .iter()
                .map(|of| format!("{} / {}", micros(percentile(of, 50)), micros(percentile(of, 99))));
            table.row(&format!("{size} of {}", kind.name()), cells);
        }
    }
    table.into()
}

#[cfg(feature = "bpe-openai")]
fn others(runtime: &Runtime) -> Option<Estimator> {
    let estimator = Estimator::builder().counter(estimate::BpeOpenai).build();
    runtime.block_on(estimator.warm_up());
    Some(estimator)
}

#[cfg(not(feature = "bpe-openai"))]
fn others(_: &Runtime) -> Option<Estimator> {
    None
}

/// A chat that is sent again with two messages more, again and again.
pub(crate) fn growing(runtime: &Runtime, vocabulary: &CoreBPE, random: &mut Random) -> String {
    let mut table = Table::new(&[
        "tiktoken-rs, µs per turn",
        "`Estimator`, µs per turn",
        "times as fast",
        "of it, counting the new text",
        "all again: tiktoken-rs",
        "`Estimator`",
        "times as fast",
    ]);
    for kind in [Kind::English, Kind::Chinese] {
        let mut taken = [const { Vec::<Duration>::new() }; 5];
        for _ in 0..GROWING {
            let chat = Growing::new(kind, random);
            let estimator = Estimator::new();
            let [mut all, mut own, mut new] = [Duration::ZERO; 3];
            for (request, news) in chat.turns.iter().zip(&chat.news) {
                all += time(|| plain(vocabulary, request));
                own += work(runtime, &estimator, request);
                new += time(|| plain(vocabulary, news));
            }
            let last = &chat.turns[TURNS - 1];
            for (of, whole) in taken.iter_mut().zip([all, own, new]) {
                of.push(whole / TURNS as u32);
            }
            taken[3].extend((0..20).map(|_| time(|| plain(vocabulary, last))));
            taken[4].extend((0..20).map(|_| again(runtime, &estimator, last)));
        }
        let [all, own, new, again, own_again] = taken.map(|of| percentile(&of, 50));
        let cells = [
            micros(all),
            micros(own),
            times(all, own),
            micros(new),
            micros(again),
            micros(own_again),
            times(again, own_again),
        ];
        table.row(kind.name(), cells);
    }
    table.into()
}

/// The requests of a growing chat, and those that would hold each turn's messages alone.
struct Growing {
    turns: Vec<Value>,
    news: Vec<Value>,
}

impl Growing {
    fn new(kind: Kind, random: &mut Random) -> Self {
        let mut messages = Vec::new();
        let (mut turns, mut news) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let said = [(); 2].map(|()| kind.text(random, MESSAGE));
            let said: Vec<Value> = said.iter().enumerate().map(|(at, text)| says(at, text)).collect();
            messages.extend(said.clone());
            news.push(body(said));
            turns.push(body(messages.clone()));
        }
        Growing { turns, news }
    }
}
