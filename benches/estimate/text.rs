//! Texts from a seed, each of them new: like natural ones, code, data.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::words::{CHINESE, ENGLISH};

static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| ENGLISH.split_whitespace().collect());
static HAN: LazyLock<Vec<&str>> = LazyLock::new(|| CHINESE.split_whitespace().collect());

/// What a text is like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    English,
    Chinese,
    Code,
    Json,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::English, Kind::Chinese, Kind::Code, Kind::Json];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::English => "English",
            Kind::Chinese => "Chinese",
            Kind::Code => "Rust code",
            Kind::Json => "JSON",
        }
    }

    /// A text of `bytes`, or a character less.
    pub(crate) fn text(self, random: &mut Random, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 1_024);
        while text.len() < bytes {
            match self {
                Kind::English => english(random, &mut text),
                Kind::Chinese => chinese(random, &mut text),
                Kind::Code => code(random, &mut text),
                Kind::Json => json(random, &mut text),
            }
        }
        text.truncate(boundary(&text, bytes));
        text
    }
}

/// The last place up to `at` where `text` may be cut.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn english(random: &mut Random, text: &mut String) {
    let words = random.between(5, 24);
    for at in 0..words {
        let word = random.of(&WORDS);
        match at {
            0 => capital(word, text),
            _ => write(text, format_args!("{}{word}", if random.one_in(12) { ", " } else { " " })),
        }
        if random.one_in(60) {
            write(text, format_args!(" {}", random.between(2, 40_000)));
        }
    }
    text.push_str(random.of(&[". ", ". ", ". ", ". ", "? ", ".\n\n", "; "]));
}

fn chinese(random: &mut Random, text: &mut String) {
    for _ in 0..random.between(3, 10) {
        text.push_str(random.of(&HAN));
    }
    text.push_str(random.of(&["，", "，", "，", "，", "。", "。", "。\n", "、", "：", "？"]));
}

fn code(random: &mut Random, text: &mut String) {
    let (name, field, other) = (identifier(random), identifier(random), identifier(random));
    let mut kind = String::new();
    capital(random.of(&WORDS), &mut kind);
    capital(random.of(&WORDS), &mut kind);
    match random.between(0, 3) {
        0 => write(
            text,
            format_args!(
                "    /// The {} of a {}.\n    pub fn {name}(&self, {field}: &{kind}) -> Option<u64> {{\n        let {other} = self.{field}.iter().filter(|it| it.{name} > {});\n        {other}.map(|it| it.{field}()).max()\n    }}\n\n",
                random.of(&WORDS),
                random.of(&WORDS),
                random.between(0, 5_000)
            ),
        ),
        1 => write(
            text,
            format_args!(
                "#[derive(Clone, Debug)]\npub struct {kind} {{\n    {name}: Vec<{kind}>,\n    {field}: HashMap<String, u32>,\n    pub(crate) {other}: [u8; {}],\n}}\n\n",
                random.between(1, 512)
            ),
        ),
        2 => write(
            text,
            format_args!(
                "    match {name}.{field}(\"{}\") {{\n        Ok({other}) if {other} != 0x{:x} => return Err({kind}::{other}(format!(\"{{{name}}}: {}\"))),\n        Ok(_) => {{}}\n        Err(error) => tracing::warn!(%error, \"{} {}\"),\n    }}\n",
                random.of(&WORDS),
                random.next() as u32,
                random.of(&WORDS),
                random.of(&WORDS),
                random.of(&WORDS)
            ),
        ),
        _ => write(
            text,
            format_args!(
                "use crate::{name}::{{{kind}, {field}}};\n\nimpl<'a> From<&'a {kind}> for {other}::Error {{\n    // Because {} {} {}.\n    fn from({name}: &'a {kind}) -> Self {{ Self {{ {field}: {name}.{field} as usize + {} }} }}\n}}\n",
                random.of(&WORDS),
                random.of(&WORDS),
                random.of(&WORDS),
                random.between(1, 99)
            ),
        ),
    }
}

fn json(random: &mut Random, text: &mut String) {
    let (id, at) = (random.next(), random.between(0, 59));
    let (price, flag) = (random.between(100, 999_999), random.one_in(2));
    let (key, title) = (identifier(random), [(); 4].map(|()| random.of(&WORDS)).join(" "));
    let tags = [(); 3].map(|()| format!("\"{}\"", random.of(&WORDS))).join(",");
    write(
        text,
        format_args!(
            "{{\"id\":\"{id:016x}\",\"{key}\":{},\"title\":\"{title}\",\"price\":{}.{:02},\"active\":{flag},\"created_at\":\"2026-{:02}-{:02}T10:{at:02}:{:02}Z\",\"tags\":[{tags}],\"{}\":null}},\n",
            id % 100_000,
            price / 100,
            price % 100,
            id % 12 + 1,
            id % 28 + 1,
            id % 60,
            random.of(&WORDS)
        ),
    );
}

fn identifier(random: &mut Random) -> String {
    match random.between(0, 2) {
        0 => random.of(&WORDS).to_owned(),
        _ => format!("{}_{}", random.of(&WORDS), random.of(&WORDS)),
    }
}

fn capital(word: &str, text: &mut String) {
    text.extend(word.chars().next().map(|first| first.to_ascii_uppercase()));
    text.push_str(&word[1..]);
}

fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("strings take everything");
}

/// SplitMix64: enough for texts, and the same everywhere.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next() as usize % all.len()]
    }
}
