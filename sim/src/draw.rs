//! Seeded draws: what is random about a call follows from the seed and the call, never from the order of arrival.

use crate::config::{Config, Latency};
use crate::provider::{Break, Fault, StreamFault};
use std::time::Duration;

/// What is drawn for one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Draw {
    pub(crate) latency: Duration,
    pub(crate) output_tokens: u64,
    pub(crate) fault: Option<Fault>,
    stream_fault: Option<StreamFault>,
    /// How much of the answer there is before `stream_fault`.
    share: f64,
}

impl Draw {
    /// The draw for the `nth` admission of the call `id` whose answer has at most `longest` tokens.
    pub(crate) fn new(config: &Config, id: u64, nth: u64, longest: u64) -> Self {
        let mut source = Source::new(config.seed, id, nth);
        let latency = latency(&config.latency, source.normal());
        let share = config.output.from + (config.output.to - config.output.from) * source.unit();
        let output_tokens = ((longest as f64 * share) as u64).clamp(longest.min(1), longest);
        let luck = source.unit();
        let fault = if luck < config.faults.server_errors {
            Some(Fault::ServerError)
        } else if luck < config.faults.server_errors + config.faults.dropped_connections {
            Some(Fault::DroppedConnection)
        } else {
            None
        };
        let (luck, faults) = (source.unit(), config.stream_faults);
        let stream_fault = if luck < faults.cut_streams {
            Some(StreamFault::Cut)
        } else if luck < faults.cut_streams + faults.stream_errors {
            Some(StreamFault::Error)
        } else {
            None
        };
        Self { latency, output_tokens, fault, stream_fault, share: source.unit() }
    }

    /// Where an answer of `output_tokens` goes wrong if it is streamed: after its first token at the earliest, and after
    /// its last one at the latest.
    pub(crate) fn breaks(&self, output_tokens: u64) -> Option<Break> {
        let after = 1 + (output_tokens as f64 * self.share) as u64;
        self.stream_fault.map(|fault| Break { fault, after: after.min(output_tokens) })
    }
}

/// Whole microseconds, and `libm` in place of the platform's own `exp`: the same on every machine.
fn latency(law: &Latency, normal: f64) -> Duration {
    let micros = law.median.as_micros() as f64 * libm::exp(law.sigma * normal);
    let drawn = Duration::from_micros(micros as u64);
    if law.sigma == 0.0 { law.median } else { drawn }.max(law.min).min(law.max)
}

/// SplitMix64, started at a mix of seed, call and attempt.
#[derive(Debug)]
struct Source(u64);

impl Source {
    fn new(seed: u64, id: u64, nth: u64) -> Self {
        Self(mix(mix(mix(seed).wrapping_add(id)).wrapping_add(nth)))
    }

    /// Evenly distributed from 0 up to, but not including, 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        (mix(self.0) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Near enough to a standard normal: the sum of twelve even draws has variance 1, and needs no logarithm.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Faults, StreamFaults};

    fn draws(config: &Config) -> Vec<Draw> {
        (0..10_000).map(|id| Draw::new(config, id, 0, 100)).collect()
    }

    #[test]
    fn a_call_draws_the_same_whenever_it_comes() {
        let config = Config { seed: 7, ..Config::default() };
        assert_eq!(Draw::new(&config, 3, 0, 100), Draw::new(&config, 3, 0, 100));
        assert_ne!(Draw::new(&config, 3, 0, 100), Draw::new(&config, 3, 1, 100));
        assert_ne!(Draw::new(&config, 3, 0, 100), Draw::new(&Config { seed: 8, ..config }, 3, 0, 100));
    }

    #[test]
    fn half_of_the_calls_are_quicker_than_the_median_and_none_leaves_the_bounds() {
        let config = Config::default();
        let law = config.latency;
        let drawn = draws(&config);
        let quicker = drawn.iter().filter(|draw| draw.latency < law.median).count();
        assert!((4_800..=5_200).contains(&quicker), "{quicker} of 10000");
        assert!(drawn.iter().all(|draw| draw.latency >= law.min && draw.latency <= law.max));
        let within_one_sigma = drawn.iter().filter(|draw| {
            let ratio = draw.latency.as_secs_f64() / law.median.as_secs_f64();
            ratio.ln().abs() < law.sigma
        });
        let share = within_one_sigma.count();
        assert!((6_600..=7_050).contains(&share), "{share} of 10000, 6827 expected");
    }

    #[test]
    fn a_sigma_of_zero_makes_every_call_take_the_median() {
        let span = Duration::from_nanos(1_234_567);
        let config = Config { latency: Latency::constant(span), ..Config::default() };
        assert!(draws(&config).iter().all(|draw| draw.latency == span));
    }

    #[test]
    fn answers_have_at_least_one_token_and_at_most_what_was_allowed() {
        let config = Config::default();
        assert_eq!(Draw::new(&config, 1, 0, 1).output_tokens, 1);
        assert_eq!(Draw::new(&config, 1, 0, 0).output_tokens, 0);
        assert!(draws(&config).iter().all(|draw| (10..=90).contains(&draw.output_tokens)));
    }

    #[test]
    fn faults_come_in_the_share_asked_for() {
        let faults = Faults { server_errors: 0.1, dropped_connections: 0.2 };
        let drawn = draws(&Config { faults, ..Config::default() });
        let count = |fault| drawn.iter().filter(|draw| draw.fault == fault).count();
        assert!((900..=1_100).contains(&count(Some(Fault::ServerError))));
        assert!((1_850..=2_150).contains(&count(Some(Fault::DroppedConnection))));
    }

    #[test]
    fn streams_break_in_the_share_asked_for_anywhere_after_their_first_token() {
        let stream_faults = StreamFaults { cut_streams: 0.1, stream_errors: 0.2 };
        let drawn = draws(&Config { stream_faults, ..Config::default() });
        let of = |fault| {
            drawn
                .iter()
                .filter_map(|draw| draw.breaks(10))
                .filter(|found| found.fault == fault)
                .collect::<Vec<_>>()
        };
        assert!((900..=1_100).contains(&of(StreamFault::Cut).len()));
        let errors = of(StreamFault::Error);
        assert!((1_850..=2_150).contains(&errors.len()));
        for after in 1..=10 {
            assert!(errors.iter().any(|found| found.after == after), "{after}");
        }
        assert!(errors.iter().all(|found| (1..=10).contains(&found.after)));
    }

    #[test]
    fn what_streams_draw_changes_nothing_else() {
        let stream_faults = StreamFaults { cut_streams: 0.5, stream_errors: 0.5 };
        let plain = |draw: &Draw| (draw.latency, draw.output_tokens, draw.fault);
        let with: Vec<_> = draws(&Config { stream_faults, ..Config::default() }).iter().map(plain).collect();
        assert_eq!(with, draws(&Config::default()).iter().map(plain).collect::<Vec<_>>());
    }
}
