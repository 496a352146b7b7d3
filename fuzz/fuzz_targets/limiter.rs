//! The whole limiter against the naive model: whatever happens, in any order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_model::Case;

fuzz_target!(|case: Case| {
    tollgate_model::broadly(&case);
});
