//! What an estimator remembers, learns and never holds up.
#![cfg(feature = "tiktoken")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, ThreadId};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tollgate::estimate::{self, Accuracy, Encoding, Estimator, Forecast, TokenCounter};
use tollgate::{Limiter, Limits, Usage};

/// Counts bytes, and notes what it was asked for and where.
#[derive(Clone, Default)]
struct Bytes(Arc<Noted>);

#[derive(Default)]
struct Noted {
    bytes: AtomicUsize,
    threads: Mutex<Vec<ThreadId>>,
    prepared: AtomicBool,
    prepares: AtomicUsize,
    starts_unprepared: bool,
}

impl TokenCounter for Bytes {
    fn count(&self, text: &str, _: Encoding) -> u64 {
        assert!(!text.contains("panic"), "as told");
        self.0.bytes.fetch_add(text.len(), SeqCst);
        self.0.threads.lock().push(thread::current().id());
        text.len() as u64
    }

    fn is_ready(&self, _: Encoding) -> bool {
        !self.0.starts_unprepared || self.0.prepared.load(SeqCst)
    }

    fn prepare(&self, _: Encoding) {
        self.0.threads.lock().push(thread::current().id());
        self.0.prepares.fetch_add(1, SeqCst);
        self.0.prepared.store(true, SeqCst);
    }
}

fn chat(model: &str, contents: &[String]) -> Value {
    let message = |content: &String| json!({ "role": "user", "content": content });
    let messages: Vec<Value> = contents.iter().map(message).collect();
    json!({ "model": model, "messages": messages, "max_tokens": 1_000 })
}

fn said(text: &str) -> Value {
    chat("gpt-4o", &[text.to_owned()])
}

#[tokio::test]
async fn a_growing_conversation_costs_the_counting_of_its_new_messages_only() {
    let counter = Bytes::default();
    let estimator = Estimator::builder().counter(counter.clone()).build();
    let mut messages = Vec::new();
    for turn in 0..50 {
        messages.push(format!("{turn}: {}", "word ".repeat(100)));
        estimator.request(&chat("gpt-4o", &messages)).await.unwrap();
    }
    let said: usize = messages.iter().map(String::len).sum();
    assert_eq!(counter.0.bytes.load(SeqCst), said + "user".len());
    let report = estimator.report();
    assert_eq!((report.cache_misses, report.cache_entries), (51, 51));
    assert_eq!(report.cache_hits, 2 * (1..=50).sum::<u64>() - 51);
}

#[tokio::test]
async fn texts_are_told_apart_by_their_encoding() {
    let estimator = Estimator::new();
    estimator.warm_up().await;
    for model in ["gpt-4", "gpt-4o", "gpt-4", "gpt-4o"] {
        let request = chat(model, &["你好，世界。今天天气很好。".to_owned()]);
        let estimate = estimator.request(&request).await.unwrap();
        assert_eq!(estimate, estimate::request(&request).unwrap(), "{model}");
    }
}

#[tokio::test]
async fn no_more_texts_are_remembered_than_told() {
    let estimator = Estimator::builder().counter(Bytes::default()).remembers(100).build();
    for text in 0..1_000 {
        estimator.request(&said(&text.to_string())).await.unwrap();
    }
    assert!(estimator.report().cache_entries <= 128, "{:?}", estimator.report());
}

#[tokio::test]
async fn until_the_vocabulary_is_built_an_estimate_says_that_it_is_approximate() {
    let counter = Bytes(Arc::new(Noted { starts_unprepared: true, ..Noted::default() }));
    let estimator = Estimator::builder().counter(counter.clone()).build();
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
    let first = estimator.request(&said(&text)).await.unwrap();
    assert_eq!(first.accuracy(), Accuracy::Approximate);
    assert!((80..130).contains(&first.cost().input_tokens()), "{first:?}");
    estimator.warm_up().await;
    let second = estimator.request(&said(&text)).await.unwrap();
    assert_eq!(second.accuracy(), Accuracy::Exact);
    assert_eq!(second.parts().text, text.len() as u64);
    let here = thread::current().id();
    assert!(counter.0.prepares.load(SeqCst) >= 1);
    assert_ne!(counter.0.threads.lock()[0], here, "built where the caller is");
}

#[tokio::test]
async fn long_and_hostile_texts_are_counted_on_another_thread() {
    let here = thread::current().id();
    let long = "word ".repeat(2_000);
    let hostile = "a".repeat(1_500);
    let many = vec!["word ".repeat(400); 6].iter().enumerate().map(|(i, it)| format!("{i}{it}")).collect();
    for (contents, elsewhere) in
        [(vec!["a short one".to_owned()], false), (vec![long], true), (vec![hostile], true), (many, true)]
    {
        let counter = Bytes::default();
        let estimator = Estimator::builder().counter(counter.clone()).build();
        let estimate = estimator.request(&chat("gpt-4o", &contents)).await.unwrap();
        assert_eq!(estimate.accuracy(), Accuracy::Exact);
        assert_eq!(estimate.parts().text, contents.iter().map(|it| it.len() as u64).sum::<u64>());
        for thread in counter.0.threads.lock().iter() {
            assert_eq!(*thread != here, elsewhere, "{} texts", contents.len());
        }
    }
}

#[tokio::test]
async fn beyond_the_bound_texts_are_sampled_to_within_a_tenth_and_stay_labelled() {
    let parts: Vec<String> = serde_json::from_str(include_str!("fixtures/corpus.json")).unwrap();
    let corpus = parts.concat();
    let prose = "It was the best of times; nobody, in 1859, said so twice. ".repeat(6_000);
    let json = r#"{"id":12345,"name":"Zoë","tags":["a","b"],"text":"値"},"#.repeat(6_000);
    let estimator = Estimator::builder().exact_up_to(64 * 1024).build();
    estimator.warm_up().await;
    for text in [corpus.repeat(8), prose, json] {
        let exact = estimate::text(&text, Encoding::O200kBase) as f64;
        for _ in 0..2 {
            let estimate = estimator.request(&said(&text)).await.unwrap();
            assert_eq!(estimate.accuracy(), Accuracy::Sampled);
            let error = estimate.parts().text as f64 / exact - 1.0;
            assert!(error.abs() < 0.1, "{error}");
        }
    }
    let small = estimator.request(&said("small")).await.unwrap();
    assert_eq!(small.accuracy(), Accuracy::Exact);
}

#[tokio::test]
async fn a_counter_that_panics_costs_the_exactness_of_that_request_only() {
    let estimator = Estimator::builder().counter(Bytes::default()).build();
    let long = format!("panic {}", "word ".repeat(2_000));
    let estimate = estimator.request(&said(&long)).await.unwrap();
    assert_eq!(estimate.accuracy(), Accuracy::Approximate);
    assert!((1_500..3_000).contains(&estimate.parts().text), "{estimate:?}");
    let next = estimator.request(&said(&"word ".repeat(2_000))).await.unwrap();
    assert_eq!((next.accuracy(), next.parts().text), (Accuracy::Exact, 10_000));
}

#[tokio::test]
async fn estimates_that_are_dropped_half_way_leave_the_others_alone() {
    let estimator = Estimator::builder().counter(Bytes::default()).build();
    for text in 0..100 {
        let long = format!("{text}{}", "word ".repeat(20_000));
        let request = said(&long);
        let _ = tokio::time::timeout(Duration::ZERO, estimator.request(&request)).await;
    }
    let request = said(&"word ".repeat(2_000));
    let last = estimator.request(&request);
    let last = tokio::time::timeout(Duration::from_secs(20), last).await.expect("stuck").unwrap();
    assert_eq!(last.parts().text, 10_000);
}

#[tokio::test]
async fn a_model_without_a_public_vocabulary_becomes_accurate_in_a_few_calls() {
    let estimator = Estimator::new();
    estimator.warm_up().await;
    for model in ["claude-sonnet-4-5", "gemini-2.5-pro", "qwen3-32b", "acme/llm-1"] {
        let request = chat(model, &["How do I sort a list of numbers in Rust? ".repeat(20)]);
        let truth = estimator.request(&request).await.unwrap().cost().input_tokens() * 14 / 10;
        for _ in 0..4 {
            let estimate = estimator.request(&request).await.unwrap();
            assert_eq!(estimate.accuracy(), Accuracy::Assumed);
            estimator.learn(&estimate, &Usage::new(truth, 100));
        }
        let learned = estimator.request(&request).await.unwrap();
        let error = learned.cost().input_tokens() as f64 / truth as f64 - 1.0;
        assert!(error.abs() < 0.03, "{model}: {error}");
        let report = &estimator.report().models[model];
        assert_eq!((report.corrected_by, report.answers), (4, 4));
        assert!((report.correction - learned.correction()).abs() < 1e-9);
    }
}

#[tokio::test]
async fn what_is_learned_of_texts_that_were_not_counted_corrects_no_count() {
    let estimator = Estimator::builder().exact_up_to(100).build();
    estimator.warm_up().await;
    let [short, long] = [1, 20]
        .map(|times| chat("claude-sonnet-4-5", &["How do I sort a list of numbers in Rust? ".repeat(times)]));
    for _ in 0..20 {
        let told = estimator.request(&long).await.unwrap();
        assert_eq!(told.accuracy(), Accuracy::Approximate);
        estimator.learn(&told, &Usage::new(2 * told.parts().tokens(), 100));
    }
    let told = estimator.request(&long).await.unwrap();
    assert!((1.9..=2.0).contains(&told.correction()), "{told:?}");
    let counted = estimator.request(&short).await.unwrap();
    assert_eq!((counted.accuracy(), counted.correction()), (Accuracy::Assumed, 1.0));
}

#[tokio::test]
async fn what_is_exact_is_never_corrected() {
    let estimator = Estimator::new();
    estimator.warm_up().await;
    let before = estimator.request(&said("hello world")).await.unwrap();
    for _ in 0..50 {
        estimator.learn(&before, &Usage::new(900, 10));
    }
    let after = estimator.request(&said("hello world")).await.unwrap();
    assert_eq!((after.cost().input_tokens(), after.correction()), (9, 1.0));
}

#[tokio::test]
async fn answers_are_forecast_by_model_and_key_and_never_above_the_cap() {
    let forecast = Forecast::Learned { percentile: 50 };
    let estimator = Estimator::builder().counter(Bytes::default()).forecast(forecast).build();
    let titles = estimator.key("titles");
    let request = said("hi");
    let cold = titles.request(&request).await.unwrap();
    assert_eq!(cold.cost().expected_output_tokens(), 1_000);
    for length in 0..100 {
        titles.learn(&cold, &Usage::new(8, 10 + length % 2));
    }
    let of_key = titles.request(&request).await.unwrap().cost();
    assert_eq!((of_key.expected_output_tokens(), of_key.max_output_tokens()), (10, 1_000));
    // A key of which nothing is known goes by all answers of the model; another model by its cap.
    let other = estimator.key("essays").request(&request).await.unwrap();
    assert_eq!(other.cost().expected_output_tokens(), 10);
    let model = chat("gpt-4.1", &["hi".to_owned()]);
    assert_eq!(estimator.request(&model).await.unwrap().cost().expected_output_tokens(), 1_000);
    let mut capped = said("hi");
    capped["max_tokens"] = json!(4);
    assert_eq!(titles.request(&capped).await.unwrap().cost().expected_output_tokens(), 4);
    let used = estimator.report().models["gpt-4o"].cap_used.unwrap();
    assert!((0.0100..0.0110).contains(&used), "{used}");
}

#[tokio::test]
async fn a_limiters_calls_teach_its_estimator() {
    let limiter = Limiter::builder().model("mistral-large", Limits::new().tpm(100_000)).build().unwrap();
    limiter.estimator().warm_up().await;
    let request = chat("mistral-large", &["Bonjour tout le monde. ".repeat(30)]);
    for _ in 0..5 {
        let answer = |_| async {
            Ok::<_, std::io::Error>(json!({ "usage": { "prompt_tokens": 400, "completion_tokens": 20 } }))
        };
        limiter.call(&request, answer).await.unwrap();
    }
    let report = &limiter.estimator().report().models["mistral-large"];
    assert_eq!((report.corrected_by, report.cap_used), (5, Some(0.02)));
    let learned = limiter.estimator().request(&request).await.unwrap().cost().input_tokens();
    assert!((380..=420).contains(&learned), "{learned}");
}

#[tokio::test]
async fn a_request_whose_history_the_provider_holds_teaches_nothing_about_others() {
    let estimator = Estimator::new();
    estimator.warm_up().await;
    let tool =
        json!({ "type": "function", "name": "now", "parameters": { "type": "object", "properties": {} } });
    let whole = json!({ "model": "gpt-4o", "input": "What time is it?", "tools": [tool] });
    let mut partial = whole.clone();
    partial["previous_response_id"] = json!("resp_1");
    let before = estimator.request(&whole).await.unwrap().cost();
    for _ in 0..10 {
        let estimate = estimator.request(&partial).await.unwrap();
        assert!(estimate.is_partial());
        estimator.learn(&estimate, &Usage::new(8_000, 10));
    }
    assert_eq!(estimator.request(&whole).await.unwrap().cost().input_tokens(), before.input_tokens());
}
