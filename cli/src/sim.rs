//! `tollgate sim`: the simulated provider as a server of its own.

use anyhow::{Context, Result};
use tollgate_sim::{ChargeRule, Config, Faults, HeaderFamily, Latency, LawKind, Server};

use crate::stop::Stop;
use crate::{Exit, args};

/// Serves until Ctrl-C, then prints what happened.
pub(crate) async fn run(args: args::Sim) -> Result<Exit> {
    let (listen, config) = (args.listen, config(args)?);
    let server = Server::start(config, listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let stop = Stop::new();
    stop.on_signals(|| {}).context("cannot listen to signals")?;
    crate::print(&format!("http://{}\n", server.addr()))?;
    stop.wanted().await;
    let summary = server.summary();
    server.shutdown().await;
    crate::print(&(serde_json::to_string_pretty(&summary)? + "\n"))?;
    Ok(Exit::Complete)
}

fn config(args: args::Sim) -> Result<Config> {
    anyhow::ensure!(!args.minute.is_zero(), "--minute: has no length");
    anyhow::ensure!(!args.day.is_zero(), "--day: has no length");
    let any = Latency::default();
    let latency = Latency {
        median: args.latency,
        sigma: args.spread,
        min: any.min.min(args.latency),
        max: any.max.max(args.latency),
    };
    Ok(Config {
        rpm: args.rpm,
        rpd: args.rpd,
        tpm: args.tpm,
        tpd: args.tpd,
        concurrency: args.concurrency,
        law: args.window.into(),
        day_law: args.day_window.into(),
        minute: args.minute,
        day: args.day,
        charge: args.charge.into(),
        latency,
        seed: args.seed,
        headers: args.headers.into(),
        faults: Faults { server_errors: args.server_errors, dropped_connections: args.dropped_connections },
        api_key: args.api_key,
        ..Config::default()
    })
}

impl From<args::Window> for LawKind {
    fn from(window: args::Window) -> Self {
        match window {
            args::Window::Refill => Self::Refill,
            args::Window::Fixed => Self::Fixed,
            args::Window::Sliding => Self::Sliding,
        }
    }
}

impl From<args::Charge> for ChargeRule {
    fn from(charge: args::Charge) -> Self {
        match charge {
            args::Charge::Usage => Self::RealUsage,
            args::Charge::InputPlusMaxOutput => Self::InputPlusMaxOutput,
            args::Charge::InputOnly => Self::InputOnly,
        }
    }
}

impl From<args::Family> for HeaderFamily {
    fn from(family: args::Family) -> Self {
        match family {
            args::Family::Openai => Self::OpenAi,
            args::Family::Azure => Self::Azure,
            args::Family::Groq => Self::Groq,
            args::Family::Mistral => Self::Mistral,
            args::Family::Anthropic => Self::Anthropic,
            args::Family::None => Self::None,
        }
    }
}
