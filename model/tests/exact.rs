//! The budgets alone: every answer is the model's.

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_every_level_and_every_wait_is_what_the_contracts_say(case in tollgate_model::exact()) {
        tollgate_model::exactly(&case);
    }
}
