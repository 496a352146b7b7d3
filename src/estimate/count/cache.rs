use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use foldhash::quality::RandomState;
use quick_cache::sync::Cache;

use super::Encoding;

/// How many tokens a text is.
#[derive(Clone, Copy, Debug)]
pub(in crate::estimate) struct Count {
    pub(in crate::estimate) tokens: u64,
    /// Whether only windows of it were counted.
    pub(in crate::estimate) sampled: bool,
}

/// The counts of texts that were counted before.
///
/// A text is known by a hash of 64 bits, keyed for each cache, and its length: that two of a million
/// texts of one length are taken for one another has a probability of 3 in 100 million.
pub(in crate::estimate) struct Counts {
    hasher: RandomState,
    entries: usize,
    cache: OnceLock<Cache<Key, Count>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::estimate) struct Key {
    hash: u64,
    length: usize,
    encoding: Encoding,
}

impl Counts {
    /// Remembers about as many texts as `entries`.
    pub(in crate::estimate) fn new(entries: usize) -> Self {
        Counts {
            hasher: RandomState::default(),
            entries,
            cache: OnceLock::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    pub(in crate::estimate) fn key(&self, text: &str, encoding: Encoding) -> Key {
        Key { hash: self.hasher.hash_one(text.as_bytes()), length: text.len(), encoding }
    }

    pub(in crate::estimate) fn get(&self, key: &Key) -> Option<Count> {
        self.cache().get(key)
    }

    /// So many more texts were known, and so many were not.
    pub(in crate::estimate) fn looked_up(&self, hits: u64, misses: u64) {
        self.hits.fetch_add(hits, Relaxed);
        self.misses.fetch_add(misses, Relaxed);
    }

    pub(in crate::estimate) fn put(&self, key: Key, count: Count) {
        self.cache().insert(key, count);
    }

    pub(in crate::estimate) fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }

    pub(in crate::estimate) fn misses(&self) -> u64 {
        self.misses.load(Relaxed)
    }

    pub(in crate::estimate) fn len(&self) -> usize {
        self.cache.get().map_or(0, Cache::len)
    }

    /// Made when the first text is counted: it takes its memory at once.
    fn cache(&self) -> &Cache<Key, Count> {
        self.cache.get_or_init(|| Cache::new(self.entries))
    }
}
