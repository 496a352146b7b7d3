//! `tollgate estimate`: what files of requests will cost, and how long they will take.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args as Group;
use indicatif::HumanCount;
use tokio::sync::oneshot;
use tollgate::estimate::Estimator;

use super::input::{Counted, Input};
use super::report;
use super::totals::Totals;
use crate::plan::Planner;
use crate::progress::Console;
use crate::stop::Stop;
use crate::{Exit, args, limits};

const NOTES: &str = "\
Exit codes:
  0    every line is a request
  1    some lines are bad, or hold requests that the limits never admit
  2    a file cannot be read, or the arguments are wrong
  130  interrupted

Memory: some 70 MB for the vocabularies; 16 to 40 bytes a line for its custom_id, and as many for each
different size of request; 24 a request with --plan.";

#[derive(Debug, Group)]
#[command(after_help = NOTES)]
pub(crate) struct EstimateArgs {
    /// Requests, one a line: as for `tollgate run`, or bare bodies {"model": .., ..}. `-` reads stdin.
    #[arg(required = true)]
    pub(crate) requests: Vec<PathBuf>,

    /// Print a line for each request, too.
    #[arg(long)]
    pub(crate) per_request: bool,

    /// Print JSON: one object, or with --per-request an object for each request.
    #[arg(long)]
    pub(crate) json: bool,

    /// Tell how long the requests will take under the limits below, and which of them decides.
    #[arg(long)]
    pub(crate) plan: bool,

    /// For the plan: how long one answer takes.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration, value_name = "TIME", requires = "plan")]
    pub(crate) latency: Duration,

    /// For the plan: plan a second time with answers that use this share of their caps, from 0 to 1.
    #[arg(long, value_name = "SHARE", value_parser = args::share, requires = "plan")]
    pub(crate) output_share: Option<f64>,

    /// For the plan: how many requests the run holds in memory; the default is that of `tollgate run`.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), requires = "plan")]
    pub(crate) queue: Option<u32>,

    /// Show no progress; errors only.
    #[arg(long, short)]
    pub(crate) quiet: bool,

    // Last, because its heading holds for all that follows.
    #[command(flatten)]
    pub(crate) limits: args::Limits,
}

/// Bad lines that are shown; ten thousand would hide everything else.
const SHOWN: u64 = 20;

/// Estimates the files. An error means that one of them cannot be read.
pub(crate) async fn run(args: EstimateArgs) -> Result<Exit> {
    let stop = Stop::new();
    stop.on_signals(|| {}).context("cannot listen to signals")?;
    let console = Console::new(args.quiet);
    let shown = console.clone();
    let (sender, ended) = oneshot::channel();
    // Counting is computation, and a pipe may never end: neither is waited for once the run is stopped.
    let work = move || drop(sender.send(count(&args, &console)));
    thread::Builder::new().name("estimate".to_owned()).spawn(work).context("cannot start a thread")?;
    tokio::select! {
        biased;
        ended = ended => match ended.context("the estimate ended by a fault of the program")? {
            // Whoever read the output has seen enough, as `head` has.
            Err(error) if is_closed_pipe(&error) => Ok(Exit::Complete),
            ended => ended,
        },
        () = stop.wanted() => {
            shown.clear();
            shown.error("interrupted before all was counted");
            Ok(Exit::Interrupted)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .root_cause()
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn count(args: &EstimateArgs, console: &Console) -> Result<Exit> {
    let mut planner = planner(args)?;
    // One for all files: a text that is repeated is counted once.
    let estimator = Estimator::new();
    let open = |path: &PathBuf| Input::open(path, estimator.clone());
    let mut inputs = args.requests.iter().map(open).collect::<Result<Vec<_>>>()?;
    let several = inputs.len() > 1;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut totals = Totals::default();
    let mut bad = 0;
    let mut status = console.status();
    for input in &mut inputs {
        while let Some(Counted { line, read }) = input.next()? {
            let name = input.name();
            let outcome = read.and_then(|request| {
                if args.per_request && args.json {
                    let object = report::request_json(name, line, &request);
                    writeln!(out, "{object}").context("cannot write to stdout").map_err(Failure::Output)?;
                } else if args.per_request {
                    let place = if several { format!("{name}:{line}") } else { line.to_string() };
                    let text = report::request_line(&place, &request);
                    writeln!(out, "{text}").context("cannot write to stdout").map_err(Failure::Output)?;
                }
                totals.add(&request.estimate);
                match &mut planner {
                    Some(planner) => planner.add(&request.estimate).map_err(Failure::Never),
                    None => Ok(()),
                }
            });
            match outcome {
                Ok(()) => {}
                Err(Failure::Output(error)) => return Err(error),
                Err(failure) => {
                    let never = matches!(failure, Failure::Never(_));
                    bad += u64::from(!never);
                    tell(console, bad + planner.as_ref().map_or(0, Planner::never), name, line, &failure);
                }
            }
            status.show(|| {
                let so_far = HumanCount(totals.requests());
                format!("{name}: {so_far} requests, {} tokens{}", HumanCount(totals.tokens()), input.share())
            });
        }
    }
    let plan = match &mut planner {
        Some(planner) => {
            status.announce("playing the plan ...");
            Some(planner.plan()?)
        }
        None => None,
    };
    drop(status);
    let names: Vec<&str> = inputs.iter().map(Input::name).collect();
    let text = match (args.json, args.per_request) {
        (true, false) => report::totals_json(&names, bad, &totals, plan.as_ref()),
        (true, true) => plan.as_ref().map_or_else(String::new, report::plan_json_line),
        (false, per_request) => {
            let gap = if per_request && totals.requests() > 0 { "\n" } else { "" };
            let plan = plan.as_ref().map_or_else(String::new, |plan| format!("\n{}", plan.text()));
            format!("{gap}{}{plan}", report::totals(bad, &totals))
        }
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")?;
    let never = planner.as_ref().map_or(0, Planner::never);
    Ok(if bad + never > 0 { Exit::SomeFailed } else { Exit::Complete })
}

/// What became of a line that is not counted as it should be.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is no request.
    Bad(String),
    /// It is one that the limits never admit; it is counted, and left out of the plan.
    Never(String),
    /// Nothing can be written any more.
    Output(anyhow::Error),
}

fn tell(console: &Console, nth: u64, name: &str, line: u64, failure: &Failure) {
    let why = match failure {
        Failure::Bad(why) => why.clone(),
        Failure::Never(why) => format!("never admitted: {why}"),
        Failure::Output(error) => format!("{error:#}"),
    };
    match nth {
        0..=SHOWN => console.error(&report::printable(&format!("{name}, line {line}: {why}"))),
        _ if nth == SHOWN + 1 => console.error("there are more such lines; they are counted, not shown"),
        _ => {}
    }
}

fn planner(args: &EstimateArgs) -> Result<Option<Planner>> {
    match (args.plan, limits::are_set(&args.limits)) {
        (true, true) => {
            // Only to say early, and well, what is wrong with the limits.
            let limiter = limits::limiter(&args.limits)?;
            let builder = limits::builder(&args.limits)?;
            let queue = args.queue.map_or_else(|| limits::queue(&limiter), |queue| queue as usize);
            Ok(Some(Planner::new(builder, limiter, queue, args.latency, args.output_share)))
        }
        (true, false) => bail!("--plan needs limits: --rpm, --tpm, ..., or --limits FILE"),
        (false, true) => bail!("limits are given, but no --plan that would use them"),
        (false, false) => Ok(None),
    }
}
