//! Which budgets there are, and which of them a call is charged to.

use std::collections::HashMap;

use super::Ledger;
use crate::bucket::Bucket;
use crate::quota::{Charge, Limits, Quota, Unit, Window};
use crate::time::Now;

/// Names a book of one ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct BookId(u32);

/// Budgets that were given together: of a group, a model or a tenant.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) budgets: Vec<Budget>,
}

/// What is left of one quota.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub(super) unit: Unit,
    pub(super) capacity: u64,
    pub(super) bucket: Bucket,
    pub(super) quota: Quota,
    /// The number of the first call that was charged to it: earlier ones are not settled here.
    pub(super) born: u64,
}

/// What the calls of one model, or of one tenant to it, are charged to.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) model: String,
    pub(super) rule: Charge,
    pub(super) scopes: Vec<usize>,
    /// One of its budgets is a sliding window.
    pub(super) slides: bool,
}

/// Scopes by name, with their limits; and books: the model, and the scopes that its calls are
/// charged to, the one that says the charge rule first.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) scopes: Vec<(String, Limits)>,
    pub(crate) books: Vec<(String, Vec<usize>)>,
    /// The book of a tenant, by the model's.
    pub(crate) tenants: HashMap<BookId, HashMap<String, BookId>>,
}

impl BookId {
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Layout {
    pub(crate) fn scope(&mut self, name: String, limits: Limits) -> usize {
        self.scopes.push((name, limits));
        self.scopes.len() - 1
    }

    pub(crate) fn book(&mut self, model: &str, scopes: Vec<usize>) -> BookId {
        self.books.push((model.to_owned(), scopes));
        BookId(u32::try_from(self.books.len() - 1).expect("fewer models than 2^32"))
    }
}

impl Budget {
    fn new(quota: &Quota, born: u64, now: Now) -> Self {
        Budget {
            unit: quota.unit(),
            capacity: quota.capacity(),
            bucket: Bucket::new(quota, now),
            quota: *quota,
            born,
        }
    }

    fn follow(mut self, quota: &Quota, born: u64, now: Now) -> Self {
        self.bucket.advance(now);
        let same_law = self.bucket.follow(quota, now);
        let born = if same_law { self.born } else { born };
        Budget { born, capacity: quota.capacity(), quota: *quota, ..self }
    }

    /// How well a changed quota continues this one: the same law, or at least the same period.
    fn continues(&self, quota: &Quota) -> Option<bool> {
        let same = self.unit == quota.unit() && self.quota.window().period() == quota.window().period();
        let kinds = [self.quota.window(), quota.window()].map(|window| std::mem::discriminant(&window));
        same.then(|| kinds[0] == kinds[1])
    }
}

impl Ledger {
    pub(crate) fn new(layout: Layout, now: Now) -> Self {
        let rules: Vec<Charge> = layout.scopes.iter().map(|(_, limits)| limits.charge_rule()).collect();
        let open = |(name, limits): (String, Limits)| {
            let budgets = limits.quotas().iter().map(|quota| Budget::new(quota, 0, now)).collect();
            Scope { name, budgets }
        };
        let book = |(model, scopes): (String, Vec<usize>)| {
            let rule = scopes.first().map_or(Charge::default(), |&scope| rules[scope]);
            Book { model, rule, scopes, slides: false }
        };
        let mut ledger = Ledger {
            scopes: layout.scopes.into_iter().map(open).collect(),
            books: layout.books.into_iter().map(book).collect(),
            seq: 0,
        };
        ledger.look_for_sliding();
        ledger
    }

    fn look_for_sliding(&mut self) {
        let slides = |budget: &Budget| matches!(budget.quota.window(), Window::Sliding { .. });
        for book in &mut self.books {
            book.slides = book.scopes.iter().any(|&scope| self.scopes[scope].budgets.iter().any(slides));
        }
    }

    /// How many books there are.
    pub(crate) fn books(&self) -> usize {
        self.books.len()
    }

    pub(crate) fn model(&self, book: BookId) -> &str {
        &self.books[book.index()].model
    }

    /// Puts `limits` in the place of a scope's. Budgets that go on under a changed quota keep what
    /// was used of them; calls that are out settle against them as before. The charge rule stays.
    pub(crate) fn set_limits(&mut self, scope: usize, limits: &Limits, now: Now) {
        let mut old = std::mem::take(&mut self.scopes[scope].budgets);
        let budgets = limits.quotas().iter().map(|quota| {
            let fits = |same_law: bool| old.iter().position(|b| b.continues(quota) == Some(same_law));
            match fits(true).or_else(|| fits(false)) {
                Some(found) => old.remove(found).follow(quota, self.seq, now),
                None => Budget::new(quota, self.seq, now),
            }
        });
        self.scopes[scope].budgets = budgets.collect();
        for book in self.books.iter_mut().filter(|book| book.scopes.first() == Some(&scope)) {
            book.rule = limits.charge_rule();
        }
        self.look_for_sliding();
    }

    pub(super) fn scope_named(&self) -> HashMap<&str, usize> {
        self.scopes.iter().enumerate().map(|(i, scope)| (scope.name.as_str(), i)).collect()
    }
}
