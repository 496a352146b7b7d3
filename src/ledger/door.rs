//! A budget that the provider has shut, and the one call that is sent to see whether it is open again.
//!
//! A 429 tells that the provider's books differ from these: whatever they say, every further call to the
//! same budget would be refused, and some providers count refused calls. So nobody passes until the provider's
//! time. Then one call goes, the probe: answered, it opens the door for all; refused, the door stays shut for
//! longer. Calls that were out already when the door was shut say nothing about it, but for a later time that the
//! provider tells one of them. Nor does a probe that ends otherwise: dropped, failed, or refused for another
//! reason than this budget. Then the next call tries. A provider refuses at once and answers when it is ready, so when a
//! probe has heard nothing for a while, another goes.

/// The shortest time that a door is shut for, where the provider names none.
const FIRST: u64 = 500_000_000;
/// The longest.
const LONGEST: u64 = 30_000_000_000;
/// A call that is refused hears so sooner.
const SOON: u64 = 2_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    /// The uptime at which it was last shut.
    shut: u64,
    /// The uptime from which one call may try.
    pub(super) until: u64,
    /// The number of the first call that tries since then. All later ones that pass here do, too.
    probes: Option<u64>,
    /// The uptime at which the last one went, until it is heard of.
    went: Option<u64>,
    /// How many probes were refused in a row.
    strikes: u32,
}

impl Door {
    /// Shut at `now`, for the `wait` that the provider named.
    pub(super) fn shut(now: u64, wait: Option<u64>) -> Door {
        Door {
            shut: now,
            until: now.saturating_add(wait.unwrap_or(FIRST)),
            probes: None,
            went: None,
            strikes: 0,
        }
    }

    /// A call that was sent at `sent` was refused, too.
    pub(super) fn refuse(&mut self, seq: u64, sent: u64, now: u64, wait: Option<u64>) {
        let is_probe = self.is_probe(seq);
        if is_probe {
            (self.probes, self.went) = (None, None);
            self.strikes = (self.strikes + 1).min(16);
        }
        let own = (FIRST << self.strikes.min(10)).min(LONGEST);
        if is_probe || sent >= self.shut || wait.is_some() {
            self.until = self.until.max(now.saturating_add(wait.unwrap_or(own)));
            self.shut = now;
        }
    }

    /// Whether a call may try now.
    pub(super) fn lets_try(&self, now: u64) -> bool {
        now >= self.opens()
    }

    /// The uptime from which a call may try, or another one.
    pub(super) fn opens(&self) -> u64 {
        self.went.map_or(self.until, |went| self.until.max(went.saturating_add(SOON)))
    }

    pub(super) fn send(&mut self, seq: u64, now: u64) {
        self.probes.get_or_insert(seq);
        self.went = Some(now);
    }

    pub(super) fn is_probe(&self, seq: u64) -> bool {
        self.probes.is_some_and(|first| seq >= first)
    }

    /// A probe ended and nobody knows how: the next call tries.
    pub(super) fn lose(&mut self) {
        self.went = None;
    }
}
