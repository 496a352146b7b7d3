//! Configuration from arbitrary text: it is refused or it works, and what works reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::{Builder, Cost};

fuzz_target!(|text: &str| {
    let Ok(builder) = toml::from_str::<Builder>(text) else { return };
    let json = serde_json::to_string(&builder).expect("a builder can always be written");
    assert_eq!(serde_json::from_str::<Builder>(&json).expect("and read back"), builder);
    if let Ok(limiter) = builder.build() {
        let _ = limiter.try_acquire("gpt-4o-mini", Cost::input(1_000).max_output(100));
    }
});
