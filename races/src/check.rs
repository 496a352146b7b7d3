//! Runs a scene in many orders.

use crate::{thread, time};

/// How often the threads of a crowd are preempted at the most; `LOOM_MAX_PREEMPTIONS` says otherwise.
#[cfg(tollgate_loom)]
const PREEMPTIONS: usize = 3;

/// Runs a scene of two threads in every order, or in a thousand.
pub fn check(scene: impl Fn() + Send + Sync + 'static) {
    #[cfg(tollgate_loom)]
    explore(scene, None);
    #[cfg(tollgate_shuttle)]
    shuffled::run(scene, 1_000);
}

/// Runs a scene of more threads in every order with few preemptions, or in four thousand.
pub fn crowd(scene: impl Fn() + Send + Sync + 'static) {
    #[cfg(tollgate_loom)]
    explore(scene, Some(PREEMPTIONS));
    #[cfg(tollgate_shuttle)]
    shuffled::run(scene, 4_000);
}

#[cfg(tollgate_loom)]
fn explore(scene: impl Fn() + Send + Sync + 'static, preemptions: Option<usize>) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    let orders = Arc::new(AtomicU64::new(0));
    let count = orders.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        begin();
        scene();
    });
    let orders = orders.load(Relaxed);
    println!("{}: {orders} orders", std::thread::current().name().unwrap_or("a scene"));
    assert!(orders > 1, "its threads do not meet");
}

#[cfg(tollgate_shuttle)]
mod shuffled {
    use std::sync::Arc;

    use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
    use shuttle::{Config, MaxSteps, Runner};

    /// The same orders in each run; `SHUTTLE_RANDOM_SEED` draws others.
    const SEED: u64 = 20_261_122;
    /// At most three preemptions, at random places.
    const DEPTH: usize = 4;

    pub(super) fn run(scene: impl Fn() + Send + Sync + 'static, orders: usize) {
        let scene = Arc::new(move || {
            super::begin();
            scene();
        });
        let orders = std::env::var("TOLLGATE_ORDERS").map_or(orders, |orders| orders.parse().unwrap());
        // The schedule that a failure prints.
        if let Ok(schedule) = std::env::var("TOLLGATE_SCHEDULE") {
            return play(ReplayScheduler::new_from_encoded(&schedule), &scene);
        }
        play(RandomScheduler::new_from_seed(SEED, orders / 2), &scene);
        play(PctScheduler::new_from_seed(SEED, DEPTH, orders / 2), &scene);
    }

    fn play<F: Fn() + Send + Sync + 'static>(scheduler: impl Scheduler + 'static, scene: &Arc<F>) {
        let mut config = Config::new();
        // Who waits for what never comes is told soon.
        config.max_steps = MaxSteps::FailAfter(20_000);
        config.silence_warnings = true;
        let scene = scene.clone();
        Runner::new(scheduler, config).run(move || scene());
    }
}

/// Makes the clock and the timers before two threads can.
fn begin() {
    time::advance(std::time::Duration::ZERO);
    time::ring();
}

/// Runs both at once, one of them here.
pub fn race<A: Send + 'static, B>(
    there: impl FnOnce() -> A + Send + 'static,
    here: impl FnOnce() -> B,
) -> (A, B) {
    let there = thread::spawn(there);
    let here = here();
    (there.join().unwrap(), here)
}
