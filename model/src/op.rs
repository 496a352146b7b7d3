//! What can happen to a limiter, as plain numbers.
//!
//! Every operation means something in every state (a permit's number is taken modulo the permits that
//! are out), so any sequence can be run, shortened and shared between proptest, the fuzzer and the soak.

use arbitrary::Arbitrary;

/// One thing that happens.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Op {
    /// A call waits for leave. If `polled`, it is polled whenever it is woken, from now on.
    Acquire {
        call: Call,
        within: Option<u16>,
        polled: bool,
    },
    Try(Call),
    /// A waiter is polled once.
    Poll(u8),
    /// From now on a waiter is polled when it is woken, or not any more.
    Attend(u8, bool),
    /// A waiter is dropped.
    Leave(u8),
    Release {
        permit: u8,
        used: Used,
    },
    Refuse {
        permit: u8,
        no: No,
    },
    Cancel(u8),
    /// A permit is dropped.
    Lose(u8),
    Observe {
        permit: u8,
        head: Head,
    },
    /// The limits of a scope change, to eighths of what they were at the beginning.
    SetLimits {
        scope: u8,
        eighths: u8,
    },
    SetWeight {
        tenant: bool,
        weight: u8,
    },
    /// A snapshot is written, read, and restored into a new limiter.
    Restart,
    Resume,
    /// Time passes, and timers ring when they are due.
    Pass(Wait),
    /// Time passes in one leap, as when a machine was suspended.
    Jump(Wait),
}

/// A call: its model, whose it is, how urgent and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
pub struct Call {
    /// The model with limits of its own, where there is one.
    pub own: bool,
    pub tenant: Tenant,
    pub priority: Class,
    pub input: Size,
    pub output: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
pub enum Tenant {
    Nobody,
    /// Has quotas of its own, where the plan gives it some.
    Limited,
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
pub enum Class {
    High,
    Normal,
    Low,
}

/// How many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
pub enum Size {
    Few(u8),
    /// 16ths of what the smallest budget of tokens can hold: few values, so that calls are alike.
    Share(u8),
    /// What is left of a budget, and so many more or less.
    Left(u8, i8),
    /// What a budget can hold at the most, and so many more or less.
    Most(u8, i8),
}

/// What a call has used, in parts of what was reserved.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Used {
    AsReserved,
    /// 255ths of input, output, and of that input from the cache.
    Less(u8, u8, u8),
    /// So many tokens more of each.
    More(u8, u8),
}

/// How the provider says no.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum No {
    /// Hundreds of milliseconds to wait, if told; which unit, if told.
    RateLimited(Option<u8>, Option<bool>),
    Overloaded(Option<u8>),
    TooLarge,
    Account,
    Model,
    Rejected,
    Failed,
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Head {
    Plain,
    /// 255ths of the time since it was sent, or more than that.
    Processing(u8),
    /// 255ths of the limit that are left, of requests or of tokens.
    Level {
        tokens: bool,
        left: u8,
    },
    /// The same with a limit, in eighths of the configured one, and seconds to the reset.
    Limit {
        tokens: bool,
        left: u8,
        eighths: u8,
        reset: Option<u8>,
    },
    /// Values that mean nothing.
    Absurd(u8),
    /// A refusal that tells nothing.
    Refusal,
}

/// How long.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Wait {
    Nanos(u16),
    Millis(u16),
    /// 255ths of a budget's period.
    Share(u8, u8),
    /// To the end of a budget's window (or what its bucket needs for so many units), and so many grains more or less.
    Edge {
        budget: u8,
        which: u8,
        off: i8,
    },
    /// As long as the last error said, and so many grains more or less.
    Told(i8),
    Minutes(u8),
    Day,
}
