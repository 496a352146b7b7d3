//! Counting text: what an independent tokenizer says, and what no input may do.
#![cfg(feature = "tiktoken")]

use std::thread;

use proptest::prelude::*;
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};
use tollgate::estimate::{Encoding, text, warm_up};

/// Pairs of an encoding and the tokenizer that it is compared with, uncut.
fn encodings() -> [(Encoding, &'static CoreBPE); 2] {
    [(Encoding::O200kBase, o200k_base_singleton()), (Encoding::Cl100kBase, cl100k_base_singleton())]
}

/// Strings with their tokens in `o200k_base` and `cl100k_base`, counted by the npm package `tiktoken`
/// (the reference implementation compiled to WebAssembly), `encode_ordinary`, November 2026.
fn vectors() -> Vec<(String, u64, u64)> {
    serde_json::from_str(include_str!("fixtures/tokens.json")).unwrap()
}

#[test]
fn every_string_counts_as_the_reference_tokenizer_counts_it() {
    let vectors = vectors();
    assert!(vectors.len() > 300);
    for (string, o200k, cl100k) in vectors {
        assert_eq!(text(&string, Encoding::O200kBase), o200k, "o200k_base: {string:?}");
        assert_eq!(text(&string, Encoding::O200kHarmony), o200k, "o200k_harmony: {string:?}");
        assert_eq!(text(&string, Encoding::Cl100kBase), cl100k, "cl100k_base: {string:?}");
    }
}

#[test]
fn text_that_looks_like_a_special_token_hides_nothing() {
    for (encoding, _) in encodings() {
        assert!(text("<|endoftext|>", encoding) > 1);
        let ten = text(&"<|endoftext|>".repeat(10), encoding);
        assert!(ten >= 60, "{encoding}: {ten}");
    }
}

#[test]
fn long_ordinary_text_counts_exactly_though_it_is_cut() {
    let all: Vec<String> = vectors().into_iter().map(|(string, ..)| string).collect();
    let han = "我能吞下玻璃而不伤身体，今天天气很好。".repeat(8_000);
    let json = r#"{"id":12345,"name":"Zoë","tags":["a","b"],"text":"値"},"#.repeat(6_000);
    let code = "fn f(x: u8) -> u8 {\n    let y = x + 1;\n    y * 2\n}\n\n".repeat(6_000);
    let crlf = "A line.\r\n\r\nDon't stop!\r\n".repeat(12_000);
    let mixed = all.join(" ").repeat(12);
    for (encoding, whole) in encodings() {
        for long in [&han, &json, &code, &crlf, &mixed] {
            assert!(long.len() > 3 * 65_536);
            let start: String = long.chars().take(30).collect();
            assert_eq!(text(long, encoding), whole.count_ordinary(long) as u64, "{encoding}: {start}");
        }
    }
}

/// What may be repeated without ever making a seam.
const SEAMLESS: [&str; 12] =
    ["a", " ", "\t", "\r\n", "\u{3000}", "-", "1", "👩\u{200d}🚀", "漢", "a\u{301}", "haha", "{["];

#[test]
fn a_megabyte_of_one_character_is_counted_on_a_small_stack() {
    let counting = || {
        for unit in ["a", " ", "\t", "\n", "-", "/", "😀", "漢", "1", "\u{301}"] {
            let megabyte = unit.repeat(1_000_000 / unit.len());
            let tokens = text(&megabyte, Encoding::O200kBase);
            assert!(0 < tokens && tokens <= 1_000_000, "{unit:?}");
        }
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(counting).unwrap().join().unwrap();
}

#[test]
fn a_million_blanks_before_a_word_are_counted_though_the_uncut_tokenizer_gives_up() {
    let blanks = format!("{}x", " ".repeat(1_000_000));
    for (encoding, _) in encodings() {
        assert!(text(&blanks, encoding) > 1_000);
    }
}

#[test]
fn a_run_without_seams_is_off_by_no_more_than_two_tokens_for_each_cut() {
    for (encoding, whole) in encodings() {
        for unit in SEAMLESS {
            let long = unit.repeat(132_000 / unit.len());
            let cuts = long.len() as u64 / 65_536;
            let exact = whole.count_ordinary(&long) as u64;
            let error = text(&long, encoding).abs_diff(exact);
            assert!(error <= 2 * cuts, "{encoding}: {unit:?} is off by {error} of {exact}");
        }
    }
}

#[test]
fn building_the_vocabularies_twice_or_at_once_is_harmless() {
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(warm_up)).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn short_text_counts_as_the_uncut_tokenizer_counts_it(string in "\\PC{0,200}|[\\s\\w'!-/]{0,200}") {
        for (encoding, whole) in encodings() {
            prop_assert_eq!(text(&string, encoding), whole.count_ordinary(&string) as u64);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn text_beyond_the_cutting_size_counts_the_same_wherever_the_cut_falls(
        words in prop::collection::vec("[a-zA-Zé漢]{1,9}[,.!]?|[0-9]{1,7}|[ \t\r\n]{1,4}|'s|don't|!\n", 20..60),
        shift in 0usize..64,
    ) {
        let unit = words.join(" ");
        let long = format!("{}{}", "x".repeat(shift), unit.repeat(70_000 / unit.len() + 1));
        for (encoding, whole) in encodings() {
            prop_assert_eq!(text(&long, encoding), whole.count_ordinary(&long) as u64);
        }
    }
}
