//! What is written down.

use crate::{MINUTE, SECOND, admitted, refused, request};
use std::time::Duration;
use tollgate_sim::{
    Budget, ChargeRule, Config, Decision, Faults, Latency, LawKind, Outcome, Provider, Request, StreamFault,
    StreamFaults,
};

#[test]
fn the_log_tells_every_decision_and_the_summary_adds_it_up() {
    let config = Config {
        rpm: Some(2),
        tpm: Some(50),
        law: LawKind::Fixed,
        charge: ChargeRule::RealUsage,
        ..Config::default()
    };
    let mut provider = Provider::new(config);
    let call = |id, input| Request { output_tokens: Some(5), ..request(id, input, 10) };
    let first = admitted(provider.decide(SECOND, &call(1, 10)));
    let second = admitted(provider.decide(2 * SECOND, &call(2, 20)));
    let _ = refused(provider.decide(3 * SECOND, &call(3, 1)));
    assert!(matches!(provider.decide(3 * SECOND, &call(4, 51)), Decision::TooLarge(_)));
    provider.finish(4 * SECOND, first.ticket);
    provider.finish(MINUTE, second.ticket);
    let third = admitted(provider.decide(MINUTE, &call(3, 30)));
    provider.finish(MINUTE + 1, third.ticket);

    let outcomes: Vec<Outcome> = provider.log().iter().map(|entry| entry.outcome).collect();
    let expected = [
        Outcome::Admitted,
        Outcome::Admitted,
        Outcome::Refused,
        Outcome::TooLarge,
        Outcome::Finished,
        Outcome::Finished,
        Outcome::Admitted,
        Outcome::Finished,
    ];
    assert_eq!(outcomes, expected);
    let summary = provider.summary();
    assert_eq!((summary.requests, summary.ok, summary.too_large), (5, 3, 1));
    assert_eq!(summary.refused.get(&Budget::Rpm), Some(&1));
    assert_eq!(summary.rejections(), 1);
    assert_eq!(summary.tokens_charged, 10 + 20 + 30 + 3 * 5);
    let windows: Vec<_> =
        summary.windows.iter().map(|window| (window.start, window.requests, window.tokens)).collect();
    assert_eq!(windows, [(0, 2, 35), (MINUTE, 1, 40)]);
    assert_eq!(summary.first_admission, Some(SECOND));
    assert_eq!(summary.last_admission, Some(MINUTE));
    assert_eq!(summary.max_in_flight, 2);
}

#[test]
fn the_log_tells_how_calls_ended_that_did_not_end_well() {
    for (charge, made) in [(ChargeRule::RealUsage, 15), (ChargeRule::InputOnly, 0)] {
        let stream_faults = StreamFaults { stream_errors: 1.0, ..StreamFaults::default() };
        let mut provider = Provider::new(Config { charge, stream_faults, ..Config::default() });
        let call = |id| Request { output_tokens: Some(20), ..request(id, 10, 50) };
        let first = admitted(provider.decide(0, &call(1)));
        let found = first.breaks.expect("all streams break");
        assert_eq!(found.fault, StreamFault::Error);
        assert!((1..=20).contains(&found.after));
        provider.break_off(1, first.ticket, 15, StreamFault::Error);
        let second = admitted(provider.decide(2, &call(2)));
        provider.break_off(3, second.ticket, 15, StreamFault::Cut);
        let third = admitted(provider.decide(4, &call(3)));
        let _fourth = admitted(provider.decide(4, &call(4)));
        provider.abandon(5, third.ticket, 15);
        let ends: Vec<_> =
            provider.log().iter().filter(|entry| entry.outcome.is_end()).map(|entry| entry.outcome).collect();
        let broken = Outcome::Broken;
        assert_eq!(ends, [broken(StreamFault::Error), broken(StreamFault::Cut), Outcome::Abandoned]);
        let summary = provider.summary();
        assert_eq!((summary.requests, summary.ok, summary.in_flight, summary.max_in_flight), (4, 4, 1, 2));
        assert_eq!((summary.stream_errors, summary.cut_streams, summary.abandoned), (1, 1, 1));
        assert_eq!(summary.tokens_charged, 4 * 10 + 3 * made, "{charge:?}");
    }
}

#[test]
fn a_call_that_fails_otherwise_has_no_stream_to_break() {
    let faults = Faults { server_errors: 1.0, ..Faults::default() };
    let stream_faults = StreamFaults { cut_streams: 1.0, ..StreamFaults::default() };
    let mut provider = Provider::new(Config { faults, stream_faults, ..Config::default() });
    assert_eq!(admitted(provider.decide(0, &request(1, 10, 50))).breaks, None);
}

#[test]
fn a_configuration_survives_json_with_spans_as_people_write_them() {
    let config = Config {
        rpm: Some(60),
        minute: Duration::from_millis(1_500),
        latency: Latency::constant(Duration::from_millis(250)),
        ..Config::default()
    };
    let text = serde_json::to_string(&config).expect("json");
    assert!(text.contains(r#""minute":"1s 500ms""#), "{text}");
    assert_eq!(serde_json::from_str::<Config>(&text).expect("a config"), config);
    let short: Config = serde_json::from_str(r#"{"tpm": 5, "day": "10s"}"#).expect("a config");
    assert_eq!((short.tpm, short.day), (Some(5), Duration::from_secs(10)));
}
