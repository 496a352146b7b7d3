//! What the queue tells a call, and what becomes of it: to the nanosecond, as there is no clock here.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Key, Queue, Rules, Served, Standing};
use crate::ledger::{BookId, Charged, End, Layout, Ledger, Request};
use crate::quota::{Charge, Cost, Limits, Priority, Quota, Unit, Usage};
use crate::time::{Now, nanos};

/// Long after both clocks began, like a clock's own first instant.
const BEGIN: Now = Now { uptime: 600 * 86_400_000_000_000, utc: 1_795_000_000_123_456_789 };
const MS: u64 = 1_000_000;
const SLACK: Duration = Duration::from_millis(250);
const PERIOD: Duration = Duration::from_secs(10);
const LIMIT: u64 = 1_000;
/// The scope of the first model's own quota.
const MODEL_A: usize = 2;
/// A tenant with a quota of its own.
const POOR: u64 = 3;

#[derive(Clone, Copy, Debug)]
enum Law {
    Refill,
    Fixed,
    Sliding,
}

#[derive(Clone, Debug)]
struct Plan {
    group: Law,
    of_model: Law,
    concurrency: Option<u64>,
    charge: Charge,
    slack: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    /// Milliseconds after the one before.
    after: u64,
    model: usize,
    tenant: u64,
    priority: Priority,
    cost: Cost,
    /// Milliseconds that it is out; none if it never ends.
    lasts: Option<u64>,
    /// Percent of the output it might have used.
    used: u64,
}

/// A queue, its books, and what is to happen.
struct World {
    ledger: Ledger,
    queue: Queue<usize>,
    /// The book of each model, and of the poor tenant to each.
    books: [[BookId; 2]; 2],
    now: Now,
    jobs: Vec<Job>,
    ends: BTreeMap<(u64, usize), (Charged, Usage)>,
    starts: Vec<Option<u64>>,
    keys: Vec<Option<Key>>,
    /// The latest start that was told to each when it became the head.
    promises: Vec<Option<u64>>,
}

fn quota(law: Law, limit: u64) -> Quota {
    match law {
        Law::Refill => Quota::refill(Unit::Tokens, limit, PERIOD),
        Law::Fixed => Quota::fixed(Unit::Tokens, limit, PERIOD),
        Law::Sliding => Quota::sliding(Unit::Tokens, limit, PERIOD),
    }
    .guard(Duration::ZERO)
}

impl World {
    fn new(plan: &Plan) -> Self {
        let mut layout = Layout::default();
        let limits = |law, limit| Limits::new().charge(plan.charge).with(quota(law, limit));
        let mut account = limits(plan.group, LIMIT);
        if let Some(calls) = plan.concurrency {
            account = account.concurrency(calls);
        }
        let group = layout.scope("group".to_owned(), account);
        let own = layout.scope("tenant".to_owned(), limits(Law::Refill, LIMIT / 2));
        let books = ["a", "b"].map(|model| {
            let scope = layout.scope(model.to_owned(), limits(plan.of_model, LIMIT / 2));
            let shared = layout.book(model, vec![scope, group], None);
            [shared, layout.book(model, vec![scope, group, own], Some(own))]
        });
        let rules = Rules { slack: plan.slack, weights: [(1, 3)].into() };
        World {
            ledger: Ledger::new(layout, BEGIN),
            queue: Queue::new(&rules),
            books,
            now: BEGIN,
            jobs: Vec::new(),
            ends: BTreeMap::new(),
            starts: Vec::new(),
            keys: Vec::new(),
            promises: Vec::new(),
        }
    }

    fn request(&self, job: &Job) -> Request {
        let book = self.books[job.model][usize::from(job.tenant == POOR)];
        Request { priority: job.priority, tenant: job.tenant, ..Request::new(book, job.cost) }
    }

    /// As the gate does: it goes at once, or joins.
    fn arrive(&mut self, job: Job) {
        let (number, request) = (self.jobs.len(), self.request(&job));
        self.jobs.push(job);
        self.starts.push(None);
        self.promises.push(None);
        self.keys.push(None);
        match self.queue.try_pass(&request, &mut self.ledger, self.now) {
            Ok(charged) => self.start(number, charged),
            Err(_) => {
                let share = self.ledger.dominant_share(request.book, request.cost);
                self.keys[number] = Some(self.queue.join(request, share, None, number));
            }
        }
        self.serve();
    }

    fn start(&mut self, number: usize, charged: Charged) {
        let job = self.jobs[number];
        self.starts[number] = Some(self.now.uptime);
        self.keys[number] = None;
        if let Some(lasts) = job.lasts {
            let usage = Usage::new(job.cost.input_tokens(), job.cost.max_output_tokens() * job.used / 100);
            self.ends.insert((self.now.uptime + lasts * MS, number), (charged, usage));
        }
    }

    /// Grants what is due, and says when something else is.
    fn serve(&mut self) -> Option<u64> {
        loop {
            match self.queue.serve(&mut self.ledger, self.now) {
                Ok(Served::Granted(key)) => {
                    let call = self.queue.leave(key);
                    let Standing::Granted(charged) = call.standing else { unreachable!() };
                    self.start(call.kept, charged);
                }
                Ok(Served::Never(_)) => unreachable!("no call is larger than a limit"),
                Err(next) => {
                    self.note_promise();
                    return next;
                }
            }
        }
    }

    fn note_promise(&mut self) {
        let Some(head) = self.queue.head else { return };
        let number = self.queue.call(head).kept;
        if self.promises[number].is_none() {
            self.promises[number] = self.latest(number);
        }
    }

    fn latest(&self, number: usize) -> Option<u64> {
        let outlook =
            self.queue.outlook(&self.ledger, &self.request(&self.jobs[number]), self.keys[number], self.now);
        outlook.latest()
    }

    fn earliest(&self, number: usize) -> Option<u64> {
        let outlook =
            self.queue.outlook(&self.ledger, &self.request(&self.jobs[number]), self.keys[number], self.now);
        outlook.earliest()
    }

    fn end(&mut self, charged: &Charged, usage: Usage) {
        self.ledger.settle(charged, None, &End::Released(usage), self.now);
        if let Some(scope) = self.ledger.tenant_scope(charged.book) {
            self.queue.unpark_for(scope);
        }
    }

    /// Plays on until `until`.
    fn advance(&mut self, until: u64) {
        loop {
            let next = self.serve();
            let ends = self.ends.first_key_value().map(|(&(at, _), _)| at);
            let next = next.into_iter().chain(ends).filter(|&at| at <= until && at < u64::MAX).min();
            let Some(next) = next else { break };
            self.now = self.now.at_uptime(next.max(self.now.uptime));
            while let Some(first) = self.ends.first_entry()
                && first.key().0 <= self.now.uptime
            {
                let (charged, usage) = first.remove();
                self.end(&charged, usage);
            }
        }
        if until < u64::MAX {
            self.now = self.now.at_uptime(until);
        }
    }

    fn play(&mut self, jobs: &[Job]) {
        for &job in jobs {
            self.advance(self.now.uptime + job.after * MS);
            self.arrive(job);
        }
        self.advance(u64::MAX);
    }
}

fn config(cases: u32) -> ProptestConfig {
    // Found cases are kept by hand, as tests with names.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn laws() -> impl Strategy<Value = Law> {
    prop_oneof![Just(Law::Refill), Just(Law::Fixed), Just(Law::Sliding)]
}

fn plans() -> impl Strategy<Value = Plan> {
    let charge = prop_oneof![
        Just(Charge::Usage),
        Just(Charge::InputPlusMaxOutput),
        Just(Charge::LargerOfInputAndMaxOutput),
        Just(Charge::InputOnly),
    ];
    let slack = prop_oneof![Just(Duration::ZERO), Just(SLACK)];
    (laws(), laws(), prop::option::of(1_u64..4), charge, slack).prop_map(
        |(group, of_model, concurrency, charge, slack)| Plan { group, of_model, concurrency, charge, slack },
    )
}

fn jobs(most_ms: u64) -> impl Strategy<Value = Job> {
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)];
    let cost = (1_u64..=250, 0_u64..=250).prop_map(|(input, output)| Cost::input(input).max_output(output));
    let small = (1_u64..=10).prop_map(Cost::input);
    let lasts = prop_oneof![1 => Just(None), 9 => (0_u64..3_000).prop_map(Some)];
    (0..=most_ms, 0..2_usize, 0..4_u64, priority, prop_oneof![cost, small], lasts, 0..=100_u64).prop_map(
        |(after, model, tenant, priority, cost, lasts, used)| Job {
            after,
            model,
            tenant,
            priority,
            cost,
            lasts,
            used,
        },
    )
}

/// How much longer than it must a charge may stay in a sliding window.
fn slot(plan: &Plan) -> u64 {
    let slides = matches!((plan.group, plan.of_model), (Law::Sliding, _) | (_, Law::Sliding));
    if slides { nanos(PERIOD) * 15 / 10_000 } else { 0 }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn the_start_that_a_call_was_told_when_it_became_the_head_is_kept_whoever_comes_later(
        plan in plans(),
        jobs in prop::collection::vec(jobs(800), 1..60),
    ) {
        let mut world = World::new(&plan);
        world.play(&jobs);
        for (number, promise) in world.promises.iter().enumerate() {
            let Some(promise) = *promise else { continue };
            let most = promise + nanos(plan.slack) + slot(&plan);
            let start = world.starts[number];
            prop_assert!(
                start.is_some_and(|start| start <= most),
                "call {number}: promised {} ns from the beginning, started {:?}",
                promise - BEGIN.uptime, start.map(|start| start - BEGIN.uptime)
            );
        }
    }

    #[test]
    fn the_latest_start_is_exact_if_nothing_comes_back_and_nobody_joins(
        plan in plans(),
        jobs in prop::collection::vec(jobs(0), 1..40),
    ) {
        let mut world = World::new(&plan);
        for job in jobs {
            world.arrive(Job { lasts: None, ..job });
        }
        let told: Vec<_> = (0..world.jobs.len()).map(|i| world.keys[i].map(|_| world.latest(i))).collect();
        world.advance(u64::MAX);
        for (number, told) in told.into_iter().enumerate() {
            if let Some(told) = told {
                prop_assert_eq!(world.starts[number], told, "call {}", number);
            }
        }
    }

    #[test]
    fn everybody_gets_through_when_every_call_ends(
        plan in plans(),
        jobs in prop::collection::vec(jobs(300), 1..60),
    ) {
        let mut world = World::new(&plan);
        let jobs: Vec<_> = jobs.into_iter().map(|job| Job { lasts: job.lasts.or(Some(500)), ..job }).collect();
        world.play(&jobs);
        prop_assert!(world.starts.iter().all(Option::is_some), "{:?}", world.starts);
        prop_assert!(world.queue.is_deserted());
        prop_assert_eq!(world.queue.tokens(), 0);
    }
}

fn bucket(slack: Duration) -> World {
    let plan =
        Plan { group: Law::Refill, of_model: Law::Refill, concurrency: None, charge: Charge::Usage, slack };
    World::new(&plan)
}

/// Costs 400 of the 500 that a model has in 10 s, and ends at once.
const JOB: Job = Job {
    after: 0,
    model: 0,
    tenant: 0,
    priority: Priority::Normal,
    cost: Cost::input(400),
    lasts: Some(0),
    used: 0,
};

#[test]
fn a_call_whose_line_is_aside_for_its_tenants_quota_may_start_as_soon_as_something_comes_back() {
    let mut world = bucket(Duration::ZERO);
    let cost = Cost::input(10).max_output(390);
    // Nothing but the input has to stay charged, and it is out.
    world.arrive(Job { tenant: POOR, cost, lasts: None, ..JOB });
    world.arrive(Job { tenant: POOR, ..JOB });
    assert_eq!(world.earliest(1), Some(BEGIN.uptime));
}

#[test]
fn a_debt_that_comes_up_while_it_is_the_head_makes_a_call_later_by_that_debt_and_no_more() {
    let mut world = bucket(SLACK);
    // 450 are spent, 50 are out.
    world.arrive(Job { cost: Cost::input(450), ..JOB });
    world.advance(BEGIN.uptime);
    let request = world.request(&Job { cost: Cost::input(50), ..JOB });
    let charged = world.ledger.admit(request.book, request.cost, world.now).unwrap();
    world.arrive(JOB);
    let promise = world.promises[1].expect("it is the head");
    assert_eq!(promise, BEGIN.uptime + nanos(PERIOD) * 4 / 5);
    // It reserved 50 and cost 150: 2 s of what flows back.
    world.end(&charged, Usage::new(150, 0));
    world.advance(u64::MAX);
    assert_eq!(world.starts[1], Some(promise + nanos(PERIOD) / 5));
}

#[test]
fn a_limit_that_is_lowered_makes_the_head_later_than_it_was_told_and_it_still_goes_first() {
    let mut world = bucket(SLACK);
    world.arrive(JOB);
    world.advance(BEGIN.uptime);
    world.arrive(JOB);
    world.arrive(Job { cost: Cost::input(300), ..JOB });
    assert_eq!(world.promises[1], Some(BEGIN.uptime + nanos(PERIOD) * 3 / 5), "300 of 500 in 10 s");
    // 400 are used, of 400 now.
    world.ledger.set_limits(MODEL_A, &Limits::new().with(quota(Law::Refill, 400)), world.now);
    world.queue.replan();
    world.advance(u64::MAX);
    let first = BEGIN.uptime + nanos(PERIOD);
    assert_eq!(world.starts[1..], [Some(first), Some(first + nanos(PERIOD) * 3 / 4)]);
}

/// What each is expected to cost, its model and class, and whether it ends at once having used nothing of its
/// output; they all arrive at one instant.
type Case = [(u64, u64, usize, Priority, bool)];

fn arrived(plan: &Plan, case: &Case) -> World {
    let mut world = World::new(plan);
    for &(input, output, model, priority, ends) in case {
        let cost = Cost::input(input).max_output(output);
        world.arrive(Job { model, priority, cost, lasts: ends.then_some(0), ..JOB });
    }
    world
}

#[test]
fn no_call_starts_before_its_earliest_start_where_other_classes_wait() {
    use Priority::{High, Low, Normal};
    let plan = Plan {
        group: Law::Fixed,
        of_model: Law::Refill,
        concurrency: None,
        charge: Charge::Usage,
        slack: Duration::ZERO,
    };
    // The sixth goes at once when the fourth gives 37 back. Played through at its best, the classes take
    // their turns otherwise, and the calls of the others that come before it leave it one token short.
    let mut world = arrived(
        &plan,
        &[
            (175, 91, 1, High, false),
            (209, 212, 1, High, false),
            (1, 8, 0, High, false),
            (45, 37, 0, High, true),
            (39, 0, 1, High, false),
            (107, 116, 0, High, true),
            (168, 55, 0, High, false),
            (89, 134, 0, Normal, false),
            (189, 34, 0, Low, false),
            (21, 202, 0, High, false),
            (1, 222, 0, High, false),
        ],
    );
    let told = world.earliest(5).unwrap();
    world.advance(u64::MAX);
    let start = world.starts[5].unwrap();
    assert!(start >= told, "{} ns too early", told - start);
}
