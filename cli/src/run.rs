//! `tollgate run`: a file of requests in, a file of results out.

use std::env;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::HumanCount;
use reqwest::Url;
use tollgate::Limiter;
use tollgate::estimate::Estimator;

use crate::batch::ResultLine;
use crate::engine::{Engine, Finished, Outcome, Sink};
use crate::estimate::{Estimates, LazyTiktoken};
use crate::found::Found;
use crate::notes::Notes;
use crate::progress::{Console, Progress};
use crate::resume::Output;
use crate::retry::Policy;
use crate::send::{self, Answer, Endpoint};
use crate::state::StateFile;
use crate::stop::{Reason, Stop};
use crate::tally::Tally;
use crate::{Exit, args, feed, limits};

/// Runs the file. An error means that nothing was sent.
pub(crate) async fn run(args: args::Run) -> Result<Exit> {
    let console = Console::new(args.quiet);
    let limiter = limits::limiter(&args.limits)?;
    let base = send::base_url(&args.base_url)?;
    let key = api_key(&args.api_key_env, &base)?;
    let endpoint = Endpoint::new(&base, key.as_deref(), args.timeout)?;
    if same_file::is_same_file(&args.requests, &args.out).unwrap_or(false) {
        bail!("{} cannot be input and output", args.out.display());
    }
    let total = feed::survey(&args.requests, args.strict, &console)?;
    let (output, found) = Output::open(&args.out)?;
    tell(&found, &args, &console);

    let tally = Arc::new(Tally::default());
    tally.total.store(total.unwrap_or(0), Relaxed);
    let state = StateFile::of(&args.out, console.clone());
    state.restore(&limiter);
    let mut sink = Files { output, state, limiter: limiter.clone() };
    let estimator = Estimator::builder().counter(LazyTiktoken).build();
    let estimates = Estimates::new(estimator.clone(), console.clone());
    let items = feed::start(&args.requests, found.done, estimates, tally.clone(), console.clone())?;
    let stop = Stop::new();
    let notice = console.clone();
    let first_signal = move || notice.say("finishing what is in flight; press Ctrl-C again to quit at once");
    stop.on_signals(first_signal).context("cannot listen to signals")?;
    let queue = args.queue.map_or_else(|| limits::queue(&limiter), |queue| queue as usize);
    let engine = Arc::new(Engine {
        limiter: limiter.clone(),
        endpoint,
        estimator,
        policy: Policy { tries: args.tries, backoff: args.backoff },
        queue,
        stop: stop.clone(),
        tally: tally.clone(),
        console: console.clone(),
        unanswered: 0.into(),
        futile: 0.into(),
    });

    let started = Instant::now();
    let notes = Notes::start(&limiter, console.clone());
    let progress = Progress::start(&console, tally.clone(), limiter.clone());
    let ended = engine.run(items, &mut sink).await;
    notes.finish().await;
    sink.state.save(&limiter);
    drop(progress);
    let tenths = Duration::from_millis((started.elapsed().as_millis() / 100 * 100) as u64);
    console.say(&format!("{} in {}", summary(&tally), humantime::format_duration(tenths)));
    Ok(match (ended, stop.reason()) {
        (Err(error), _) => {
            console.error(&format!("{error:#}"));
            Exit::GaveUp
        }
        (Ok(()), Some(Reason::Hopeless(why))) => {
            console.error(&format!("{why}; run the same command again to do what is missing"));
            Exit::GaveUp
        }
        (Ok(()), Some(Reason::Signal)) => Exit::Interrupted,
        (Ok(()), None) if found.refused + tally.failed.load(Relaxed) + tally.bad.load(Relaxed) > 0 => {
            Exit::SomeFailed
        }
        (Ok(()), None) => Exit::Complete,
    })
}

/// The key from the environment; none is needed on this machine.
fn api_key(name: &str, base: &Url) -> Result<Option<String>> {
    match env::var(name) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
        _ if send::is_loopback(base) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => bail!("the environment variable {name} is not text"),
        _ => bail!("no API key: set the environment variable {name}, or name another with --api-key-env"),
    }
}

fn tell(found: &Found, args: &args::Run, console: &Console) {
    let name = args.out.display();
    if found.torn > 0 {
        console.warn(&format!("{name} ended in a torn line; its {} bytes are cut off", found.torn));
    }
    if found.answered + found.again > 0 {
        let again = match found.again {
            0 => String::new(),
            again => format!(", and {} to be tried again", HumanCount(again)),
        };
        console.say(&format!("{name} has {} answers already{again}", HumanCount(found.answered)));
    }
    if !limits::are_set(&args.limits) {
        console.warn("no limits are given (--rpm, --tpm, ...): nothing but --queue holds requests back");
    }
}

fn summary(tally: &Tally) -> String {
    let parts = [
        (&tally.done, "requests done"),
        (&tally.failed, "failed"),
        (&tally.bad, "bad lines"),
        (&tally.skipped, "done before"),
        (&tally.retries, "tried again"),
        (&tally.input_tokens, "input tokens"),
        (&tally.output_tokens, "output tokens"),
    ];
    let some = parts.iter().map(|(count, name)| (count.load(Relaxed), name)).enumerate();
    let some = some.filter(|(place, (count, _))| *place == 0 || *count > 0);
    some.map(|(_, (count, name))| format!("{} {name}", HumanCount(count))).collect::<Vec<_>>().join(", ")
}

/// Results to one file, the limiter's state to another.
struct Files {
    output: Output,
    state: StateFile,
    limiter: Limiter,
}

impl Sink for Files {
    fn take(&mut self, finished: &Finished) -> Result<()> {
        let id = &finished.custom_id;
        let refused;
        self.output.write(&match &finished.outcome {
            Outcome::Answered(Answer { status, request_id, body, verdict, .. }) => {
                refused = verdict.map(|verdict| verdict.to_string());
                ResultLine::answered(id, *status, request_id, body).with_error_inside(refused.as_deref())
            }
            Outcome::Failed(code, why) => ResultLine::failed(id, code, why),
        })
    }

    fn beat(&mut self) {
        self.state.save(&self.limiter);
    }
}
