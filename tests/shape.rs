//! The shape of the library: what may cross threads, how large it is, which module uses which.

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::type_name;
use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use tollgate::{Acquire, AcquireAny, AcquireError, Builder, CallError, Charge, Cost, Group, Limiter, Limits};
use tollgate::{
    Family, Model, Observation, Permit, Quota, Reading, Retries, Settled, Snapshot, Story, Usage, Verdict,
};

/// Counts what each thread of a test holds, so that tests that run beside do not matter.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static COUNTS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn counts() -> bool {
    COUNTS.try_with(std::cell::Cell::get).unwrap_or(false)
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if counts() {
            HELD.fetch_add(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if counts() {
            HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn crosses_threads<T: Send + Sync + 'static>() {}

fn is_send<T: Send + 'static>(_: &T) {}

#[test]
fn everything_public_may_cross_threads() {
    crosses_threads::<Limiter>();
    crosses_threads::<Model>();
    crosses_threads::<Builder>();
    crosses_threads::<Group>();
    crosses_threads::<Limits>();
    crosses_threads::<Quota>();
    crosses_threads::<Acquire>();
    crosses_threads::<AcquireAny>();
    crosses_threads::<Permit>();
    crosses_threads::<Settled>();
    crosses_threads::<Snapshot>();
    crosses_threads::<AcquireError>();
    crosses_threads::<CallError<Usage, std::io::Error>>();
    crosses_threads::<(Retries, Story)>();
    crosses_threads::<(Charge, Cost, Usage, Verdict)>();
    crosses_threads::<(Family, Observation, Reading)>();
    #[cfg(feature = "json")]
    crosses_threads::<tollgate::Meter>();
    #[cfg(feature = "http-body")]
    crosses_threads::<tollgate::Metered<http_body_util::Full<bytes::Bytes>>>();
    #[cfg(feature = "reqwest")]
    crosses_threads::<tollgate::reqwest::TollgateMiddleware>();
    #[cfg(feature = "async-openai")]
    crosses_threads::<tollgate::async_openai::TollgateService>();
}

#[test]
fn a_call_in_one_go_may_be_spawned() {
    let limiter = Limiter::builder().model("m", Limits::new()).build().unwrap();
    is_send(&async move {
        let request = ("m", Cost::input(1));
        let sent = limiter.call(&request, |_| async { Ok::<_, std::io::Error>(Usage::new(1, 1)) });
        sent.await.is_ok()
    });
}

#[test]
fn types_have_short_names() {
    for name in [type_name::<Limiter>(), type_name::<Acquire>(), type_name::<Permit>(), type_name::<Model>()]
    {
        assert!(name.starts_with("tollgate::") && name.len() <= 36 && !name.contains('<'), "{name}");
    }
}

#[test]
fn futures_and_permits_are_small() {
    assert!(size_of::<Acquire>() <= 96, "{} bytes", size_of::<Acquire>());
    assert!(size_of::<Permit>() <= 112, "{} bytes", size_of::<Permit>());
    assert!(size_of::<AcquireError>() <= 64, "{} bytes", size_of::<AcquireError>());
    assert_eq!((size_of::<Limiter>(), size_of::<Settled>()), (16, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_waiting_calls_take_at_most_512_bytes_each() {
    const CALLS: usize = 100_000;
    for within in [None, Some(std::time::Duration::from_secs(1 << 30))] {
        let limits = Limits::new().rpm(60).tpm(10_000).tpd(1 << 30).concurrency(1);
        let limiter = Limiter::builder().model("m", limits).build().unwrap();
        let out = limiter.try_acquire("m", Cost::input(1)).unwrap();
        let acquire = || {
            let acquire = limiter.acquire("m", Cost::input(10));
            within.into_iter().fold(acquire, Acquire::within)
        };
        let mut calls: Vec<Acquire> = (0..CALLS).map(|_| acquire()).collect();
        COUNTS.set(true);
        let before = HELD.load(Ordering::Relaxed);
        for call in &mut calls {
            assert!(Pin::new(call).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let bytes = (HELD.load(Ordering::Relaxed) - before) / CALLS;
        COUNTS.set(false);
        println!("{bytes} bytes for each waiting call beside its {} of future", size_of::<Acquire>());
        assert!(bytes <= 512, "{bytes} bytes for each waiting call");
        assert_eq!(limiter.waiting(), CALLS);
        drop(calls);
        assert_eq!(limiter.waiting(), 0);
        drop(out);
    }
}

/// Modules from the first, which uses none of the others, to the last.
const LADDER: &[&str] = &[
    "sync",
    "quota",
    "time",
    "estimate",
    "provider",
    "retry",
    "error",
    "event",
    "bucket",
    "ledger",
    "queue",
    "observe",
    "gate",
    "permit",
    "limiter",
    "call",
    "stream",
    "body",
    "tower",
    "requests",
    "reqwest",
    "async_openai",
    "metrics",
    "tracing",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a source names as `crate::module`, but for its tests and its comments.
fn uses(text: &str) -> BTreeSet<String> {
    let own = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = own.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut all = BTreeSet::new();
    for line in lines {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            // A macro's `$crate` and another crate's path are no such thing.
            let named: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            all.insert(named);
        }
    }
    all
}

#[test]
fn a_module_uses_only_those_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let place = |module: &str| LADDER.iter().position(|known| *known == module);
    let mut seen = BTreeSet::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = Path::new(relative.iter().next().unwrap()).file_stem().unwrap().to_str().unwrap();
        if first == "lib" {
            continue;
        }
        let own = place(first).unwrap_or_else(|| panic!("{first}: not on the ladder"));
        seen.insert(own);
        for used in uses(&std::fs::read_to_string(&file).unwrap()) {
            let other = place(&used).unwrap_or_else(|| panic!("{}: crate::{used}", relative.display()));
            // The leaves do not use each other, but for the retries, which go by what the provider said.
            let leaves = ["estimate", "provider", "retry"];
            let of_leaf = leaves.contains(&first) && leaves.contains(&used.as_str()) && first != used;
            let by_verdict = first == "retry" && used == "provider";
            assert!(
                other <= own && (!of_leaf || by_verdict),
                "{}: uses {used}, which is below it",
                relative.display()
            );
        }
    }
    assert_eq!(seen.len(), LADDER.len(), "every module of the ladder is there");
}
