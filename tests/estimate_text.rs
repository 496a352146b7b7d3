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

/// Text of many scripts, languages and formats, and the characters that are easy to get wrong.
fn corpus() -> String {
    let parts: Vec<String> = serde_json::from_str(include_str!("fixtures/corpus.json")).unwrap();
    parts.concat()
}

/// Strings with their tokens in `o200k_base` and `cl100k_base`, counted by the npm package `tiktoken`
/// (the reference implementation compiled to WebAssembly). `scripts/token-vectors/write.js` wrote them,
/// and says what a row means.
fn vectors() -> Vec<(String, u64, u64)> {
    let corpus: Vec<char> = corpus().chars().collect();
    let rows = include_str!("fixtures/tokens.csv").lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let [slices, o200k, cl100k] = row.split(',').collect::<Vec<_>>().try_into().unwrap();
        let string = slices.split(' ').map(|slice| cut_out(&corpus, slice)).collect();
        (string, o200k.parse().unwrap(), cl100k.parse().unwrap())
    })
    .collect()
}

/// What `start:length` or `start:length*times` stands for.
fn cut_out(corpus: &[char], slice: &str) -> String {
    let numbers: Vec<usize> = slice.split([':', '*']).map(|number| number.parse().unwrap()).collect();
    let (start, length, times) = (numbers[0], numbers[1], numbers.get(2).copied().unwrap_or(1));
    corpus[start..start + length].iter().collect::<String>().repeat(times)
}

/// Fails with the strings that `encoding` counts otherwise than `vectors` say.
fn assert_counts<'a>(encoding: Encoding, vectors: impl Iterator<Item = (&'a str, u64)>) {
    let wrong: Vec<String> = vectors
        .map(|(string, expected)| (string, text(string, encoding), expected))
        .filter(|(_, counted, expected)| counted != expected)
        .map(|(string, counted, expected)| {
            let beginning: String = string.chars().take(200).collect();
            format!("{counted} instead of {expected}, {} bytes: {beginning:?}", string.len())
        })
        .collect();
    let shown = &wrong[..wrong.len().min(10)];
    assert!(wrong.is_empty(), "{encoding} counts {} strings wrongly:\n{}", wrong.len(), shown.join("\n"));
}

#[test]
fn every_string_counts_as_the_reference_tokenizer_counts_it() {
    let vectors = vectors();
    assert!(vectors.len() > 7_000);
    let o200k = || vectors.iter().map(|(string, o200k, _)| (string.as_str(), *o200k));
    let cl100k = || vectors.iter().map(|(string, _, cl100k)| (string.as_str(), *cl100k));
    assert_counts(Encoding::O200kBase, o200k());
    assert_counts(Encoding::Cl100kBase, cl100k());
    assert_counts(Encoding::O200kHarmony, o200k().take(500));
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
    let han = "我能吞下玻璃而不伤身体，今天天气很好。".repeat(8_000);
    let json = r#"{"id":12345,"name":"Zoë","tags":["a","b"],"text":"値"},"#.repeat(6_000);
    let code = "fn f(x: u8) -> u8 {\n    let y = x + 1;\n    y * 2\n}\n\n".repeat(6_000);
    let crlf = "A line.\r\n\r\nDon't stop!\r\n".repeat(12_000);
    let mixed = corpus().repeat(4);
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
