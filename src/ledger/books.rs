//! Which budgets there are, and which of them a call is charged to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Ledger;
use super::learn::Learning;
use super::truth::Truth;
use crate::bucket::Bucket;
use crate::quota::{Limits, Oversize, Quota, Rule, Unit, Waiting};
use crate::time::Now;

/// Names a book of one ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct BookId(u32);

/// Budgets that were given together: of a group, a model or a tenant.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) budgets: Vec<Budget>,
    pub(super) longest_prompt: Option<u64>,
    pub(super) learning: Option<Learning>,
}

/// What is left of one quota.
#[derive(Clone, Debug)]
#[repr(C, align(64))] // Each begins a cache line, with what every call writes in it.
pub(super) struct Budget {
    pub(super) bucket: Bucket,
    pub(super) unit: Unit,
    pub(super) capacity: u64,
    pub(super) quota: Quota,
    /// The number of the first call that was charged to it: earlier ones are not settled here.
    pub(super) born: u64,
    /// What stays unused: it grows with refusals that the books did not foresee.
    pub(super) margin: u64,
    /// What the provider has said of it, if anything.
    pub(super) truth: Option<Box<Truth>>,
}

/// What the calls of one model, or of one tenant to it, are charged to.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) model: String,
    pub(super) rule: Rule,
    pub(super) oversize: Oversize,
    /// The least of what its scopes allow: kept here because every admission looks at it.
    pub(super) longest_prompt: Option<u64>,
    pub(super) scopes: Vec<usize>,
    /// The scope of the tenant's own quotas, where it has some.
    pub(super) own: Option<usize>,
    /// The instant of UTC until which its calls may be settled without knowing the time.
    pub(super) calm_until: u64,
}

/// Scopes by name, with their limits; and books: the model, the scopes that its calls are
/// charged to, the one that says the charge rule first, and the tenant's own among them.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) scopes: Vec<(String, Limits)>,
    pub(crate) books: Vec<(String, Vec<usize>, Option<usize>)>,
    /// The book of a tenant, by the model's.
    pub(crate) tenants: HashMap<BookId, HashMap<String, BookId>>,
    /// The weights of tenants that are not 1.
    pub(crate) weights: BTreeMap<String, u32>,
    pub(crate) waiting: Waiting,
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

    pub(crate) fn scopes_of(&self, book: BookId) -> Vec<usize> {
        self.books[book.index()].1.clone()
    }

    /// The model's name of each book.
    pub(crate) fn models(&self) -> Vec<Arc<str>> {
        self.books.iter().map(|(model, ..)| model.as_str().into()).collect()
    }

    pub(crate) fn book(&mut self, model: &str, scopes: Vec<usize>, own: Option<usize>) -> BookId {
        self.books.push((model.to_owned(), scopes, own));
        BookId(u32::try_from(self.books.len() - 1).expect("fewer models than 2^32"))
    }
}

impl Budget {
    pub(super) fn new(quota: &Quota, born: u64, now: Now) -> Self {
        Budget {
            unit: quota.unit(),
            capacity: quota.capacity(),
            bucket: Bucket::new(quota, now),
            quota: *quota,
            born,
            margin: 0,
            truth: None,
        }
    }

    fn follow(mut self, quota: &Quota, born: u64, now: Now) -> Self {
        self.bucket.advance(now);
        let same_law = self.bucket.follow(quota, now);
        let born = if same_law { self.born } else { born };
        if let Some(truth) = self.truth.as_mut().filter(|_| quota.limit() != self.quota.limit()) {
            truth.reconfigured();
        }
        let margin = self.margin.min(quota.capacity() / 2);
        Budget { born, margin, capacity: quota.capacity(), quota: *quota, ..self }
    }

    /// Lets time pass, and says whether `amount` can be taken now.
    #[inline]
    pub(super) fn advance_and_look(&mut self, amount: u64, now: Now) -> bool {
        let needed = self.needed(amount);
        self.bucket.advance_and_look(needed, now)
    }

    /// The uptime at which `amount` could be taken; `None` if only a call that ends can bring that about.
    pub(super) fn start(&self, amount: u64, now: Now) -> Option<u64> {
        let start = self.pays(amount, now)?;
        match self.door() {
            Some(door) if amount > 0 => Some(start.max(door.opens())),
            _ => Some(start),
        }
    }

    /// The same, were it not shut.
    pub(super) fn pays(&self, amount: u64, now: Now) -> Option<u64> {
        self.bucket.start(self.needed(amount), now)
    }

    /// What has to be there for `amount` to be taken. A call that is larger goes when all is there.
    #[inline]
    fn needed(&self, amount: u64) -> u64 {
        if amount == 0 { 0 } else { amount.saturating_add(self.margin).min(self.capacity) }
    }

    /// Whether a call that is larger than this budget may go when it is full.
    pub(super) fn drains(&self, oversize: Oversize) -> bool {
        oversize == Oversize::DrainAndGo && self.capacity > 0 && self.unit != Unit::InFlight
    }
}

/// Which of the `old` a quota continues: the one of the same law and period, or else of the same
/// period.
pub(super) fn continued<B>(old: &[B], quota_of: impl Fn(&B) -> &Quota, quota: &Quota) -> Option<usize> {
    let kind = |quota: &Quota| std::mem::discriminant(&quota.window());
    let same = |old: &Quota| old.unit() == quota.unit() && old.window().period() == quota.window().period();
    let position = |fits: &dyn Fn(&Quota) -> bool| old.iter().position(|old| fits(quota_of(old)));
    position(&|old| same(old) && kind(old) == kind(quota)).or_else(|| position(&same))
}

impl Ledger {
    pub(crate) fn new(layout: Layout, now: Now) -> Self {
        let rule_of = |(_, limits): &(String, Limits)| (limits.rule(), limits.oversize_rule());
        let rules: Vec<(Rule, Oversize)> = layout.scopes.iter().map(rule_of).collect();
        let open = |(name, limits): (String, Limits)| {
            let budgets = limits.quotas().iter().map(|quota| Budget::new(quota, 0, now)).collect();
            let mut scope = Scope { name, budgets, longest_prompt: limits.prompt_bound(), learning: None };
            scope.begin_to_learn(&limits, 0, now);
            scope
        };
        let scopes: Vec<Scope> = layout.scopes.into_iter().map(open).collect();
        let book = |(model, scopes, own): (String, Vec<usize>, Option<usize>)| {
            let (rule, oversize) = scopes.first().map(|&scope| rules[scope]).unwrap_or_default();
            Book { model, rule, oversize, longest_prompt: None, scopes, own, calm_until: 0 }
        };
        let books = layout.books.into_iter().map(book).collect();
        let mut ledger = Ledger {
            scopes,
            books,
            seq: 0,
            order: 0,
            doors: 0,
            spoken: false,
            stopped: None,
            events: Vec::new(),
        };
        ledger.look_how_long_prompts_may_be();
        ledger
    }

    fn look_how_long_prompts_may_be(&mut self) {
        for book in &mut self.books {
            book.longest_prompt =
                book.scopes.iter().filter_map(|&scope| self.scopes[scope].longest_prompt).min();
        }
    }

    #[cold]
    pub(super) fn look_how_calm(&mut self, book: BookId) {
        let book = &mut self.books[book.index()];
        let budgets = book.scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        book.calm_until = budgets.map(|budget| budget.bucket.calm_until()).min().unwrap_or(u64::MAX);
    }

    /// Whether all calls are of one book.
    pub(crate) fn has_one_book(&self) -> bool {
        self.books.len() == 1
    }

    pub(crate) fn model(&self, book: BookId) -> &str {
        &self.books[book.index()].model
    }

    /// Puts `limits` in the place of a scope's. Budgets that go on under a changed quota keep what
    /// was used of them; calls that are out settle against them as before. The charge rule stays.
    pub(crate) fn set_limits(&mut self, scope: usize, limits: &Limits, now: Now) {
        let mut old = std::mem::take(&mut self.scopes[scope].budgets);
        let budgets =
            limits.quotas().iter().map(|quota| match continued(&old, |budget| &budget.quota, quota) {
                Some(found) => old.remove(found).follow(quota, self.seq, now),
                None => Budget::new(quota, self.seq, now),
            });
        self.scopes[scope].budgets = budgets.collect();
        self.scopes[scope].longest_prompt = limits.prompt_bound();
        self.scopes[scope].begin_to_learn(limits, self.seq, now);
        let budgets = self.scopes.iter().flat_map(|scope| &scope.budgets);
        self.doors = budgets.filter(|budget| budget.door().is_some()).count();
        self.look_how_long_prompts_may_be();
        for book in self.books.iter_mut().filter(|book| book.scopes.contains(&scope)) {
            book.calm_until = 0;
        }
        for book in self.books.iter_mut().filter(|book| book.scopes.first() == Some(&scope)) {
            (book.rule, book.oversize) = (limits.rule(), limits.oversize_rule());
        }
    }

    pub(super) fn scope_named(&self) -> HashMap<&str, usize> {
        self.scopes.iter().enumerate().map(|(i, scope)| (scope.name.as_str(), i)).collect()
    }
}
