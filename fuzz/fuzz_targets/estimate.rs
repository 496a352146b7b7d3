//! The cost of arbitrary JSON: told or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    if let Ok(body) = serde_json::from_slice(json) {
        let _ = tollgate::estimate::request(&body);
    }
});
