//! Everything at once: waiting, passing, lapsing, observing, refusing, changing limits.

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn the_contracts_hold_whatever_happens(case in tollgate_model::everything()) {
        tollgate_model::broadly(&case);
    }
}
