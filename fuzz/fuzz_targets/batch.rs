//! The files of a batch: arbitrary requests, and an arbitrary result file that an earlier run left.
//!
//! What is taken from a line is what the line says; a result that was written is found again, also where the
//! file was cut off anywhere.
#![no_main]
#![allow(dead_code, reason = "the program has uses for the rest")]

#[path = "../../cli/src/batch.rs"]
mod batch;
#[path = "../../cli/src/found.rs"]
mod found;
#[path = "../../cli/src/ids.rs"]
mod ids;
#[path = "../../cli/src/lines.rs"]
mod lines;
#[path = "../../cli/src/retry.rs"]
mod retry;

use libfuzzer_sys::fuzz_target;

use batch::{BadLine, Earlier, Line, ResultLine};
use found::Whole;
use lines::Lines;

fuzz_target!(|file: &[u8]| {
    let requests = read_requests(file);
    let _ = found::survey(file, "results");
    let results = write_results(file, &requests);
    resume(&results, requests.len() as u64, file);
});

fn read_requests(file: &[u8]) -> Vec<Line> {
    let mut lines = Lines::new(file);
    let (mut good, mut last) = (Vec::new(), 0);
    while let Some((number, text)) = lines.next().expect("memory can be read") {
        assert!(number > last && number <= 1 + file.len() as u64);
        last = number;
        let text = text.expect("it is not too long");
        assert!(!text.is_empty() && !text.contains(&b'\n'));
        match Line::read(text) {
            Ok(line) => {
                check(text, &line);
                good.push(line);
            }
            Err(BadLine { why, custom_id }) => {
                assert!(!why.is_empty() && custom_id.is_none_or(|id| !id.is_empty()));
            }
        }
    }
    good
}

fn check(text: &[u8], line: &Line) {
    assert!(!line.custom_id.is_empty());
    assert!(line.url.starts_with('/') && !line.url.starts_with("//"));
    match line.body() {
        Ok(body) => {
            let whole: serde_json::Value = serde_json::from_slice(text).expect("it was read");
            assert_eq!(whole["body"], body);
            assert_eq!(whole["custom_id"], line.custom_id.as_str());
            assert!(body["model"].as_str().is_some_and(|model| !model.is_empty()));
        }
        Err(bad) => assert_eq!(bad.custom_id.as_ref(), Some(&line.custom_id)),
    }
}

/// A result for each request, whose answer is any part of the file.
fn write_results(file: &[u8], requests: &[Line]) -> Vec<u8> {
    let mut results = Vec::new();
    for (index, line) in requests.iter().enumerate() {
        let from = file.len() * index / requests.len();
        let answers = [String::from_utf8_lossy(&file[from..]).into_owned(), line.body.clone()];
        for (answer, status) in answers.iter().zip([200, 400]) {
            let result = ResultLine::answered(&line.custom_id, status, &line.url, answer);
            let bytes = result.to_bytes().expect("a result can be written");
            assert!(bytes.ends_with(b"\n") && !bytes[..bytes.len() - 1].contains(&b'\n'));
            let read = Earlier::read(&bytes).expect("and read back");
            assert_eq!(read.custom_id, line.custom_id.as_str());
            assert!(read.status == Some(status) || (read.status.is_none() && status == 200));
            if status == 400 {
                results.extend_from_slice(&bytes);
            }
        }
        let failed = ResultLine::failed(&line.custom_id, "gave_up", &line.url);
        let bytes = failed.to_bytes().expect("a failure can be written");
        assert_eq!(Earlier::read(&bytes).expect("and read back").status, None);
    }
    results
}

/// The result file, cut off where the first byte of the input says.
fn resume(results: &[u8], count: u64, file: &[u8]) {
    let cut = results.len() * file.first().map_or(0, |byte| usize::from(*byte)) / 255;
    let whole_lines = results[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
    let (found, end) = found::survey(&results[..cut], "results").expect("all of it are results");
    assert!(found.answered <= count && found.again == 0);
    match end {
        Whole::Yes => assert!(cut == 0 || results[cut - 1] == b'\n'),
        // A line that lacks only its line feed.
        Whole::ButTheLineFeed => assert_eq!(results[cut], b'\n'),
        Whole::UpTo(end) => {
            assert_eq!(end + found.torn, cut as u64);
            assert!(found.answered <= whole_lines);
        }
    }
}
