//! Runs random cases for as long as it is told, and prints how to repeat the one that fails.
//!
//! `tollgate-soak --minutes N [--seed S]`; see `scripts/soak`.

#![allow(clippy::disallowed_methods, reason = "it runs by the machine's clock")]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tollgate_model::{Case, Tally};

/// Runs a case, and panics if it fails.
type Run = fn(&Case) -> Tally;

const CASES: u32 = 500;
const USAGE: &str = "usage: tollgate-soak --minutes N [--seed S]";

fn main() -> ExitCode {
    let Some((minutes, first)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (begin, mut shown) = (Instant::now(), Instant::now());
    let mut all = Tally::default();
    let mut cases = 0;
    let mut seed = first;
    // What panics is shown once, shortened.
    panic::set_hook(Box::new(|_| {}));
    while begin.elapsed() < Duration::from_secs(60 * minutes) || seed == first {
        let modes: [(&str, Run); 2] =
            [("exactly", tollgate_model::exactly), ("broadly", tollgate_model::broadly)];
        for (mode, run) in modes {
            let failed = match mode {
                "exactly" => search(seed, tollgate_model::exact(), run, &mut all),
                _ => search(seed, tollgate_model::everything(), run, &mut all),
            };
            if let Some((case, why)) = failed {
                println!("\nfailed: {mode}, seed {seed}\n\n{why}\n\nthe shortest case found:\n{case:#?}\n");
                println!("to repeat it: scripts/soak --minutes 0 --seed {seed}");
                return ExitCode::FAILURE;
            }
            cases += u64::from(CASES);
        }
        if shown.elapsed() >= Duration::from_secs(10) {
            shown = Instant::now();
            progress(begin, seed, cases, &all);
        }
        seed = seed.wrapping_add(1);
    }
    progress(begin, seed.wrapping_sub(1), cases, &all);
    ExitCode::SUCCESS
}

fn arguments() -> Option<(u64, u64)> {
    let (mut minutes, mut seed) = (None, 1);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match word.as_str() {
            "--minutes" => minutes = Some(number),
            "--seed" => seed = number,
            _ => return None,
        }
    }
    Some((minutes?, seed))
}

fn progress(begin: Instant, seed: u64, cases: u64, all: &Tally) {
    let Tally { ops, admitted, refused, served } = all;
    println!(
        "{:>6} s  seed {seed}: {cases} cases, {ops} operations, {admitted} admitted ({served} waited for), {refused} refused",
        begin.elapsed().as_secs()
    );
}

/// Runs the cases of one seed; gives the shortest that fails, and why.
fn search(
    seed: u64,
    cases: impl Strategy<Value = Case>,
    run: Run,
    all: &mut Tally,
) -> Option<(Case, String)> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: CASES, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let sum = std::cell::Cell::new(*all);
    let outcome = runner.run(&cases, |case| match panic::catch_unwind(AssertUnwindSafe(|| run(&case))) {
        Ok(tally) => {
            sum.set(sum.get() + tally);
            Ok(())
        }
        Err(panic) => Err(TestCaseError::fail(said(panic.as_ref()))),
    });
    *all = sum.get();
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(why, case)) => Some((case, why.to_string())),
        Err(TestError::Abort(why)) => panic!("no case is ever rejected: {why}"),
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
