//! The cost of arbitrary JSON: told or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::estimate::{self, Encoding};

fuzz_target!(
    init: {
        // Made at the first use, which under a sanitizer takes longer than any input may.
        for encoding in [Encoding::O200kBase, Encoding::O200kHarmony, Encoding::Cl100kBase] {
            estimate::text("one", encoding);
        }
    },
    |json: &[u8]| {
        if let Ok(body) = serde_json::from_slice(json) {
            let _ = estimate::request(&body);
        }
    }
);
