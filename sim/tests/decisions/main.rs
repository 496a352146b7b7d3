//! What the provider lets in, charges and writes down.

mod charges;
mod edges;
mod laws;
mod record;

use tollgate_sim::{Admission, Decision, Refusal, Request};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 86_400 * SECOND;

fn request(id: u64, input_tokens: u64, max_output_tokens: u64) -> Request {
    Request { id, input_tokens, max_output_tokens: Some(max_output_tokens), output_tokens: None }
}

fn admitted(decision: Decision) -> Admission {
    match decision {
        Decision::Admitted(admission) => admission,
        other => panic!("not let in: {other:?}"),
    }
}

fn refused(decision: Decision) -> Refusal {
    match decision {
        Decision::Refused(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}
