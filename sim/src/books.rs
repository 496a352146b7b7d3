//! All budgets of a provider side by side.

use crate::budget::{Budget, Level, Levels};
use crate::config::{Config, LawKind};
use crate::law::Law;
use std::time::Duration;

/// Every budget that the provider keeps, and its calls in flight.
#[derive(Debug)]
pub(crate) struct Books {
    accounts: Vec<Account>,
    concurrency: Option<u64>,
    in_flight: u64,
    minute: u64,
}

/// What a call adds to the books at admission. It is always one request and one slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Price {
    pub(crate) tokens: u64,
}

/// Why a call cannot be let in now.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) budget: Budget,
    pub(crate) limit: u64,
    pub(crate) used: u64,
    /// When it will have passed; `None` if a call in flight has to end first.
    pub(crate) until: Option<u64>,
}

#[derive(Debug)]
struct Account {
    budget: Budget,
    law: Law,
    kind: LawKind,
    period: Duration,
}

impl Price {
    pub(crate) fn of(self, budget: Budget) -> u64 {
        match budget {
            Budget::Rpm | Budget::Rpd | Budget::Concurrency => 1,
            Budget::Tpm | Budget::Tpd => self.tokens,
        }
    }
}

impl Books {
    pub(crate) fn new(config: &Config) -> Self {
        let minutely = |budget, limit| Account::new(budget, limit, config.law, config.minute);
        let daily = |budget, limit| Account::new(budget, limit, config.day_law, config.day);
        let accounts = [
            config.rpm.map(|limit| minutely(Budget::Rpm, limit)),
            config.rpd.map(|limit| daily(Budget::Rpd, limit)),
            config.tpm.map(|limit| minutely(Budget::Tpm, limit)),
            config.tpd.map(|limit| daily(Budget::Tpd, limit)),
        ];
        let minute = nanos(config.minute);
        assert!(minute > 0 && !config.day.is_zero(), "a minute and a day need a length");
        Self {
            accounts: accounts.into_iter().flatten().collect(),
            concurrency: config.concurrency,
            in_flight: 0,
            minute,
        }
    }

    /// The length of a minute, in nanoseconds.
    pub(crate) fn minute(&self) -> u64 {
        self.minute
    }

    /// Changes the limit of a budget that is kept.
    pub(crate) fn set_limit(&mut self, now: u64, budget: Budget, limit: u64) {
        let account = self.accounts.iter_mut().find(|account| account.budget == budget);
        match (account, &mut self.concurrency) {
            (Some(account), _) => account.law.set_limit(now, limit),
            (None, Some(slots)) if budget == Budget::Concurrency => *slots = limit,
            _ => panic!("{budget}: no such budget is kept"),
        }
    }

    /// The first budget, and its limit, that is smaller than the price.
    pub(crate) fn never_fits(&self, price: Price) -> Option<(Budget, u64)> {
        let accounts = self.accounts.iter().map(|account| (account.budget, account.law.limit()));
        let slots = self.concurrency.map(|limit| (Budget::Concurrency, limit));
        accounts.chain(slots).find(|&(budget, limit)| price.of(budget) > limit)
    }

    /// What keeps a call out at `now`: the slots if they are all taken, else the budget that takes longest.
    pub(crate) fn blocking(&mut self, now: u64, price: Price) -> Option<Block> {
        if let Some(limit) = self.concurrency.filter(|&limit| self.in_flight >= limit) {
            return Some(Block { budget: Budget::Concurrency, limit, used: self.in_flight, until: None });
        }
        let mut longest: Option<Block> = None;
        for account in &mut self.accounts {
            let instant = account.law.earliest(now, price.of(account.budget)).unwrap_or(u64::MAX);
            if instant > longest.as_ref().and_then(|block| block.until).unwrap_or(now) {
                longest = Some(Block {
                    budget: account.budget,
                    limit: account.law.limit(),
                    used: account.law.used(now),
                    until: Some(instant),
                });
            }
        }
        longest
    }

    /// Takes the price from every budget, and a slot.
    pub(crate) fn charge(&mut self, now: u64, price: Price) {
        for account in &mut self.accounts {
            account.law.charge(now, price.of(account.budget));
        }
        self.in_flight += 1;
    }

    /// Frees a slot, and takes `tokens` more from the token budgets, even into debt.
    pub(crate) fn finish(&mut self, now: u64, tokens: u64) {
        for account in &mut self.accounts {
            if matches!(account.budget, Budget::Tpm | Budget::Tpd) {
                account.law.charge(now, tokens);
            }
        }
        self.in_flight -= 1;
    }

    pub(crate) fn levels(&mut self, now: u64) -> Levels {
        let mut levels = Levels { in_flight: self.in_flight, ..Levels::default() };
        for account in &mut self.accounts {
            let level = Some(account.level(now));
            match account.budget {
                Budget::Rpm => levels.rpm = level,
                Budget::Rpd => levels.rpd = level,
                Budget::Tpm => levels.tpm = level,
                Budget::Tpd => levels.tpd = level,
                Budget::Concurrency => {}
            }
        }
        levels
    }
}

impl Account {
    fn new(budget: Budget, limit: u64, kind: LawKind, period: Duration) -> Self {
        Self { budget, law: Law::new(kind, limit, nanos(period)), kind, period }
    }

    fn level(&mut self, now: u64) -> Level {
        Level {
            limit: self.law.limit(),
            used: self.law.used(now),
            reset: Duration::from_nanos(self.law.full_again(now) - now),
            period: self.period,
            law: self.kind,
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
