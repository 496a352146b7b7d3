//! One client and other users on one key, an event at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tollgate::{Cost, Event, Limiter, Limits, Permit, Usage, Verdict};
use tollgate_sim::{Config, LawKind, Outcome, Request, SharedProvider, Slot};

use crate::trace::{Call, Fate, Step};
use crate::{GUARD, MINUTE, RPM, TPM};

const MODEL: &str = "gpt-4o-mini";
/// Calls of other users are named from here on.
const OTHERS: u64 = 1 << 40;
/// What a slot of the limiter's sliding window spans at the most, twice.
const SLOTS: u64 = 180_000_000;

type Head = Vec<(String, String)>;

enum Action {
    Send(Call),
    Arrive(usize),
    Hear(usize),
    End(usize),
    Other(u64),
}

/// A call that was let go by the limiter.
struct Sent {
    call: Call,
    permit: Option<Permit>,
    slot: Option<Slot>,
    head: Head,
    refusal: Option<Verdict>,
    sent: u64,
    charged: u64,
    /// What was left of each budget when it was charged.
    left: [u64; 2],
    /// How long the provider's log was then.
    logged: usize,
    /// Whether the provider had spoken before it was sent.
    known: bool,
}

/// The answer that knows most.
#[derive(Clone, Copy)]
struct Newest {
    number: usize,
    sent: u64,
    /// When the call of the answer before was sent.
    before: u64,
    charged: u64,
    heard: u64,
    left: [u64; 2],
    logged: usize,
}

pub(crate) struct World {
    pub(crate) provider: SharedProvider,
    pub(crate) limiter: Limiter,
    events: tollgate::Events,
    pub(crate) told: Vec<Event>,
    begin: Instant,
    agenda: BTreeMap<(u64, u64), Action>,
    planned: u64,
    calls: Vec<Sent>,
    spoken: bool,
    newest: Option<Newest>,
    /// What came back since for calls that were sent before it and never charged.
    came_back: [i64; 2],
    /// Whether answers say anything of what is left.
    pub(crate) mute: bool,
    pub(crate) refused: usize,
    pub(crate) answered: u64,
}

impl World {
    pub(crate) async fn new(limits: Limits, config: Config, phase: u64) -> Self {
        let provider = SharedProvider::new(config);
        let limiter = Limiter::builder().model(MODEL, limits).build().unwrap();
        let minute = MINUTE.as_nanos() as u64;
        let begin = (provider.now() / minute + 1) * minute + phase * 1_000_000;
        let begin = Instant::now() + Duration::from_nanos(begin - provider.now());
        sleep_until(begin).await;
        World {
            events: limiter.events(),
            provider,
            limiter,
            told: Vec::new(),
            begin,
            agenda: BTreeMap::new(),
            planned: 0,
            calls: Vec::new(),
            spoken: false,
            newest: None,
            came_back: [0; 2],
            mute: false,
            refused: 0,
            answered: 0,
        }
    }

    /// Milliseconds since the beginning.
    fn now(&self) -> u64 {
        self.begin.elapsed().as_millis() as u64
    }

    fn plan(&mut self, at: u64, action: Action) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), action);
    }

    /// Runs a trace to its end, and looks at the books after each event.
    pub(crate) async fn run(&mut self, steps: &[Step], look: impl Fn(&World)) {
        let mut at = self.now();
        for step in steps {
            match step {
                Step::Call(gap, call) => {
                    at += gap;
                    self.plan(at, Action::Send(call.clone()));
                }
                Step::Other(gap, tokens) => {
                    at += gap;
                    self.plan(at, Action::Other(*tokens));
                }
            }
        }
        while let Some(((at, _), action)) = self.agenda.pop_first() {
            sleep_until(self.begin + Duration::from_millis(at)).await;
            self.act(action);
            look(self);
        }
    }

    /// Sends calls as fast as the limiter allows, for so many milliseconds, and hears all answers.
    pub(crate) async fn saturate(&mut self, calls: &[Call], millis: u64, look: impl Fn(&World)) {
        let end = self.now() + millis;
        let mut next = calls.iter().cycle();
        let mut waiting = next.next().unwrap();
        let mut tick = self.now();
        while tick < end || !self.agenda.is_empty() {
            while tick < end && self.send(waiting.clone()) {
                waiting = next.next().unwrap();
            }
            let event = self.agenda.first_key_value().map(|((at, _), _)| *at);
            tick = event.unwrap_or(u64::MAX).min(if tick < end { tick + 20 } else { u64::MAX });
            sleep_until(self.begin + Duration::from_millis(tick)).await;
            while self.agenda.first_key_value().is_some_and(|((at, _), _)| *at <= tick) {
                let (_, action) = self.agenda.pop_first().unwrap();
                self.act(action);
                look(self);
            }
        }
    }

    /// One small call with nobody else about, when there is room for it; its answer is the last word.
    pub(crate) async fn probe(&mut self) {
        let minute = MINUTE.as_nanos() as u64;
        for _ in 0..200 {
            sleep_until(Instant::now() + Duration::from_millis(900)).await;
            // Not where windows end.
            if (self.provider.now() + 100_000_000) % minute < 300_000_000 {
                continue;
            }
            let call = Call::probe();
            if self.send(call) {
                while let Some((_, action)) = self.agenda.pop_first() {
                    self.act(action);
                }
                if self.calls.last().unwrap().refusal.is_none() {
                    return;
                }
            }
        }
        panic!("nothing passes any more: {:?}", self.limiter.snapshot());
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(call) => {
                self.send(call);
            }
            Action::Arrive(number) => self.arrive(number),
            Action::Hear(number) => self.hear(number),
            Action::End(number) => self.end(number),
            Action::Other(tokens) => {
                let id = OTHERS + self.planned;
                let request =
                    Request { id, input_tokens: tokens, max_output_tokens: Some(0), output_tokens: Some(0) };
                if let Ok(slot) = self.provider.admit(&request) {
                    slot.finish();
                }
            }
        }
        while let Some(event) = self.events.try_next() {
            self.told.push(event);
        }
    }

    fn send(&mut self, call: Call) -> bool {
        let cost = Cost::input(call.input).max_output(call.max_output);
        let Ok(permit) = self.limiter.try_acquire(MODEL, cost) else { return false };
        let (number, at) = (self.calls.len(), self.now());
        match call.fate {
            Fate::Cancelled => self.plan(at + call.up, Action::End(number)),
            _ => self.plan(at + call.up, Action::Arrive(number)),
        }
        self.calls.push(Sent {
            call,
            permit: Some(permit),
            slot: None,
            head: Vec::new(),
            refusal: None,
            sent: self.provider.now(),
            charged: 0,
            left: [0; 2],
            logged: 0,
            known: self.spoken,
        });
        true
    }

    fn arrive(&mut self, number: usize) {
        let at = self.now();
        let sent = &mut self.calls[number];
        let Call { input, max_output, output, down, latency, fate, .. } = sent.call;
        let request = Request {
            id: number as u64,
            input_tokens: input,
            max_output_tokens: Some(max_output),
            output_tokens: Some(output),
        };
        sent.charged = self.provider.now();
        match self.provider.admit(&request) {
            Ok(slot) => {
                let levels = slot.levels();
                sent.left = [levels.rpm, levels.tpm].map(|level| level.unwrap().remaining());
                sent.slot = Some(slot);
                sent.logged = self.provider.log().len();
                match fate {
                    Fate::Heard | Fate::HeardAndDropped => {
                        sent.head = sent.slot.as_ref().unwrap().head(MODEL);
                        self.plan(at + down, Action::Hear(number));
                    }
                    Fate::HeardAtTheEnd => self.plan(at + latency + down, Action::Hear(number)),
                    Fate::Unheard | Fate::Dropped | Fate::Cancelled => {}
                }
                self.plan(at + latency + down, Action::End(number));
            }
            Err(denied) => {
                self.refused += 1;
                let answer = self.provider.refusal(MODEL, &request, &denied);
                let body = Some(answer.body.as_bytes());
                sent.refusal = Verdict::of_answer(answer.status, &answer.headers, body);
                sent.head = answer.headers;
                let heard = !matches!(fate, Fate::Unheard | Fate::Dropped);
                if heard {
                    self.plan(at + down, Action::Hear(number));
                }
                self.plan(at + down, Action::End(number));
            }
        }
    }

    fn hear(&mut self, number: usize) {
        let heard = self.provider.now();
        let sent = &mut self.calls[number];
        let Some(permit) = &sent.permit else { return };
        if let (Fate::HeardAtTheEnd, Some(slot)) = (sent.call.fate, sent.slot.as_ref()) {
            sent.head = slot.head(MODEL);
        }
        if self.mute {
            sent.head.retain(|(name, _)| !name.contains("ratelimit"));
        }
        if sent.refusal.is_some() {
            permit.observe(429_u16, &sent.head);
            return;
        }
        permit.observe(200_u16, &sent.head);
        self.spoken = true;
        let window = |at: u64| (at - GUARD) / MINUTE.as_nanos() as u64;
        let fixed = self.provider.config().law == LawKind::Fixed;
        let stale = fixed && window(sent.sent) != window(heard);
        let newer = self.newest.is_none_or(|newest| newest.number < number);
        if sent.known && newer && !stale {
            let Sent { sent, charged, left, logged, .. } = *sent;
            self.came_back = [0; 2];
            let before = self.newest.map_or(0, |newest| newest.sent);
            self.newest = Some(Newest { number, sent, before, charged, heard, left, logged });
        }
    }

    fn end(&mut self, number: usize) {
        let sent = &mut self.calls[number];
        if let Some(slot) = sent.slot.take() {
            slot.finish();
        }
        let Some(permit) = sent.permit.take() else { return };
        let most = (sent.call.input + sent.call.max_output) as i64;
        let never_charged = sent.refusal.is_some() || sent.call.fate == Fate::Cancelled;
        if never_charged && self.newest.is_some_and(|newest| number < newest.number) {
            self.came_back = [self.came_back[0] + 1, self.came_back[1] + most];
        }
        let _settled = match (sent.refusal, sent.call.fate) {
            (Some(verdict), _) => permit.refused(verdict),
            (None, Fate::Cancelled) => permit.cancel(),
            (None, Fate::Dropped | Fate::HeardAndDropped) => return,
            (None, _) => {
                self.answered += sent.call.input + sent.call.max_output;
                permit.release(Usage::new(sent.call.input, sent.call.output))
            }
        };
    }

    /// Whether another window has begun: what others took in it is known from calls that were sent in it.
    pub(crate) fn crossed(&self) -> bool {
        let elapsed = self.begin.elapsed().as_nanos() as u64;
        let now = self.provider.now() + GUARD;
        now / MINUTE.as_nanos() as u64 != now.saturating_sub(elapsed + 4 * GUARD) / MINUTE.as_nanos() as u64
    }

    /// What is left by the books, of requests and of tokens.
    pub(crate) fn ours(&self) -> [i64; 2] {
        let snapshot = self.limiter.snapshot();
        [0, 1].map(|which: usize| snapshot.scopes()[0].budgets[which].remaining)
    }

    /// What is left by the provider's books; below zero is debt.
    pub(crate) fn theirs(&self) -> [i64; 2] {
        let levels = self.provider.levels();
        [levels.rpm, levels.tpm].map(|level| level.map_or(0, |level| level.limit as i64 - level.used as i64))
    }

    /// By how much the books may be above the provider's: what others took since the answer that knows
    /// most, and what cannot be known to the unit.
    pub(crate) fn above(&self) -> [i64; 2] {
        self.unsure(0)
    }

    /// By how much they may be below: calls whose heads nobody saw age from their ends.
    pub(crate) fn below(&self) -> [i64; 2] {
        self.unsure(25_000_000_000)
    }

    fn unsure(&self, late: u64) -> [i64; 2] {
        let now = self.provider.now();
        let minute = MINUTE.as_nanos() as u64;
        let law = self.provider.config().law;
        let log = self.provider.log();
        let of_others = |from: usize| {
            let counts = |at: u64| match law {
                LawKind::Refill => true,
                LawKind::Fixed => at / minute == now / minute,
                LawKind::Sliding => at + minute > now,
            };
            let taken = log[from..].iter().filter(|entry| entry.id >= OTHERS && counts(entry.at));
            let taken = taken.filter(|entry| entry.outcome == Outcome::Admitted);
            taken.fold([0, 0], |[calls, tokens], entry| [calls + 1, tokens + entry.charged as i64])
        };
        // Own calls that were overtaken on their way: the answer does not know of them.
        let overtaken = |newest: &Newest| {
            let entries = log[newest.logged..].iter();
            let own =
                entries.filter(|entry| entry.id < newest.number as u64 && entry.outcome == Outcome::Admitted);
            own.fold([0, 0], |[calls, tokens], entry| [calls + 1, tokens + entry.charged as i64])
        };
        let Some(newest) = self.newest else { return of_others(0).map(|amount| amount + 1) };
        let (others, overtaken) = (of_others(newest.logged), overtaken(&newest));
        let path = newest.charged - newest.sent;
        let unsure = match law {
            LawKind::Refill => [RPM, TPM].map(|limit| (limit * path / minute) as i64 + 3),
            LawKind::Fixed => [0, 0],
            // What left the window since the answer before, or was about to.
            LawKind::Sliding => {
                let until = newest.heard + SLOTS + 2 * GUARD;
                let leaves = |at: u64| at + minute + late >= newest.before && at + minute <= until;
                let all = log.iter().filter(|entry| entry.outcome == Outcome::Admitted && leaves(entry.at));
                all.fold([0, 0], |[calls, tokens], entry| [calls + 1, tokens + entry.charged as i64])
            }
        };
        let rounded = newest.left.map(|left| if left > 0 && left % 1_000 == 0 { 1_000 } else { 2 });
        [0, 1].map(|which| {
            self.came_back[which] + others[which] + overtaken[which] + unsure[which] + rounded[which]
        })
    }
}
