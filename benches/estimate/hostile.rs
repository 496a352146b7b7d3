//! Texts that tokenizers dislike.

use crate::text::{Kind, Random};

/// A name, and how a text of at least so many bytes is made.
type Hostile = (&'static str, fn(&mut Random, usize) -> String);

pub(crate) const ALL: [Hostile; 20] = [
    ("letters `a`", |_, bytes| "a".repeat(bytes)),
    ("spaces", |_, bytes| " ".repeat(bytes)),
    ("tabs", |_, bytes| "\t".repeat(bytes)),
    ("spaces and an `x`", |_, bytes| format!("{}x", " ".repeat(bytes))),
    ("` a`", |_, bytes| " a".repeat(bytes / 2 + 1)),
    ("dashes", |_, bytes| "-".repeat(bytes)),
    ("slashes", |_, bytes| "/".repeat(bytes)),
    ("98 dashes and a space", |_, bytes| format!("{} ", "-".repeat(98)).repeat(bytes / 99 + 1)),
    ("random letters", |random, bytes| any(random, bytes, |random| char::from(b'a' + letter(random)))),
    ("random punctuation", |random, bytes| any(random, bytes, |random| random.of(&PUNCTUATION))),
    ("digits", |random, bytes| any(random, bytes, |random| char::from(b'0' + random.between(0, 9) as u8))),
    ("combining marks", |random, bytes| any(random, bytes, mark)),
    ("zalgo", |random, bytes| {
        any(random, bytes, |random| match random.one_in(8) {
            true => char::from(b'a' + letter(random)),
            false => mark(random),
        })
    }),
    ("emoji joined", |_, bytes| "👨\u{200d}👩\u{200d}👧\u{200d}👦".repeat(bytes / 25 + 1)),
    ("Chinese, no punctuation", |random, bytes| {
        let text = Kind::Chinese.text(random, bytes * 5 / 4);
        text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).collect()
    }),
    ("random Han", |random, bytes| any(random, bytes, |random| scalar(random, 0x4e00, 0x9fa5))),
    ("random Unicode", |random, bytes| any(random, bytes, |random| scalar(random, 0x20, 0x2_ffff))),
    ("base64", |random, bytes| any(random, bytes, |random| char::from(random.of(BASE64)))),
    ("apostrophes", |_, bytes| "'".repeat(bytes)),
    ("line ends", |_, bytes| "\n".repeat(bytes)),
];

const PUNCTUATION: [char; 28] = [
    '!', '"', '#', '$', '%', '&', '(', ')', '*', '+', ',', '-', '.', '/', ':', ';', '<', '=', '>', '?', '@',
    '[', ']', '^', '_', '{', '|', '~',
];
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn any(random: &mut Random, bytes: usize, one: fn(&mut Random) -> char) -> String {
    let mut text = String::with_capacity(bytes + 4);
    while text.len() < bytes {
        text.push(one(random));
    }
    text
}

fn letter(random: &mut Random) -> u8 {
    random.between(0, 25) as u8
}

fn mark(random: &mut Random) -> char {
    scalar(random, 0x300, 0x36f)
}

fn scalar(random: &mut Random, least: u64, most: u64) -> char {
    u32::try_from(random.between(least, most)).ok().and_then(char::from_u32).unwrap_or('a')
}
