/// What a provider counts, in parts of what was estimated.
///
/// Both are summed up with the newest calls counting most. Models whose vocabulary is not public
/// become accurate in a few calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correction {
    counted: f64,
    estimated: f64,
    calls: u64,
}

/// How many tokens the first guess weighs: as much as a short call.
const GUESS: f64 = 50.0;
/// What a call still weighs when another one has ended.
const MEMORY: f64 = 0.95;
/// A provider that counts a quarter or four times as much means something else by a token.
const BOUNDS: (f64, f64) = (0.25, 4.0);

impl Default for Correction {
    /// The guess that a model of which nothing is known counts as estimated.
    fn default() -> Self {
        Correction { counted: GUESS, estimated: GUESS, calls: 0 }
    }
}

impl Correction {
    /// A call that was estimated at so many tokens was counted as so many.
    pub(super) fn learn(&mut self, estimated: u64, counted: u64) {
        self.estimated = self.estimated * MEMORY + estimated as f64;
        self.counted = self.counted * MEMORY + counted as f64;
        self.calls += 1;
    }

    pub(super) fn ratio(&self) -> f64 {
        (self.counted / self.estimated).clamp(BOUNDS.0, BOUNDS.1)
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }
}

/// `tokens` times `ratio`, rounded up.
pub(in crate::estimate) fn times(tokens: u64, ratio: f64) -> u64 {
    // The largest integer for what is too large.
    if ratio == 1.0 { tokens } else { (tokens as f64 * ratio).ceil() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_counts_half_as_much_again_is_known_to_after_three_calls() {
        let mut correction = Correction::default();
        for _ in 0..3 {
            correction.learn(1_000, 1_500);
        }
        assert!((1.45..=1.5).contains(&correction.ratio()), "{}", correction.ratio());
    }

    #[test]
    fn one_absurd_call_is_bounded_and_forgotten() {
        let mut correction = Correction::default();
        correction.learn(1, u64::MAX);
        assert_eq!(correction.ratio(), 4.0);
        let mut correction = Correction::default();
        correction.learn(1_000, 8_000);
        for _ in 0..60 {
            correction.learn(1_000, 1_000);
        }
        assert!(correction.ratio() < 1.05, "{}", correction.ratio());
    }
}
