use serde::{Deserialize, Serialize};

/// How urgent a call is beside others that wait.
///
/// While calls of several classes wait, their classes are served in proportion to their weights, so that
/// none starves: [`High`](Priority::High) gets 16 parts, [`Normal`](Priority::Normal) 4 and
/// [`Low`](Priority::Low) 1. While all three wait, the lowest class so moves at a 21st of the
/// budget at least; a class with nothing waiting leaves its part to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for the answer.
    High,
    /// What is not said to be anything else.
    #[default]
    Normal,
    /// A job that may take its time.
    Low,
}

impl Priority {
    /// How many classes there are.
    pub(crate) const CLASSES: usize = 3;

    /// From 0, the most urgent first.
    pub(crate) fn class(self) -> usize {
        self as usize
    }

    /// The part of the budget of a class.
    pub(crate) const fn weight(class: usize) -> u64 {
        [16, 4, 1][class]
    }
}
