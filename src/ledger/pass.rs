//! What the queue asks of the books: may one call pass another, is a tenant itself the one that
//! cannot pay, how large is a call.

use super::books::{Book, Budget};
use super::{BookId, Charged, End, Ledger, Request};
use crate::quota::Cost;
use crate::time::Now;

/// When a blocked call could start, seen from its budgets.
struct Outlook {
    /// The latest start over the budgets that time alone lets pay.
    at: u64,
    /// How many budgets can pay only when a call in flight ends.
    waiting: usize,
}

impl Ledger {
    /// Admits `call` although `head` is blocked before it, if `head` can still start as early as it
    /// could, or no more than `slack` nanoseconds later. Says by how much later.
    ///
    /// No budget that waits for a call to end may meet in both: whatever comes back there is the head's. A
    /// passer so leaves the head a slot, too.
    pub(crate) fn pass(
        &mut self,
        head: &Request,
        call: &Request,
        slack: u64,
        now: Now,
    ) -> Option<(Charged, u64)> {
        self.advance(head.book, now);
        let is_shared = |scope, budget: &Budget, waits| waits && self.is_charged(call, scope, budget);
        let before = self.outlook(head, now, is_shared)?;
        let charged = self.admit(call.book, call.cost, now).ok()?;
        let after = self.outlook(head, now, |_, _, _| false);
        let delay = after
            .filter(|after| after.waiting == before.waiting)
            .map(|after| after.at.saturating_sub(before.at))
            .filter(|&delay| delay <= slack);
        if delay.is_none() {
            // Taken and given back at one instant: the books are as they were.
            self.settle(&charged, None, &End::Cancelled, now);
        }
        delay.map(|delay| (charged, delay))
    }

    /// When there is enough for both of `head` and `call` of all that the call takes; `None` where a call in
    /// flight must end first.
    pub(crate) fn start_of_both(&self, head: &Request, call: &Request, now: Now) -> Option<u64> {
        let of = |request: &Request| {
            let book = &self.books[request.book.index()];
            (&book.scopes, book.rule.reserve(&request.cost))
        };
        let ((met, first), (scopes, amounts)) = (of(head), of(call));
        let budgets = |&scope: &usize| self.scopes[scope].budgets.iter().map(move |budget| (scope, budget));
        let mut taken = scopes.iter().flat_map(budgets).filter(|(_, budget)| amounts[budget.unit] > 0);
        taken.try_fold(now.uptime, |latest, (scope, budget)| {
            let ahead = if met.contains(&scope) { first[budget.unit] } else { 0 };
            Some(latest.max(budget.start(amounts[budget.unit].saturating_add(ahead), now)?))
        })
    }

    /// When the smallest call there is could be admitted: the instant `now` if it could now.
    pub(crate) fn least_start(&mut self, book: BookId, now: Now) -> Option<u64> {
        self.advance(book, now);
        let Book { rule, ref scopes, .. } = self.books[book.index()];
        let amounts = rule.reserve(&Cost::default());
        let budgets = scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let mut starts = budgets.map(|budget| budget.start(amounts[budget.unit], now));
        starts.try_fold(now.uptime, |latest, start| Some(latest.max(start?)))
    }

    /// The outlook of `head`; none if `forbidden` says so of one of its budgets.
    fn outlook(
        &self,
        head: &Request,
        now: Now,
        forbidden: impl Fn(usize, &Budget, bool) -> bool,
    ) -> Option<Outlook> {
        let book = &self.books[head.book.index()];
        let amounts = book.rule.reserve(&head.cost);
        let mut outlook = Outlook { at: now.uptime, waiting: 0 };
        for &scope in &book.scopes {
            for budget in &self.scopes[scope].budgets {
                let start = budget.start(amounts[budget.unit], now);
                if forbidden(scope, budget, start.is_none()) {
                    return None;
                }
                match start {
                    Some(start) => outlook.at = outlook.at.max(start),
                    None => outlook.waiting += 1,
                }
            }
        }
        Some(outlook)
    }

    /// Whether a call takes something of a budget in `scope`.
    fn is_charged(&self, call: &Request, scope: usize, budget: &Budget) -> bool {
        let book = &self.books[call.book.index()];
        book.scopes.contains(&scope) && book.rule.reserve(&call.cost)[budget.unit] > 0
    }

    /// The scope of the tenant's own quotas and the uptime at which they can pay, if they are what
    /// cannot now; `u64::MAX` where a call of the tenant must end first.
    pub(crate) fn blocked_by_tenant(&self, request: &Request, now: Now) -> Option<(usize, u64)> {
        let book = &self.books[request.book.index()];
        let own = book.own?;
        let amounts = book.rule.reserve(&request.cost);
        let starts = self.scopes[own]
            .budgets
            .iter()
            .map(|budget| budget.start(amounts[budget.unit], now).unwrap_or(u64::MAX));
        let start = starts.max()?;
        (start > now.uptime).then_some((own, start))
    }

    /// Whether a tenant's own quotas are in debt.
    pub(crate) fn tenant_owes(&self, request: &Request) -> bool {
        let own = self.books[request.book.index()].own;
        own.is_some_and(|own| self.scopes[own].budgets.iter().any(|budget| budget.bucket.remaining() < 0))
    }

    /// Whether a call takes so much of every budget of its book that it flows back in more than
    /// `nanos`: whoever waits for one of them is delayed by that.
    pub(crate) fn always_takes(&self, book: BookId, cost: Cost, nanos: u64) -> bool {
        let Book { rule, ref scopes, .. } = self.books[book.index()];
        let amounts = rule.reserve(&cost);
        let mut budgets = scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        budgets.all(|budget| budget.bucket.flows_back_after(amounts[budget.unit]) > nanos)
    }

    /// The scope of the quotas that the calls of a tenant have to themselves.
    pub(crate) fn tenant_scope(&self, book: BookId) -> Option<usize> {
        self.books[book.index()].own
    }

    /// The largest cost of a call in parts of a limit, 2^24 parts making up the whole.
    pub(crate) fn dominant_share(&self, book: BookId, cost: Cost) -> u64 {
        let book = &self.books[book.index()];
        let amounts = book.rule.reserve(&cost);
        let budgets = book.scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let share =
            |budget: &Budget| (u128::from(amounts[budget.unit]) << 24) / u128::from(budget.capacity.max(1));
        budgets.map(share).max().map_or(1, |share| share.clamp(1, 1 << 40) as u64)
    }

    /// Gives everything in flight back at once and lifts every limit on calls in flight: as well as it
    /// could go from here.
    pub(crate) fn at_best(&mut self, now: Now) {
        for budget in self.scopes.iter_mut().flat_map(|scope| &mut scope.budgets) {
            budget.bucket.advance(now);
            budget.bucket.forget_unsettled();
            if let Some(door) = budget.truth.as_mut().and_then(|truth| truth.door.as_mut()) {
                door.lose();
            }
        }
    }

    /// The least that a call can cost in the end.
    pub(crate) fn least(&self, request: &Request) -> Cost {
        let rule = self.books[request.book.index()].rule;
        rule.least(&request.cost)
    }
}
