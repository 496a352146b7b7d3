//! Whose turn it is: classes by weight, in each class tenants by weight, each tenant first come first
//! served.
//!
//! Both levels are start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): every lane has a tag, the
//! lane with the lowest is next, and serving it moves its tag on by the size of the call divided by the
//! lane's weight. The size is the call's dominant share, its largest cost in parts of a limit. A lane that was idle
//! starts at the tag that is being served, so it has saved up nothing. Over any time in which two lanes of weights
//! `w` and `u` both wait, what each has got, divided by its weight, differs by at most `s/w + s/u`, `s` being the
//! largest size of a call. Deficit round robin has a bound that grows with the number of lanes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use slab::Slab;

use super::Key;
use crate::ledger::Tenant;
use crate::quota::Priority;

/// Names a lane while it is not empty.
pub(super) type LaneId = usize;

/// Every call in line.
#[derive(Clone, Debug)]
pub(super) struct Order {
    lanes: Slab<Lane>,
    of: HashMap<(usize, Tenant), LaneId>,
    classes: [Class; Priority::CLASSES],
    /// The tag of the class being served.
    served: u64,
    weights: HashMap<Tenant, u64>,
    parked: BTreeSet<(u64, LaneId)>,
    parked_for: BTreeSet<(usize, LaneId)>,
    calls: usize,
}

/// The calls of one tenant in one class.
#[derive(Clone, Debug)]
struct Lane {
    class: usize,
    tenant: Tenant,
    tag: u64,
    /// By arrival.
    calls: BTreeMap<u64, Key>,
    /// Set aside until this uptime, for the sake of these budgets.
    parked: Option<(u64, usize)>,
}

#[derive(Clone, Debug, Default)]
struct Class {
    tag: u64,
    /// The tag of the lane being served.
    served: u64,
    /// Lanes with calls that are not parked, by tag.
    ready: BTreeSet<(u64, LaneId)>,
    /// Lanes without calls whose tags are still ahead of what is being served.
    idle: BTreeSet<(u64, LaneId)>,
}

impl Class {
    fn clear(&mut self) {
        (self.tag, self.served) = (0, 0);
        self.ready.clear();
        self.idle.clear();
    }
}

impl Order {
    pub(super) fn new() -> Self {
        Order {
            lanes: Slab::new(),
            of: HashMap::new(),
            classes: Default::default(),
            served: 0,
            weights: HashMap::new(),
            parked: BTreeSet::new(),
            parked_for: BTreeSet::new(),
            calls: 0,
        }
    }

    /// Gives a tenant `weight` parts where others have one.
    pub(super) fn weigh(&mut self, tenant: Tenant, weight: u64) {
        self.weights.insert(tenant, weight.max(1));
    }

    pub(super) fn len(&self) -> usize {
        self.calls
    }

    /// Puts a call in its tenant's lane, at the place of its arrival.
    pub(super) fn insert(&mut self, priority: Priority, tenant: Tenant, arrival: u64, key: Key) -> LaneId {
        let class = priority.class();
        let id = *self.of.entry((class, tenant)).or_insert_with(|| {
            self.lanes.insert(Lane { class, tenant, tag: 0, calls: BTreeMap::new(), parked: None })
        });
        if self.lanes[id].calls.first_key_value().is_some_and(|(&first, _)| arrival < first) {
            // It was set aside until that call could go: this one may go earlier.
            self.unpark(id);
        }
        let lane = &mut self.lanes[id];
        if lane.calls.is_empty() {
            let of = &mut self.classes[class];
            if of.ready.is_empty() {
                of.tag = of.tag.max(self.served);
            }
            of.idle.remove(&(lane.tag, id));
            lane.tag = lane.tag.max(of.served);
            of.ready.insert((lane.tag, id));
        }
        lane.calls.insert(arrival, key);
        self.calls += 1;
        id
    }

    /// Takes a call out of its lane.
    pub(super) fn remove(&mut self, id: LaneId, arrival: u64) {
        let lane = &mut self.lanes[id];
        let was_first = lane.calls.first_key_value().is_some_and(|(&first, _)| first == arrival);
        lane.calls.remove(&arrival);
        self.calls -= 1;
        let is_empty = lane.calls.is_empty();
        if was_first {
            // It was set aside until this call could go: the next one may go earlier.
            self.unpark(id);
        }
        if is_empty {
            let Lane { tag, class, .. } = self.lanes[id];
            self.classes[class].ready.remove(&(tag, id));
            self.classes[class].idle.insert((tag, id));
            self.forget_idle(class);
        }
    }

    /// The call whose turn it is; none if every lane is empty or parked.
    pub(super) fn next(&self) -> Option<(LaneId, Key)> {
        let ready = self.classes.iter().filter(|class| !class.ready.is_empty());
        let &(_, id) = ready.min_by_key(|class| class.tag)?.ready.first()?;
        let (_, &key) = self.lanes[id].calls.first_key_value()?;
        Some((id, key))
    }

    /// A call of this lane of the size `share` is served. `in_turn` unless it passes another.
    pub(super) fn serve(&mut self, id: LaneId, share: u64, in_turn: bool) {
        let lane = &mut self.lanes[id];
        let class = &mut self.classes[lane.class];
        if in_turn {
            self.served = self.served.max(class.tag);
            class.served = class.served.max(lane.tag);
        }
        let was = (lane.tag, id);
        lane.tag += (share / self.weights.get(&lane.tenant).copied().unwrap_or(1)).max(1);
        class.tag += (share / Priority::weight(lane.class)).max(1);
        if class.ready.remove(&was) {
            class.ready.insert((lane.tag, id));
        }
        let class = lane.class;
        self.forget_idle(class);
    }

    /// Sets a lane aside until `until`, or until something comes back to the budgets of `scope`.
    pub(super) fn park(&mut self, id: LaneId, until: u64, scope: usize) {
        let lane = &mut self.lanes[id];
        lane.parked = Some((until, scope));
        self.classes[lane.class].ready.remove(&(lane.tag, id));
        self.parked.insert((until, id));
        self.parked_for.insert((scope, id));
    }

    pub(super) fn is_parked(&self, priority: Priority, tenant: Tenant) -> bool {
        self.of.get(&(priority.class(), tenant)).is_some_and(|&id| self.lanes[id].parked.is_some())
    }

    /// Brings back the lanes whose time has come.
    pub(super) fn unpark_due(&mut self, uptime: u64) {
        while let Some(&(until, id)) = self.parked.first()
            && until <= uptime
        {
            self.unpark(id);
        }
    }

    /// Brings back the lanes that were set aside for the budgets of `scope`.
    pub(super) fn unpark_for(&mut self, scope: usize) {
        while let Some(&(_, id)) = self.parked_for.range((scope, 0)..=(scope, LaneId::MAX)).next() {
            self.unpark(id);
        }
    }

    /// Brings every lane back.
    pub(super) fn unpark_all(&mut self) {
        self.unpark_due(u64::MAX);
    }

    /// The uptime at which a parked lane comes back.
    pub(super) fn next_unpark(&self) -> Option<u64> {
        self.parked.first().map(|&(until, _)| until)
    }

    /// The first calls in the order in which they would be served, `most` at the most.
    pub(super) fn first(&self, most: usize, found: &mut Vec<Key>) {
        let lanes: usize = self.classes.iter().map(|class| class.ready.len()).sum();
        let of_each = (most / lanes.max(1)).max(1);
        let mut classes = self.classes.each_ref();
        classes.sort_by_key(|class| class.tag);
        for &(_, id) in classes.into_iter().flat_map(|class| &class.ready) {
            let room = most - found.len();
            if room == 0 {
                return;
            }
            found.extend(self.lanes[id].calls.values().take(of_each.min(room)));
        }
    }

    /// Whether all calls stand in one lane that is not parked.
    pub(super) fn is_one_line(&self) -> bool {
        let mut waiting = self.lanes.iter().filter(|(_, lane)| !lane.calls.is_empty());
        waiting.next().is_some_and(|(_, lane)| lane.parked.is_none()) && waiting.next().is_none()
    }

    /// How many calls of a lane arrived before.
    pub(super) fn before(&self, id: LaneId, arrival: u64) -> usize {
        self.lanes[id].calls.range(..arrival).count()
    }

    /// Every call in line, lane by lane.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.lanes.iter().flat_map(|(_, lane)| lane.calls.values().copied())
    }

    fn unpark(&mut self, id: LaneId) {
        let lane = &mut self.lanes[id];
        if let Some((until, scope)) = lane.parked.take() {
            self.parked.remove(&(until, id));
            self.parked_for.remove(&(scope, id));
            let class = &mut self.classes[lane.class];
            if class.ready.is_empty() {
                class.tag = class.tag.max(self.served);
            }
            lane.tag = lane.tag.max(class.served);
            class.ready.insert((lane.tag, id));
        }
    }

    /// Drops idle lanes that a newcomer would have no advantage over.
    fn forget_idle(&mut self, class: usize) {
        if self.calls == 0 {
            // Nobody waits: nobody is ahead of anybody.
            self.lanes.clear();
            self.of.clear();
            self.classes.iter_mut().for_each(Class::clear);
            self.served = 0;
            return;
        }
        let class = &mut self.classes[class];
        while let Some(&(tag, id)) = class.idle.first()
            && tag <= class.served
        {
            class.idle.pop_first();
            let lane = self.lanes.remove(id);
            self.of.remove(&(lane.class, lane.tenant));
        }
    }
}
