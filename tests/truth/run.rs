//! What came of a run, by the provider's log.

use std::ops::RangeInclusive;
use std::time::Duration;

use tollgate_sim::{Entry, Outcome};

use crate::driver::OTHERS;
use crate::{MINUTE, TPM};

/// Minutes are those of the clock. A run begins within number 0, so number 1 is the first whole one.
pub(crate) struct Run {
    pub(crate) name: String,
    /// When minute 0 began.
    pub(crate) begin: u64,
    /// How many whole ones it was to last.
    pub(crate) minutes: u64,
    pub(crate) log: Vec<Entry>,
    /// Why workers stopped, and when.
    pub(crate) errors: Vec<(u64, String)>,
    /// How long after the beginning of minute 0 it was over, if that was before its time.
    pub(crate) stopped: Option<Duration>,
}

impl Run {
    /// The instant `after` minute 0 began.
    pub(crate) fn at(&self, after: Duration) -> u64 {
        self.begin + after.as_nanos() as u64
    }

    fn minute(&self, entry: &Entry) -> u64 {
        entry.at.saturating_sub(self.begin) / MINUTE.as_nanos() as u64
    }

    fn within(&self, minutes: RangeInclusive<u64>) -> impl Iterator<Item = &Entry> {
        self.log.iter().filter(move |entry| minutes.contains(&self.minute(entry)))
    }

    /// Our calls that arrived, in order.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Entry> {
        self.log.iter().filter(|entry| is_ours(entry) && !entry.outcome.is_end())
    }

    /// 429s to our calls because of a limit, per call that we sent, in these minutes.
    pub(crate) fn refused(&self, minutes: RangeInclusive<u64>) -> f64 {
        let ours = || self.sent().filter(|entry| minutes.contains(&self.minute(entry)));
        let refused = ours().filter(|entry| entry.outcome == Outcome::Refused).count();
        refused as f64 / ours().count().max(1) as f64
    }

    /// Tokens charged to all clients in these minutes, in parts of what `tpm` allows in them.
    pub(crate) fn share_of(&self, tpm: u64, minutes: RangeInclusive<u64>) -> f64 {
        let count = minutes.end() - minutes.start() + 1;
        let charged: u64 = self.within(minutes).map(|entry| entry.charged).sum();
        charged as f64 / (tpm * count) as f64
    }

    pub(crate) fn share(&self, minutes: RangeInclusive<u64>) -> f64 {
        self.share_of(TPM, minutes)
    }

    /// How many of the second client's calls were let in, in parts of all it made.
    pub(crate) fn second_client_let_in(&self) -> f64 {
        let made = || self.log.iter().filter(|entry| !is_ours(entry) && !entry.outcome.is_end());
        made().filter(|entry| entry.outcome == Outcome::Admitted).count() as f64
            / made().count().max(1) as f64
    }

    /// What was missed of the two targets, if anything.
    pub(crate) fn missed(
        &self,
        (of_share, share): (RangeInclusive<u64>, f64),
        (of_refused, refused): (RangeInclusive<u64>, f64),
    ) -> Option<String> {
        let (used, denied) = (self.share(of_share), self.refused(of_refused));
        (used < share || denied > refused || self.stopped.is_some()).then(|| {
            let (name, stopped) = (&self.name, self.whether_stopped());
            format!("{name}: share {used:.4}, wanted {share}; 429s {denied:.5}, wanted {refused}{stopped}")
        })
    }

    /// One line of figures: the share of each minute, and our 429s where there are any.
    pub(crate) fn print(&self) {
        let minute = |minute| {
            let ours = self.sent().filter(|entry| self.minute(entry) == minute);
            let refused = ours.filter(|entry| entry.outcome == Outcome::Refused).count();
            let percent = (self.share(minute..=minute) * 100.0).round();
            if refused > 0 { format!("{percent}({refused})") } else { percent.to_string() }
        };
        let minutes: Vec<String> = (0..=self.minutes).map(minute).collect();
        println!(
            "{}: share {:.4}, 429s {:.5} (from minute 2 on {:.5}, from 4 on {:.5}); each minute in % (429s): {}{}",
            self.name,
            self.share(3..=self.minutes),
            self.refused(0..=self.minutes),
            self.refused(2..=self.minutes),
            self.refused(4..=self.minutes),
            minutes.join(" "),
            self.whether_stopped(),
        );
    }

    fn whether_stopped(&self) -> String {
        self.stopped.map_or(String::new(), |after| format!("; stopped after {after:.0?}"))
    }
}

pub(crate) fn is_ours(entry: &Entry) -> bool {
    entry.id < OTHERS
}
