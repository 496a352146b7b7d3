//! What a call is charged whose answer flows by: whole, in pieces, cut, broken off, refused.
//!
//! The shapes of the answers are those of the providers' API references, read November 2026; the numbers are made up.
#![cfg(feature = "json")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tollgate::{AcquireError, Cost, Limiter, Limits, Meter, Permit, Quota, Unit, Usage, Verdict};

const M: &str = "gpt-4o-mini";
const TPM: i64 = 1_000_000;
const SLOTS: i64 = 4;
const COST: Cost = Cost::input(100).max_output(300);
const NO_FIELDS: [(&str, &str); 0] = [];

const CHAT: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Three rivers\"}}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\", a sea\"}}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":97,\"completion_tokens\":7,\"total_tokens\":104}}\n\n",
    "data: [DONE]\n\n",
);

const MESSAGES: &str = concat!(
    "event: message_start\n",
    "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":40,",
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":50,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_start\n",
    "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Three rivers\"}}\n\n",
    "event: content_block_delta\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\", a sea\"}}\n\n",
    "event: message_delta\n",
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},",
    "\"usage\":{\"output_tokens\":9}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const RESPONSES: &str = concat!(
    "event: response.created\n",
    "data: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\",\"error\":null,\"usage\":null}}\n\n",
    "event: response.output_text.delta\n",
    "data: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"delta\":\"Three rivers\",\"obfuscation\":\"Kx2\"}\n\n",
    "event: response.output_text.done\n",
    "data: {\"type\":\"response.output_text.done\",\"item_id\":\"msg_1\",\"text\":\"Three rivers\"}\n\n",
    "event: response.completed\n",
    "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"error\":null,\"output\":[],",
    "\"usage\":{\"input_tokens\":95,\"input_tokens_details\":{\"cached_tokens\":64},\"output_tokens\":5}}}\n\n",
);

fn limiter() -> Limiter {
    // A sliding window gives nothing back while the clock stands.
    let tokens = Quota::sliding(Unit::Tokens, TPM as u64, Duration::from_secs(60));
    let limits = Limits::new().with(tokens).concurrency(SLOTS as u64);
    Limiter::builder().model(M, limits).build().unwrap()
}

fn permit(limiter: &Limiter) -> Permit {
    limiter.try_acquire(M, COST).unwrap()
}

/// What the books hold against the calls, and how many are out.
fn charged(limiter: &Limiter) -> (i64, i64) {
    let snapshot = limiter.snapshot();
    let budgets = &snapshot.scopes()[0].budgets;
    let left = |unit| budgets.iter().find(|budget| budget.quota.unit() == unit).unwrap().remaining;
    (TPM - left(Unit::Tokens), SLOTS - left(Unit::InFlight))
}

/// What a call is charged whose answer begins with `seen`; `ends` is whether that is all of it.
fn charge_of(seen: &str, ends: bool) -> i64 {
    charge_in([seen.as_bytes()], ends)
}

fn charge_in<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, ends: bool) -> i64 {
    let limiter = limiter();
    let mut meter = Meter::new(permit(&limiter), 200_u16, &NO_FIELDS);
    assert_eq!(charged(&limiter), (400, 1));
    chunks.into_iter().for_each(|chunk| meter.see(chunk));
    if ends {
        meter.finish();
    } else {
        drop(meter);
    }
    let (tokens, out) = charged(&limiter);
    assert_eq!(out, 0, "the slot is free");
    tokens
}

/// All of a stream before `mark`.
fn before<'a>(stream: &'a str, mark: &str) -> &'a str {
    &stream[..stream.find(mark).unwrap()]
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_is_charged_what_its_provider_counted() {
    assert_eq!(charge_of(CHAT, true), 97 + 7);
    assert_eq!(charge_of(MESSAGES, true), 40 + 50 + 9);
    assert_eq!(charge_of(RESPONSES, true), 95 + 5);
    let gemini = "data: {\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":90,\"candidatesTokenCount\":4}}\r\n\r\n";
    assert_eq!(charge_of(gemini, true), 94);
    let cohere = "data: {\"type\":\"message-end\",\"delta\":{\"usage\":{\"tokens\":{\"input_tokens\":80,\"output_tokens\":6}}}}\n\n";
    assert_eq!(charge_of(cohere, true), 86);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_after_the_usage_pays_what_was_counted_too() {
    assert_eq!(charge_of(before(CHAT, "data: [DONE]"), false), 97 + 7);
    assert_eq!(charge_of(before(MESSAGES, "event: message_stop"), false), 40 + 50 + 9);
}

#[tokio::test(start_paused = true)]
async fn of_a_stream_that_is_cut_what_came_is_charged_at_a_token_for_two_bytes() {
    // "Three rivers" and ", a sea" have 19 bytes.
    assert_eq!(charge_of(before(CHAT, "data: {\"choices\":[],"), false), 100 + 10);
    assert_eq!(charge_of(before(MESSAGES, "event: message_delta"), false), 40 + 50 + 1 + 10);
    assert_eq!(charge_of(before(RESPONSES, "event: response.output_text.done"), false), 100 + 6);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_usage_was_not_asked_for_is_charged_what_came() {
    let told = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":97,\"completion_tokens\":7,\"total_tokens\":104}}\n\n";
    assert_eq!(charge_of(&CHAT.replace(told, ""), true), 100 + 10);
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_costs_no_more_than_it_may_hold_and_no_less_than_a_token_for_each_piece() {
    let piece = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    assert_eq!(charge_of(&piece(&"word ".repeat(1_000)), false), 100 + 300);
    assert_eq!(charge_of(&piece("a").repeat(250), false), 100 + 250);
    assert_eq!(charge_of(&piece("a").repeat(310), false), 100 + 310);
    // Arguments of tools are written; ids and roles are not.
    let call = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"call_123\",\
                \"type\":\"function\",\"function\":{\"name\":\"find\",\"arguments\":\"{}\"}}]}}]}\n\n";
    assert_eq!(charge_of(call, false), 100 + 3);
}

#[tokio::test(start_paused = true)]
async fn counts_that_come_with_every_chunk_are_taken_as_they_run() {
    let chunk = |output: u64| {
        let usage = format!("{{\"prompt_tokens\":90,\"completion_tokens\":{output}}}");
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"four words of text\"}}}}],\"usage\":{usage}}}\n\n"
        )
    };
    let stream = chunk(4) + &chunk(8) + &chunk(12);
    assert_eq!(charge_of(&stream, false), 90 + 12);
    assert_eq!(charge_of(&stream, true), 90 + 12);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_tells_the_prompt_last_is_believed_last() {
    let relayed = MESSAGES
        .replace("\"input_tokens\":40", "\"input_tokens\":0")
        .replace("\"cache_read_input_tokens\":50", "\"cache_read_input_tokens\":0");
    assert_eq!(charge_of(before(&relayed, "event: message_delta"), false), 100 + 1 + 10, "as reserved");
    let last = relayed
        .replace("\"usage\":{\"output_tokens\":9}", "\"usage\":{\"input_tokens\":88,\"output_tokens\":9}");
    assert_eq!(charge_of(&last, true), 88 + 9);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_of_the_answer_came_what_was_reserved_stays_charged() {
    for (seen, ends) in
        [("", true), ("", false), (" \n", true), (": waiting\n\n", false), ("data: [DONE]\n\n", true)]
    {
        assert_eq!(charge_of(seen, ends), 400, "{seen:?}");
    }
    assert_eq!(charge_of("<html>Bad gateway</html>", true), 400);
    assert_eq!(charge_of("{\"choices\": [{\"message\": {\"content\": \"Thr", false), 400);
}

#[tokio::test(start_paused = true)]
async fn a_compressed_answer_that_nobody_unpacked_is_not_read() {
    let limiter = limiter();
    let mut meter = Meter::new(permit(&limiter), 200_u16, &[("Content-Encoding", "gzip")]);
    meter.see(CHAT.as_bytes());
    assert_eq!(meter.finish(), None);
    assert_eq!(charged(&limiter), (400, 0));
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_charged_what_it_says() {
    let answer = "{\"choices\":[{\"message\":{\"content\":\"data: {}\"}}],\"usage\":{\"prompt_tokens\":97,\"completion_tokens\":7}}";
    assert_eq!(charge_of(answer, true), 104);
    assert_eq!(charge_of(&format!("\n\n  {answer}\n"), true), 104);
    assert_eq!(charge_of(answer, false), 104, "complete, though nobody said so");
}

#[tokio::test(start_paused = true)]
async fn the_usage_of_an_answer_that_is_too_long_to_be_held_is_read_from_its_end() {
    let vector = vec!["-0.0123456789"; 100_000].join(",");
    let embedding = format!(
        "{{\"object\":\"list\",\"data\":[{{\"embedding\":[{vector}]}}],\"model\":\"m\",\
         \"usage\":{{\"prompt_tokens\":42,\"total_tokens\":42}}}}\n"
    );
    assert_eq!(charge_in(embedding.as_bytes().chunks(8_192), true), 42);
    assert_eq!(charge_of(&embedding, true), 42);

    let text = "\\\"usage\\\":{\\\"input_tokens\\\":1} ".repeat(20_000);
    let completed = format!(
        "data: {{\"type\":\"response.completed\",\"response\":{{\"output\":[\"{text}\"],\
         \"usage\":{{\"input_tokens\":95,\"output_tokens\":5}},\"user\":null,\"metadata\":{{}}}}}}\n\n"
    );
    assert_eq!(charge_in(completed.as_bytes().chunks(1_000), true), 100);
    // What follows a long event is read as before.
    assert_eq!(charge_of(&(completed + CHAT), true), 104);
}

#[tokio::test(start_paused = true)]
async fn an_error_before_anything_of_the_answer_costs_no_tokens_and_shuts_the_budget() {
    for error in [
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        "data: {\"error\":{\"code\":429,\"message\":\"Rate limit exceeded\"}}\n\n",
        "{\"error\":{\"code\":429,\"message\":\"Rate limit exceeded\"}}",
    ] {
        assert_eq!(charge_of(error, true), 0, "{error}");
        let limiter = limiter();
        let mut meter = Meter::new(permit(&limiter), 200_u16, &NO_FIELDS);
        meter.see(error.as_bytes());
        assert_eq!(meter.finish(), None);
        let next = limiter.try_acquire(M, COST).unwrap_err();
        let AcquireError::NotYet(why) = next else { panic!("{next}") };
        assert!(why.blocking.unwrap().closed, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_middle_costs_what_came_and_shuts_the_budget() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    for ends in [true, false] {
        let limiter = limiter();
        let mut meter = Meter::new(permit(&limiter), 200_u16, &NO_FIELDS);
        meter.see(before(MESSAGES, "event: message_delta").as_bytes());
        assert_eq!(meter.verdict(), None);
        meter.see(error.as_bytes());
        assert_eq!(meter.verdict(), Some(Verdict::overloaded(None)));
        if ends {
            assert_eq!(meter.finish(), Some(Usage::new(90, 11).cached_input(50)));
        } else {
            drop(meter);
        }
        assert_eq!(charged(&limiter), (40 + 50 + 1 + 10, 0));
        let next = limiter.try_acquire(M, COST).unwrap_err();
        let AcquireError::NotYet(why) = next else { panic!("{next}") };
        assert!(why.blocking.unwrap().closed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_stopped_in_the_middle_of_a_stream_sends_nothing_more() {
    let limiter = limiter();
    let mut meter = Meter::new(permit(&limiter), 200_u16, &NO_FIELDS);
    meter.see(
        b"data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"x\"}}}\n\n",
    );
    drop(meter);
    assert!(matches!(limiter.try_acquire(M, COST), Err(AcquireError::Stopped(_))));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_judged_by_its_body_and_by_its_head_where_nobody_reads_it() {
    let body =
        b"{\"error\":{\"type\":\"insufficient_quota\",\"message\":\"You exceeded your current quota\"}}";
    let fields = [("retry-after", "22")];
    for ends in [true, false] {
        let limiter = limiter();
        let mut meter = Meter::new(permit(&limiter), 429_u16, &fields);
        body.chunks(7).for_each(|chunk| meter.see(chunk));
        if ends {
            assert_eq!(meter.finish(), None);
        } else {
            drop(meter);
        }
        assert!(matches!(limiter.try_acquire(M, COST), Err(AcquireError::Stopped(_))));
        assert_eq!(charged(&limiter), (0, 0));
    }
    let limiter = limiter();
    drop(Meter::new(permit(&limiter), 429_u16, &fields));
    assert_eq!(charged(&limiter), (0, 0));
    let next = limiter.try_acquire(M, COST).unwrap_err();
    let AcquireError::NotYet(why) = next else { panic!("{next}") };
    assert_eq!(why.blocking.unwrap().wait.unwrap().as_secs(), 22);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_stream_is_read_ends_its_permit() {
    let limiter = limiter();
    let mut meter = Meter::new(permit(&limiter), 200_u16, &NO_FIELDS);
    meter.see(before(CHAT, "data: {\"choices\":[],").as_bytes());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _meter = meter;
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(charged(&limiter), (110, 0));
}

#[tokio::test(start_paused = true)]
async fn who_listens_hears_what_the_provider_counted_and_no_guess() {
    let heard = |stream: &str, ends: bool| {
        let (limiter, all) = (limiter(), Arc::new(Mutex::new(Vec::new())));
        let hears = all.clone();
        let mut meter = Meter::new(permit(&limiter), 200_u16, &NO_FIELDS)
            .on_usage(move |usage| hears.lock().unwrap().push(*usage));
        meter.see(stream.as_bytes());
        if ends {
            meter.finish();
        } else {
            drop(meter);
        }
        Arc::try_unwrap(all).unwrap().into_inner().unwrap()
    };
    assert_eq!(heard(CHAT, true), [Usage::new(97, 7)]);
    assert_eq!(heard(MESSAGES, true), [Usage::new(90, 9).cached_input(50)]);
    assert_eq!(heard(before(MESSAGES, "event: message_delta"), false), []);
    assert_eq!(heard(before(CHAT, "data: {\"choices\":[],"), false), []);
}

proptest! {
    #[test]
    fn any_split_of_an_answer_and_any_end_costs_the_same(
        which in 0..4_usize,
        end in any::<prop::sample::Index>(),
        ends in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let plain = "{\"choices\":[],\"usage\":{\"prompt_tokens\":97,\"completion_tokens\":7}}";
        let stream = [CHAT, MESSAGES, RESPONSES, plain][which].as_bytes();
        let seen = &stream[..end.index(stream.len() + 1)];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(seen.len() + 1)).collect();
        cuts.extend([0, seen.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|ends| &seen[ends[0]..ends[1]]);
        let charge = charge_in([seen], ends);
        prop_assert_eq!(charge_in(pieces, ends), charge);
        prop_assert!(charge <= 400, "{} is more than was reserved", charge);
    }
}
