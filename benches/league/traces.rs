//! The calls of each trace: from a seed, the same for every contender.

use std::time::Duration;

use tollgate_sim::{Config, Decision, Provider, Request};

use crate::random::Random;

const SEED: u64 = 0x746f_6c6c_6761_7465;

/// One call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call {
    /// Its place in the trace.
    pub(crate) id: u64,
    /// When somebody wants to make it, since the run began; `None` for calls of a backlog, which workers take up
    /// one after the other.
    pub(crate) arrival: Option<Duration>,
    pub(crate) input: u64,
    pub(crate) max_output: u64,
    /// Somebody waits for the answer, beside a backlog for which nobody does.
    pub(crate) interactive: bool,
}

impl Call {
    /// As the provider sees it: the length of the answer and the latency follow from its seed and the id.
    pub(crate) fn request(&self) -> Request {
        Request {
            id: self.id,
            input_tokens: self.input,
            max_output_tokens: Some(self.max_output),
            output_tokens: None,
        }
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.input + self.max_output
    }
}

/// What draws calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mix {
    /// Prompts with a median of 300 tokens and caps with one of 400, both log-normal.
    Chat,
    /// The same, but each twentieth prompt holds 20,000 to 120,000 tokens.
    LongContext,
    /// Prompts of 50 to 400 tokens, answers of at most 50 to 300.
    Short,
}

/// Draws calls.
#[derive(Debug)]
pub(crate) struct Source {
    random: Random,
    calls: Vec<Call>,
}

impl Source {
    pub(crate) fn new() -> Self {
        Source { random: Random(SEED), calls: Vec::new() }
    }

    /// In the order of their arrival; those of the backlog stay in their order.
    pub(crate) fn into_calls(mut self) -> Vec<Call> {
        self.calls.sort_by_key(|call| call.arrival);
        for (id, call) in (0..).zip(&mut self.calls) {
            call.id = id;
        }
        self.calls
    }

    /// A backlog of so many calls.
    pub(crate) fn backlog(mut self, mix: Mix, count: usize) -> Self {
        for _ in 0..count {
            let call = self.draw(mix);
            self.calls.push(call);
        }
        self
    }

    /// Calls at random times, on the average `rate` in a second.
    pub(crate) fn poisson(mut self, mix: Mix, rate: f64, horizon: Duration) -> Self {
        let mut arrival = self.gap(rate);
        while arrival < horizon {
            let call = Call { arrival: Some(arrival), ..self.draw(mix) };
            self.calls.push(call);
            arrival += self.gap(rate);
        }
        self
    }

    /// The same for people who wait for an answer.
    pub(crate) fn interactive(mut self, rate: f64, horizon: Duration) -> Self {
        let before = self.calls.len();
        self = self.poisson(Mix::Short, rate, horizon);
        self.calls[before..].iter_mut().for_each(|call| call.interactive = true);
        self
    }

    /// So many calls at once, again and again.
    pub(crate) fn bursts(mut self, mix: Mix, count: usize, every: Duration, horizon: Duration) -> Self {
        let mut arrival = Duration::ZERO;
        while arrival < horizon {
            for _ in 0..count {
                let call = Call { arrival: Some(arrival), ..self.draw(mix) };
                self.calls.push(call);
            }
            arrival += every;
        }
        self
    }

    fn draw(&mut self, mix: Mix) -> Call {
        let (input, max_output) = match mix {
            Mix::Short => (self.between(50, 400), self.between(50, 300)),
            Mix::LongContext if self.random.unit() < 0.05 => {
                (self.between(20_000, 120_000), self.between(200, 2_000))
            }
            Mix::Chat | Mix::LongContext => {
                (self.log_normal(300.0, 1.0, 10, 12_000), self.log_normal(400.0, 0.8, 16, 4_096))
            }
        };
        Call { input, max_output, ..Call::default() }
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.random.next() % (most - least + 1)
    }

    fn log_normal(&mut self, median: f64, sigma: f64, least: u64, most: u64) -> u64 {
        // The sum of twelve even draws is near enough to a normal one.
        let normal = (0..12).map(|_| self.random.unit()).sum::<f64>() - 6.0;
        ((median * (sigma * normal).exp()) as u64).clamp(least, most)
    }

    /// Whole milliseconds, as tokio's timers count.
    fn gap(&mut self, rate: f64) -> Duration {
        let seconds = -(1.0 - self.random.unit()).ln() / rate;
        Duration::from_millis((seconds * 1_000.0).round() as u64)
    }
}

/// What a call of this mix costs the provider on the average, in tokens.
pub(crate) fn mean_price(mix: Mix, config: &Config) -> f64 {
    const SAMPLE: usize = 20_000;
    let calls = Source::new().backlog(mix, SAMPLE).into_calls();
    let prices = prices(config, &calls);
    prices.iter().sum::<u64>() as f64 / SAMPLE as f64
}

/// What the provider charges for each call, answer and all.
pub(crate) fn prices(config: &Config, calls: &[Call]) -> Vec<u64> {
    let (rpm, rpd, tpm, tpd, concurrency) = (None, None, None, None, None);
    let mut unlimited = Provider::new(Config { rpm, rpd, tpm, tpd, concurrency, ..config.clone() });
    let mut price = |call: &Call| {
        let Decision::Admitted(admission) = unlimited.decide(0, &call.request()) else {
            unreachable!("nothing is limited")
        };
        unlimited.finish(0, admission.ticket);
        unlimited.log().iter().rev().take(2).map(|entry| entry.charged).sum()
    };
    calls.iter().map(&mut price).collect()
}
