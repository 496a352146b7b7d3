//! The budgets alone against the naive model: calls that do not wait, each answer, level and wait exactly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_model::Case;

fuzz_target!(|case: Case| {
    tollgate_model::exactly(&case);
});
