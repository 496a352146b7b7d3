//! From what was configured to gates, books and names.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::names::Names;
use super::{Builder, Group, Inner, Known, Limiter};
use crate::error::BuildError;
use crate::gate::Gate;
use crate::ledger::{BookId, Layout};
use crate::observe::Observers;
use crate::quota::{Limits, Waiting};

pub(super) fn model_scope(name: &str) -> String {
    format!("model {name}")
}

pub(super) fn group_scope(name: &str) -> String {
    format!("group {name}")
}

fn tenant_scope(name: &str, group: &str) -> String {
    format!("tenant {name} of group {group}")
}

/// How many events are kept for a listener that does not keep up.
const EVENTS: usize = 256;

/// What one gate is made of.
struct Draft {
    layout: Layout,
    models: Vec<(String, BookId)>,
}

pub(super) fn build(builder: Builder) -> Result<Limiter, BuildError> {
    let mut drafts = Vec::new();
    for (name, limits) in builder.models {
        let mut draft = Draft::new(builder.waiting);
        let scope = draft.scope(model_scope(&name), limits)?;
        draft.model(&name, vec![scope]);
        drafts.push(draft);
    }
    for (name, group) in builder.groups {
        drafts.push(Draft::of_group(&name, group, builder.waiting)?);
    }

    let (mut models, mut gates, mut scopes) = (Vec::new(), Vec::new(), HashMap::new());
    let (events, _) = broadcast::channel(EVENTS);
    let observers = Arc::<Observers>::default();
    for draft in drafts {
        let names: Vec<String> = draft.layout.scopes.iter().map(|(name, _)| name.clone()).collect();
        let gate = Gate::new(draft.layout, events.clone(), observers.clone());
        scopes.extend(names.into_iter().enumerate().map(|(i, name)| (name, (gate.clone(), i))));
        let known = |(name, book)| Known { name, gate: Arc::clone(&gate), book };
        models.extend(draft.models.into_iter().map(known));
        gates.push(gate);
    }

    let of: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let mut names = Names::default();
    for (index, model) in of.iter().enumerate() {
        names.add(model, index, &of)?;
    }
    for (alias, model) in builder.aliases {
        names.add(&alias, index_of(&alias, &model, &of)?, &of)?;
    }
    if let Some(model) = builder.fallback {
        names.fall_back(index_of("fallback", &model, &of)?);
    }
    let inner = Inner {
        models,
        names,
        gates,
        scopes,
        events,
        #[cfg(feature = "observe")]
        observers,
    };
    Ok(Limiter { inner: Arc::new(inner), calls: Arc::default() })
}

fn index_of(name: &str, model: &str, of: &[String]) -> Result<usize, BuildError> {
    let dangling = || BuildError::Dangling { name: name.to_owned(), model: model.to_owned() };
    of.iter().position(|known| known == model).ok_or_else(dangling)
}

impl Draft {
    fn new(waiting: Waiting) -> Draft {
        Draft { layout: Layout { waiting, ..Layout::default() }, models: Vec::new() }
    }

    fn of_group(name: &str, group: Group, waiting: Waiting) -> Result<Draft, BuildError> {
        let mut draft = Draft::new(waiting);
        draft.layout.weights = group.weights;
        let shared = draft.scope(group_scope(name), group.limits)?;
        for member in group.members {
            draft.model(&member, vec![shared]);
        }
        for (model, limits) in group.models {
            let own = draft.scope(model_scope(&model), limits)?;
            draft.model(&model, vec![own, shared]);
        }
        for (tenant, limits) in group.tenants {
            let own = draft.scope(tenant_scope(&tenant, name), limits)?;
            for (model, book) in draft.models.clone() {
                let mut scopes = draft.layout.scopes_of(book);
                scopes.push(own);
                let of_tenant = draft.layout.book(&model, scopes, Some(own));
                draft.layout.tenants.entry(book).or_default().insert(tenant.clone(), of_tenant);
            }
        }
        Ok(draft)
    }

    fn scope(&mut self, name: String, limits: Limits) -> Result<usize, BuildError> {
        match limits.validate() {
            Ok(()) => Ok(self.layout.scope(name, limits)),
            Err(source) => Err(BuildError::InvalidQuota { scope: name, source }),
        }
    }

    fn model(&mut self, name: &str, scopes: Vec<usize>) {
        let book = self.layout.book(name, scopes, None);
        self.models.push((name.to_owned(), book));
    }
}
