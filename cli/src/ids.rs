//! Which custom_ids were there already.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// A set of custom_ids that holds 16 bytes for each, whatever their length. Two that share a hash of 128
/// bits would be taken for one: with a million of them, the chance is one in 10^26.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    hashers: [RandomState; 2],
    held: HashSet<[u64; 2]>,
}

impl Ids {
    /// Says whether it is new.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        self.held.insert(self.hashed(id))
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.held.contains(&self.hashed(id))
    }

    fn hashed(&self, id: &str) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(id))
    }
}
