//! One chat request, around reqwest: the README's example.

use serde_json::{Value, json};
use tollgate::{Limiter, Limits, Usage, Verdict, estimate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limiter = Limiter::builder()
        .model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000).tpd(2_000_000).concurrency(10))
        .build()?;
    let url = std::env::var("CHAT_URL")?; // such as https://api.openai.com/v1/chat/completions
    let key = std::env::var("OPENAI_API_KEY").unwrap_or_default();
    let request = json!({
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Name three rivers."}],
        "max_tokens": 50,
    });

    let cost = estimate::request(&request)?.cost(); // by the model's own encoding
    let permit = limiter.acquire("gpt-4o-mini", cost).await?; // waits until every budget can pay
    let response = reqwest::Client::new().post(url).bearer_auth(key).json(&request).send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    permit.observe(status, &headers); // what the provider says is left; feature `http`
    let body = response.bytes().await?;
    if let Some(verdict) = Verdict::of_answer(status, &headers, Some(&body)) {
        permit.refused(verdict).await; // shuts the budget for all until the provider's time
        return Err(verdict.to_string().into());
    }
    let answer: Value = serde_json::from_slice(&body)?;
    match Usage::of_answer(&answer) {
        Some(used) => permit.release(used).await, // the true price; the rest comes back
        None => drop(permit),                     // the estimate stays charged
    }

    println!("{}", answer["choices"][0]["message"]["content"]);
    Ok(())
}
