//! The program `tollgate`: runs batches of LLM API requests at the provider's limits.
#![forbid(unsafe_code)]

mod args;
mod batch;
mod demo;
mod engine;
mod estimate;
mod feed;
mod found;
mod ids;
mod limits;
mod lines;
mod notes;
mod plan;
mod presets;
mod progress;
mod resume;
mod retry;
mod run;
mod send;
mod sim;
mod state;
mod stop;
mod tally;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use args::{Args, Command};

/// How a run ended; `--help` lists the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Complete,
    SomeFailed,
    NotStarted,
    GaveUp,
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Complete => 0,
            Exit::SomeFailed => 1,
            Exit::NotStarted => 2,
            Exit::GaveUp => 3,
            Exit::Interrupted => stop::INTERRUPTED,
        })
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start")),
    };
    let ended = runtime.block_on(async {
        match args.command {
            Command::Run(args) => run::run(*args).await,
            Command::Estimate(args) => estimate::run(*args).await,
            Command::Sim(args) => sim::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Presets(args) => presets::run(&args),
        }
    });
    // The input may be a pipe that nobody writes to any more; its reader is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => failed(&error),
    }
}

/// Writes to stdout; `println!` would panic where a pipe is closed early.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// What cannot be started at all is said in one line.
fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    Exit::NotStarted.into()
}
