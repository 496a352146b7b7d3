//! The provider sends no rate limit headers: all there is to learn from is the text of its 429s.

use tollgate_sim::HeaderFamily;

use crate::{wrong_charge, wrong_window};

#[tokio::test(start_paused = true)]
async fn a_wrong_window_is_put_right_by_the_text_of_errors_within_three_windows() {
    let mut missed = Vec::new();
    for pair in wrong_window::pairs() {
        let run = wrong_window::scenario(pair, HeaderFamily::None).run().await;
        missed.extend(run.missed((4..=10, 0.85), (4..=10, 0.01)));
    }
    crate::all_met(&missed);
}

/// Without headers, a client that takes too much is never refused, and nothing tells it so: only asking for more
/// than it was told it may have would. Its ceiling is what it takes too much.
#[tokio::test(start_paused = true)]
async fn a_wrong_charge_rule_is_put_right_by_the_text_of_errors_within_three_windows() {
    let mut missed = Vec::new();
    for pair in wrong_charge::pairs() {
        let run = wrong_charge::scenario(pair, HeaderFamily::None).run().await;
        let takes_too_much = run.refused(0..=u64::MAX) == 0.0;
        let share = if takes_too_much { 0.65 } else { 0.85 };
        missed.extend(run.missed((4..=10, share), (4..=10, 0.01)));
    }
    crate::all_met(&missed);
}
