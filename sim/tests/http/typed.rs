//! Every answer can be read with the types of a client library that people use.

use crate::{config, events, hello, post, start};
use async_openai::types::chat::{CreateChatCompletionResponse, CreateChatCompletionStreamResponse};
use async_openai::types::embeddings::CreateEmbeddingResponse;
use async_openai::types::responses::{Response, ResponseStreamEvent, Status};
use serde_json::json;
use tollgate_sim::{Config, OutputShare, StreamFaults};

#[tokio::test]
async fn chat_answers_can_be_read() {
    let server = start(config()).await;
    let path = "/v1/chat/completions";
    let whole: CreateChatCompletionResponse =
        post(&server, path, &hello(json!({}))).await.json().await.unwrap();
    assert_eq!(whole.usage.unwrap().prompt_tokens, 9);
    for include_usage in [false, true] {
        let options = json!({ "stream": true, "stream_options": { "include_usage": include_usage } });
        let text = post(&server, path, &hello(options)).await.text().await.unwrap();
        let mut events = events(&text);
        assert_eq!(events.pop().unwrap().1, "[DONE]");
        let chunks: Vec<CreateChatCompletionStreamResponse> =
            events.into_iter().map(|(_, data)| serde_json::from_value(data).unwrap()).collect();
        let with_usage: Vec<_> = chunks.iter().filter(|chunk| chunk.usage.is_some()).collect();
        assert_eq!(with_usage.len(), usize::from(include_usage));
        assert!(with_usage.iter().all(|chunk| chunk.choices.is_empty()));
        let finished =
            chunks.iter().flat_map(|chunk| &chunk.choices).filter_map(|choice| choice.finish_reason);
        assert_eq!(finished.count(), 1);
    }
}

#[tokio::test]
async fn embeddings_can_be_read() {
    let server = start(config()).await;
    let body = json!({ "model": "text-embedding-3-small", "input": ["Hello world", "Hello"] });
    let answer: CreateEmbeddingResponse = post(&server, "/v1/embeddings", &body).await.json().await.unwrap();
    assert_eq!((answer.data.len(), answer.usage.total_tokens), (2, 3));
}

#[tokio::test]
async fn responses_and_all_of_their_events_can_be_read() {
    let ask =
        |stream| json!({ "model": "gpt-4o", "input": "Hello", "max_output_tokens": 9, "stream": stream });
    for (share, errors, status) in
        [(0.5, 0.0, Status::Completed), (1.0, 0.0, Status::Incomplete), (1.0, 1.0, Status::Failed)]
    {
        let stream_faults = StreamFaults { stream_errors: errors, ..StreamFaults::default() };
        let output = OutputShare { from: share, to: share };
        let server = start(Config { output, stream_faults, ..config() }).await;
        let whole: Response = post(&server, "/v1/responses", &ask(false)).await.json().await.unwrap();
        assert_eq!(whole.usage.unwrap().input_tokens, 8);
        let text = post(&server, "/v1/responses", &ask(true)).await.text().await.unwrap();
        let events: Vec<ResponseStreamEvent> =
            events(&text).into_iter().map(|(_, data)| serde_json::from_value(data).unwrap()).collect();
        let end = match events.last().unwrap() {
            ResponseStreamEvent::ResponseCompleted(event) => &event.response,
            ResponseStreamEvent::ResponseIncomplete(event) => &event.response,
            ResponseStreamEvent::ResponseFailed(event) => &event.response,
            other => panic!("no end: {other:?}"),
        };
        assert_eq!(end.status, status);
        assert_eq!(end.usage.is_some(), status != Status::Failed);
    }
}
