//! What is true of a call that was not admitted.

use std::time::Duration;

use tollgate::{AcquireError, Window};

use crate::books::Charge;
use crate::budget::{Answer, Key};
use crate::waiter::Waiter;
use crate::world::{TIMER, World};

const FAR: i128 = 400 * 86_400_000_000_000;

impl World {
    /// A call that does not wait was refused.
    pub(crate) fn turned_away(&mut self, charge: &Charge, error: &AcquireError, clear: bool, seen: Key) {
        self.tally.refused += 1;
        let verdict = self.books.answer(charge, seen.0, seen);
        self.never_is_never(charge, error, seen);
        if clear && verdict.answer != Answer::Never {
            let denied = matches!(verdict.answer, Answer::No | Answer::Either);
            self.hold(denied, || {
                format!(
                    "{charge:?} was refused although the books say {:?}: {error}; {:#?}",
                    verdict.answer, self.books
                )
            });
            self.wait_is_true(charge, error, seen);
        }
        if let Some(Some(wait)) = World::wait_of(error) {
            self.told = wait;
        }
    }

    /// A call that waited, or was to, will not be admitted; that was decided at `key`. `alone` if it was told at
    /// once and nobody else waits.
    pub(crate) fn failed(&mut self, waiter: &Waiter, error: &AcquireError, alone: bool, key: Key, seen: Key) {
        self.tally.refused += 1;
        let charge = &waiter.charge;
        let first = waiter.began.0 == seen.0;
        // Of one that was not polled nobody knows when it was decided.
        if waiter.always_polled || alone {
            self.never_is_never(charge, error, key);
        }
        match error {
            AcquireError::NotYet(_) => {
                let (deadline, within) = waiter.deadline.unwrap_or((i128::MAX, i128::MAX));
                // It was told at once that it is too long to wait, or waited so long.
                self.hold(first || seen.0 >= deadline, || {
                    format!("refused before its time: {waiter:?}, {error}")
                });
                if alone {
                    let best = self.books.at_best(seen);
                    let answer = best.answer(charge, seen.0 + within, seen).answer;
                    // Its time may have been over at once.
                    self.hold(answer != Answer::Yes || within == 0, || {
                        format!(
                            "{waiter:?} was refused at once, and could go in time: {error}; {:#?}",
                            self.books
                        )
                    });
                    self.wait_is_true(charge, error, seen);
                }
            }
            AcquireError::QueueFull(full) => {
                let most = self.plan.most_calls.map(|most| usize::from(most % 6));
                let waiting = self.limiter.waiting();
                self.hold(first && most == Some(full.most_calls) && waiting >= full.most_calls, || {
                    format!("{error}, and {waiting} wait")
                });
            }
            _ => {}
        }
        if let Some(Some(wait)) = World::wait_of(error) {
            self.told = wait;
        }
    }

    /// "Never" is said to those, and only those, whom no wait helps.
    fn never_is_never(&self, charge: &Charge, error: &AcquireError, seen: Key) {
        let verdict = self.books.answer(charge, seen.0, seen);
        let never = verdict.answer == Answer::Never;
        let fits = match error {
            AcquireError::ExceedsQuota(why) => {
                never && !verdict.too_long && why.cost > why.quota.capacity() || self.adrift
            }
            AcquireError::PromptTooLong(_) => verdict.too_long,
            AcquireError::Stopped(_) => self.stopped_once,
            AcquireError::NotYet(_) => !never || self.adrift,
            AcquireError::QueueFull(_) => !never || self.adrift,
            _ => false,
        };
        self.hold(fits, || format!("{charge:?}: {error}, and the model says {verdict:?}; {:#?}", self.books));
    }

    /// "Not yet" carries a wait after which, nothing else happening, the call can go; and no longer one.
    fn wait_is_true(&self, charge: &Charge, error: &AcquireError, seen: Key) {
        let AcquireError::NotYet(why) = error else { return };
        let Some(blocking) = &why.blocking else {
            return self.hold(false, || format!("{charge:?}: {error}: no budget is named"));
        };
        let now = seen.0;
        let fuzz = if self.grain() > 1 { TIMER / 2 } else { 0 };
        match blocking.wait {
            Some(wait) => {
                let at = now + wait.as_nanos() as i128;
                let then = self.books.answer(charge, at + fuzz, seen).answer;
                self.hold(matches!(then, Answer::Yes | Answer::Either), || {
                    format!("{charge:?}: {error} ({wait:?}); then the books say {then:?}: {:#?}", self.books)
                });
                let just_before = self.books.answer(charge, (at - fuzz - 1).max(now), seen).answer;
                self.hold(just_before != Answer::Yes, || {
                    format!("{charge:?}: {error} ({wait:?}); it could go sooner: {:#?}", self.books)
                });
            }
            None => {
                let ever = self.books.answer(charge, now + FAR, seen).answer;
                self.hold(matches!(ever, Answer::No | Answer::Either), || {
                    format!("{charge:?}: {error}; it could go without a call that ends: {:#?}", self.books)
                });
            }
        }
        let held = blocking.quota.window() == Window::Held;
        self.hold(!held || blocking.wait.is_none(), || format!("{error}: a wait for a slot"));
        self.hold(blocking.wait != Some(Duration::ZERO), || format!("{error}: a wait that spins"));
    }
}
