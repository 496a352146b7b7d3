//! How full a bucket has been since a given instant, kept in a few entries.
//!
//! A refund may restore no more than if the true price had been taken in the first place. A bucket
//! that has been full since would have spilled: what it could not have held is lost. So a refund
//! of `r` gives back `min(r, capacity - peak)`, where `peak` is the highest level since the call was placed.
//!
//! Worked example, capacity 1,000, refilled with 1,000 a minute. A call reserves 500 of a full
//! bucket and will cost 100. After 30 s the bucket is full again, and a second call takes 500. Had
//! the first call paid 100, the bucket would have been full after 6 s and spilled for 24: it would
//! hold 500 now as it does, so the refund restores nothing.

/// An uptime, and the order of what happens at it.
pub(super) type Moment = (u64, u64);

/// More outstanding levels than this are merged, upwards: a refund may then restore a little less.
const MOST: usize = 32;

/// Levels just before later changes: a stack that falls from old to new.
#[derive(Clone, Debug, Default)]
pub(super) struct Peaks {
    /// Each level counts for the calls placed before its instant and not before that of the entry above.
    entries: Vec<Peak>,
}

#[derive(Clone, Copy, Debug)]
struct Peak {
    at: Moment,
    level: i64,
}

impl Peaks {
    /// The level is about to change.
    pub(super) fn note(&mut self, at: Moment, level: i64) {
        while self.entries.last().is_some_and(|last| last.level <= level) {
            self.entries.pop();
        }
        self.entries.push(Peak { at, level });
        if self.entries.len() > MOST {
            self.merge_closest();
        }
    }

    /// A call that was placed at `since` ends at `level` and would get back `refund`; says how much it
    /// does.
    pub(super) fn refund(&mut self, since: Moment, refund: i64, level: i64, capacity: i64) -> i64 {
        let since = self.entries.partition_point(|entry| entry.at <= since);
        let peak = self.entries.get(since).map_or(level, |entry| entry.level.max(level));
        let given = refund.min(capacity.saturating_sub(peak)).max(0);
        if given > 0 {
            self.raise(since, given);
        }
        given
    }

    /// Nothing is outstanding, so nothing can be refunded.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Carries every level over to another scale.
    pub(super) fn map(&mut self, scale: impl Fn(i64) -> i64) {
        for entry in &mut self.entries {
            entry.level = scale(entry.level);
        }
    }

    /// Had the price been known, every level since would have been higher by what is given back.
    fn raise(&mut self, since: usize, by: i64) {
        for entry in &mut self.entries[since..] {
            entry.level += by;
        }
        let Some(first) = self.entries.get(since).map(|entry| entry.level) else { return };
        let kept = self.entries[..since].partition_point(|entry| entry.level > first);
        self.entries.drain(kept..since);
    }

    /// Lets two neighbours count as the higher of them where that costs least.
    fn merge_closest(&mut self) {
        let gap = |i: &usize| self.entries[*i].level - self.entries[*i + 1].level;
        let Some(closest) = (0..self.entries.len() - 1).min_by_key(gap) else { return };
        self.entries[closest].at = self.entries[closest + 1].at;
        self.entries.remove(closest + 1);
    }
}
