//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

use crate::estimate::EstimateArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0    every request of the file has an answer with a 2xx status
  1    the file was worked through, but some requests failed or some lines are bad
  2    nothing was sent: wrong arguments, a file that cannot be used, another run on the same output
  3    given up: the endpoint cannot be reached, takes no calls from the account (its key is not accepted,
       its credit, quota or spending limit is used up, it is suspended), asks to wait for a day or more,
       or the output cannot be written; what is done is kept, the rest is left to the next start
  130  interrupted by Ctrl-C or SIGTERM; what is done is kept

Run the same command again to do what is missing.";

/// Runs batches of LLM API requests at the provider's limits: not over them, not under them.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a file of requests in the OpenAI Batch format, as fast as the limits allow.
    Run(Box<Run>),
    /// Tell what a file of requests will cost, and with --plan how long it will take, without sending it.
    Estimate(Box<EstimateArgs>),
    /// Start a simulated provider that enforces rate limits, until Ctrl-C.
    Sim(Sim),
    /// Run 200 requests against a simulated provider, once per kind of window, and show how close
    /// to the best possible it was.
    Demo(Demo),
    /// List what is known of providers' limits: presets for --preset, with their sources.
    Presets(Presets),
}

const RUN_NOTES: &str = "\
Limits from a file (--limits), for several models:
  preset = \"openai/tier1\"                 # see `tollgate presets`; what follows goes before it
  fallback = \"gpt-4o-mini\"                # any other model shares these
  [models.gpt-4o-mini]
  rpm = 500
  tpm = { limit = 200_000, window = \"sliding\" }
  concurrency = 10
  charge = \"input_plus_max_output\"

Beside the output lies OUT.tollgate-state.json: what was spent of the budgets, so that a later run knows.
";

#[derive(Debug, Group)]
#[command(after_help = format!("{RUN_NOTES}\n{EXIT_CODES}"))]
pub(crate) struct Run {
    /// Requests, one a line: {"custom_id": .., "method": "POST", "url": "/v1/..", "body": {..}}.
    pub(crate) requests: PathBuf,

    /// Where results go, one a line. What it already answers is not sent again.
    #[arg(long, short)]
    pub(crate) out: PathBuf,

    /// Where to send them: any endpoint that speaks OpenAI's dialect.
    #[arg(long, default_value = "https://api.openai.com", value_name = "URL")]
    pub(crate) base_url: String,

    /// The environment variable that holds the API key.
    #[arg(long, default_value = "OPENAI_API_KEY", value_name = "NAME")]
    pub(crate) api_key_env: String,

    /// How often a request is tried in all when it is over a limit, the provider is full or failing, or the
    /// connection breaks. A wait that the provider tells is waited in full.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) tries: u32,

    /// How long one try may take, from sending to the end of the answer.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,

    /// How many requests are held in memory, waiting or in flight [default: twice the concurrency,
    /// else as many as fit into half a minute, from 256 to 900].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) queue: Option<u32>,

    /// Send nothing if any line of the file is bad.
    #[arg(long)]
    pub(crate) strict: bool,

    /// Show no progress; warnings and errors only.
    #[arg(long, short)]
    pub(crate) quiet: bool,

    /// The wait before the second try; it doubles from there.
    #[arg(long, default_value = "500ms", value_parser = humantime::parse_duration, hide = true)]
    pub(crate) backoff: Duration,

    // Last, because its heading holds for all that follows.
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// What the provider allows.
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "Limits, shared by every model in the file")]
pub(crate) struct Limits {
    /// Limits per model and group from a TOML file, instead of the flags.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rpm", "rpd", "tpm", "tpd", "itpm", "otpm", "concurrency", "charge", "window", "day_window", "guard", "minute", "day"])]
    pub(crate) limits: Option<PathBuf>,
    /// What a provider allows by its own account, such as openai/tier1: see `tollgate presets`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["limits", "rpm", "rpd", "tpm", "tpd", "itpm", "otpm", "concurrency", "charge", "window", "day_window", "guard", "minute", "day"])]
    pub(crate) preset: Option<String>,
    /// Requests per minute.
    #[arg(long, value_name = "N")]
    pub(crate) rpm: Option<u64>,
    /// Requests per day.
    #[arg(long, value_name = "N")]
    pub(crate) rpd: Option<u64>,
    /// Tokens per minute.
    #[arg(long, value_name = "N")]
    pub(crate) tpm: Option<u64>,
    /// Tokens per day.
    #[arg(long, value_name = "N")]
    pub(crate) tpd: Option<u64>,
    /// Input tokens per minute.
    #[arg(long, value_name = "N")]
    pub(crate) itpm: Option<u64>,
    /// Output tokens per minute.
    #[arg(long, value_name = "N")]
    pub(crate) otpm: Option<u64>,
    /// Requests in flight at any instant.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u64>,
    /// Which tokens the provider charges.
    #[arg(long, value_enum, default_value_t = Charge::Usage)]
    pub(crate) charge: Charge,
    /// How the provider counts its minutes.
    #[arg(long, value_enum, default_value_t = Window::Refill)]
    pub(crate) window: Window,
    /// How the provider counts its days; fixed ones begin at midnight UTC.
    #[arg(long, value_enum, default_value_t = Window::Fixed)]
    pub(crate) day_window: Window,
    /// The margin against jitter on the way to the provider [default: a thousandth of the period, at
    /// most 50ms].
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(crate) guard: Option<Duration>,
    /// The length of a minute, for simulated providers.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "60s", hide = true)]
    pub(crate) minute: Duration,
    /// The length of a day, for simulated providers.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1day", hide = true)]
    pub(crate) day: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Charge {
    /// What the call really used.
    #[default]
    Usage,
    /// The prompt and `max_tokens`, at once and for good.
    InputPlusMaxOutput,
    /// The prompt alone.
    InputOnly,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Window {
    /// A bucket that refills evenly.
    #[default]
    Refill,
    /// Windows aligned to the clock.
    Fixed,
    /// A window that moves with the clock.
    Sliding,
}

#[derive(Debug, Group)]
pub(crate) struct Sim {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Requests per minute.
    #[arg(long, value_name = "N")]
    pub(crate) rpm: Option<u64>,
    /// Requests per day.
    #[arg(long, value_name = "N")]
    pub(crate) rpd: Option<u64>,
    /// Tokens per minute.
    #[arg(long, value_name = "N")]
    pub(crate) tpm: Option<u64>,
    /// Tokens per day.
    #[arg(long, value_name = "N")]
    pub(crate) tpd: Option<u64>,
    /// Requests in flight at any instant.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<u64>,
    /// How it counts its minutes.
    #[arg(long, value_enum, default_value_t = Window::Refill)]
    pub(crate) window: Window,
    /// How it counts its days.
    #[arg(long, value_enum, default_value_t = Window::Fixed)]
    pub(crate) day_window: Window,
    /// Which tokens it charges.
    #[arg(long, value_enum, default_value_t = Charge::InputPlusMaxOutput)]
    pub(crate) charge: Charge,
    /// The length of a minute.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "60s")]
    pub(crate) minute: Duration,
    /// The length of a day.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1day")]
    pub(crate) day: Duration,
    /// Half of the calls take no longer.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "500ms", value_name = "TIME")]
    pub(crate) latency: Duration,
    /// How much latencies vary: the standard deviation of their logarithm.
    #[arg(long, default_value_t = 0.5, value_name = "SIGMA", value_parser = spread)]
    pub(crate) spread: f64,
    /// The share of calls, from 0 to 1, that are answered with status 500.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share)]
    pub(crate) server_errors: f64,
    /// The share of calls, from 0 to 1, whose connection is dropped.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", value_parser = share)]
    pub(crate) dropped_connections: f64,
    /// The seed of latencies, lengths of answers and failures.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Whose rate limit headers it sends.
    #[arg(long, value_enum, default_value_t = Family::Openai)]
    pub(crate) headers: Family,
    /// The key that calls must show.
    #[arg(long)]
    pub(crate) api_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    Openai,
    Azure,
    Groq,
    Mistral,
    Anthropic,
    None,
}

#[derive(Debug, Group)]
pub(crate) struct Presets {
    /// Only what has this in the name of the provider, the tier or a model.
    pub(crate) search: Option<String>,
    /// Print JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Demo {
    /// Only this kind of window.
    #[arg(long, value_enum)]
    pub(crate) window: Option<Window>,
    /// The length of the simulated minute.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s")]
    pub(crate) minute: Duration,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("not a number from 0 to 1".to_owned()),
    }
}

fn spread(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(spread) if (0.0..=10.0).contains(&spread) => Ok(spread),
        _ => Err("not a number from 0 to 10".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
