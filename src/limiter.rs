//! The public handle.

mod acquire;
mod any;
mod blocking;
mod builder;
mod calls;
mod config;
mod events;
mod layout;
mod names;
mod observing;
mod presets;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::error::{AcquireError, BuildError, UnknownModel};
use crate::event::Event;
use crate::gate::{Eta, Gate};
use crate::ledger::{BookId, Request, Snapshot};
#[cfg(feature = "observe")]
use crate::observe::Observers;
use crate::permit::Permit;
use crate::quota::{Cost, Limits, Priority};

pub use acquire::Acquire;
pub use any::AcquireAny;
pub use builder::{Builder, Group};
pub use events::Events;

use calls::Calls;
use names::Names;

/// Admits calls to models as their budgets allow. Clones share the same budgets.
///
/// # Fairness
///
/// Calls are admitted in the order in which they were first polled, within each group of models and
/// each [`Priority`] and tenant; these share by weight. The call whose turn it is keeps its turn. A later one passes it only
/// where it does not delay it, but for the slack of [`Waiting`](crate::Waiting).
///
/// # Example: wait for leave, call, settle
///
/// ```
/// use tollgate::{Cost, Limiter, Limits, Usage};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::builder()
///     .model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000).concurrency(10))
///     .build()?;
///
/// let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
/// // ... send the request with any client, read the answer ...
/// permit.release(Usage::new(1_187, 212)).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Limiter {
    inner: Arc<Inner>,
    calls: Arc<Calls>,
}

struct Inner {
    models: Vec<Known>,
    names: Names,
    gates: Vec<Arc<Gate>>,
    events: broadcast::Sender<Event>,
    #[cfg(feature = "observe")]
    observers: Arc<Observers>,
    /// Where a scope's budgets are, by the scope's name.
    scopes: HashMap<String, (Arc<Gate>, usize)>,
}

/// A model that has limits.
struct Known {
    name: String,
    gate: Arc<Gate>,
    book: BookId,
}

impl Limiter {
    /// Starts with no model.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits until every budget of `model` can pay `cost`, and takes it from all in one step.
    ///
    /// Options are given before it is awaited: [`Acquire::within`], [`Acquire::tenant`]. Nothing
    /// happens before the first poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any time takes nothing: what it was granted in the meantime comes
    /// back whole. It loses its place in the queue.
    ///
    /// # Errors
    ///
    /// [`AcquireError::UnknownModel`], [`AcquireError::ExceedsQuota`] and [`AcquireError::PromptTooLong`] at once;
    /// [`AcquireError::NotYet`] only where a longest wait is set.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a tokio runtime whose time is enabled. Under another executor, have one entered
    /// (`tokio::runtime::Handle::enter`); without any, use [`Limiter::acquire_blocking`].
    pub fn acquire(&self, model: &str, cost: Cost) -> Acquire {
        match self.find(model) {
            Ok(known) => Acquire::new(known.gate.clone(), known.book, cost),
            Err(unknown) => Acquire::unknown(unknown),
        }
    }

    /// Takes `cost` from every budget of `model` if all can pay now and nobody waits.
    ///
    /// # Errors
    ///
    /// [`AcquireError::NotYet`] with the budget that cannot pay, what is left of it and the wait;
    /// [`AcquireError::ExceedsQuota`]; [`AcquireError::PromptTooLong`]; [`AcquireError::UnknownModel`]. Nothing was
    /// taken.
    pub fn try_acquire(&self, model: &str, cost: Cost) -> Result<Permit, AcquireError> {
        let known = self.find(model)?;
        Acquire::try_now(&known.gate, Request::new(known.book, cost))
    }

    /// Waits for whichever of `models` can start the call first.
    ///
    /// The call stands in the queue of each; when one admits it, it leaves the others and has
    /// taken nothing there.
    ///
    /// # Errors
    ///
    /// Only if no model can ever admit it: the error of the last. [`AcquireError::UnknownModel`] if none is
    /// named.
    ///
    /// # Example: the same prompt to whichever model is free
    ///
    /// ```
    /// # use tollgate::{Cost, Limiter, Limits, Usage};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::builder()
    ///     .model("gpt-4o", Limits::new().rpm(500))
    ///     .model("gpt-4.1", Limits::new().rpm(500))
    ///     .build()?;
    /// let (model, permit) = limiter.acquire_any(["gpt-4o", "gpt-4.1"], Cost::input(900)).await?;
    /// assert_eq!(model, "gpt-4o");
    /// # permit.release(Usage::new(900, 0)).await;
    /// # Ok(()) }
    /// ```
    pub fn acquire_any<N: Into<String>>(
        &self,
        models: impl IntoIterator<Item = N>,
        cost: Cost,
    ) -> AcquireAny {
        let candidate = |model: N| {
            let model = model.into();
            let acquire = self.acquire(&model, cost);
            (model, acquire)
        };
        let candidates: Vec<(String, Acquire)> = models.into_iter().map(candidate).collect();
        let none = || UnknownModel { model: "no model was named".to_owned(), known: self.inner.names.all() };
        let refused = candidates.is_empty().then(none);
        AcquireAny::new(candidates, refused.map(AcquireError::UnknownModel))
    }

    /// A handle to one model that skips the look-up of its name.
    ///
    /// # Errors
    ///
    /// If no limits are configured for it and there is no fallback.
    pub fn model(&self, model: &str) -> Result<Model, UnknownModel> {
        let known = self.find(model)?;
        let request = Request::new(known.book, Cost::default());
        Ok(Model { name: known.name.as_str().into(), gate: known.gate.clone(), request })
    }

    /// When a call that arrived now would start.
    ///
    /// # Errors
    ///
    /// If no limits are configured for the model and there is no fallback.
    pub fn eta(&self, model: &str, cost: Cost) -> Result<Eta, UnknownModel> {
        let known = self.find(model)?;
        Ok(known.gate.eta(&Request::new(known.book, cost), None))
    }

    /// What happens from now on that whoever runs the program may want to know: limits that the provider
    /// changed, budgets that it shut, an account that it stopped, a day's budget that is nearly used up.
    ///
    /// # Example: say it on the console
    ///
    /// ```
    /// # use tollgate::{Limiter, Limits};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
    /// let mut events = limiter.events();
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.next().await {
    ///         eprintln!("{event}");
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    pub fn events(&self) -> Events {
        Events::new(self.inner.events.subscribe())
    }

    /// Lets calls to a model be sent again, and to those that share its budgets, after the provider had
    /// said that it takes none from the account ([`AcquireError::Stopped`]), or had shut a budget for longer
    /// than is believed.
    ///
    /// # Errors
    ///
    /// If no limits are configured for the model and there is no fallback.
    pub fn resume(&self, model: &str) -> Result<(), UnknownModel> {
        self.find(model)?.gate.resume();
        Ok(())
    }

    /// How many calls wait, over all models.
    pub fn waiting(&self) -> usize {
        self.inner.gates.iter().map(|gate| gate.waiting()).sum()
    }

    /// Puts `limits` in the place of a model's own. What was used of a budget stays used, calls
    /// that wait are planned anew, calls that are out settle as before.
    ///
    /// # Errors
    ///
    /// If the model has no limits of its own (a member of a group shares the group's), or a quota
    /// cannot be kept; then nothing has changed.
    pub fn set_limits(&self, model: &str, limits: &Limits) -> Result<(), SetLimitsError> {
        let found = self.inner.names.find_configured(model);
        let Some(known) = found.map(|index| &self.inner.models[index]) else {
            return Err(self.unknown(model).into());
        };
        self.set_scope(layout::model_scope(&known.name), limits)
    }

    /// The same for the limits that the models of a group share.
    ///
    /// # Errors
    ///
    /// If there is no such group, or a quota cannot be kept; then nothing has changed.
    pub fn set_group_limits(&self, group: &str, limits: &Limits) -> Result<(), SetLimitsError> {
        self.set_scope(layout::group_scope(group), limits)
    }

    /// Changes the weight of a tenant in a group: see [`Group::weight`].
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub fn set_weight(&self, group: &str, tenant: &str, weight: u32) -> Result<(), SetLimitsError> {
        let scope = layout::group_scope(group);
        let Some((gate, _)) = self.inner.scopes.get(&scope) else {
            return Err(SetLimitsError::NoSuchScope { scope });
        };
        gate.set_weight(tenant, weight);
        Ok(())
    }

    fn set_scope(&self, scope: String, limits: &Limits) -> Result<(), SetLimitsError> {
        if let Err(source) = limits.validate() {
            return Err(SetLimitsError::Invalid(BuildError::InvalidQuota { scope, source }));
        }
        let Some((gate, index)) = self.inner.scopes.get(&scope) else {
            return Err(SetLimitsError::NoSuchScope { scope });
        };
        gate.set_limits(*index, limits);
        Ok(())
    }

    /// What was used of every budget: for a display, and for [`Limiter::restore`] after a restart.
    pub fn snapshot(&self) -> Snapshot {
        let scopes = self.inner.gates.iter().flat_map(|gate| gate.snapshot()).collect();
        Snapshot { version: Snapshot::VERSION, scopes }
    }

    /// Charges what a snapshot says was used to the budgets of the same scope, unit and period, so
    /// that a restart does not forget the day. What has flowed back since is taken into account.
    ///
    /// Call it once, on a new limiter. Gives the names of the scopes of the snapshot that this
    /// limiter does not have.
    ///
    /// # Errors
    ///
    /// If another version of the format wrote the snapshot; then nothing has changed.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<Vec<String>, UnknownSnapshot> {
        if snapshot.version != Snapshot::VERSION {
            return Err(UnknownSnapshot { version: snapshot.version });
        }
        let mut missing = Vec::new();
        for past in snapshot.scopes() {
            let found = self.inner.scopes.get(&past.name).is_some_and(|(gate, _)| gate.restore(past));
            if !found {
                missing.push(past.name.clone());
            }
        }
        Ok(missing)
    }

    fn find(&self, model: &str) -> Result<&Known, UnknownModel> {
        match self.inner.names.find(model) {
            Some(index) => Ok(&self.inner.models[index]),
            None => Err(self.unknown(model)),
        }
    }

    fn unknown(&self, model: &str) -> UnknownModel {
        UnknownModel { model: model.to_owned(), known: self.inner.names.all() }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("models", &self.inner.names.all()).finish_non_exhaustive()
    }
}

/// One model of a [`Limiter`], its name looked up once.
#[derive(Clone, Debug)]
pub struct Model {
    name: Arc<str>,
    gate: Arc<Gate>,
    /// What each of its calls is like, but for the cost.
    request: Request,
}

impl Model {
    /// The name or pattern under which its limits were given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As [`Limiter::acquire`].
    #[inline]
    pub fn acquire(&self, cost: Cost) -> Acquire {
        Acquire::like(self.gate.clone(), Request { cost, ..self.request })
    }

    /// The same model for the calls of a tenant: see [`Acquire::tenant`].
    pub fn tenant(mut self, tenant: &str) -> Model {
        self.request = self.gate.of_tenant(self.request, tenant);
        self
    }

    /// The same model for calls of another priority: see [`Acquire::priority`].
    pub fn priority(mut self, priority: Priority) -> Model {
        self.request.priority = priority;
        self
    }

    /// As [`Limiter::try_acquire`].
    ///
    /// # Errors
    ///
    /// As [`Limiter::try_acquire`], but for the model, which is known.
    #[inline]
    pub fn try_acquire(&self, cost: Cost) -> Result<Permit, AcquireError> {
        Acquire::try_now(&self.gate, Request { cost, ..self.request })
    }

    /// As [`Limiter::eta`].
    pub fn eta(&self, cost: Cost) -> Eta {
        self.gate.eta(&Request { cost, ..self.request }, None)
    }
}

/// Limits that could not be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetLimitsError {
    /// No limits are configured for the model.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// There is no such group, or the model shares its group's limits and has none of its own.
    #[error("{scope}: has no limits of its own")]
    NoSuchScope {
        /// `model gpt-4.1`, `group openai`.
        scope: String,
    },
    /// A quota that cannot be kept.
    #[error(transparent)]
    Invalid(BuildError),
}

/// A snapshot in a format that this version does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version: {version} is not the snapshot format {} that this version reads", Snapshot::VERSION)]
pub struct UnknownSnapshot {
    /// The version it says.
    pub version: u32,
}
