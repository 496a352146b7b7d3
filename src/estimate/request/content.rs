//! What a message holds: text, pictures, sound, documents, in the forms of all APIs.
//!
//! Bytes in base64 are never counted as the text that they are in JSON: 100 kB of picture would be
//! 90,000 tokens instead of 765.

use serde_json::{Map, Value};

use super::encoded::Encoded;
use super::images::{self, Detail, Rule, Size};
use super::prompt::{Part, Prompt};

/// Bytes of a PDF's page, of which the number cannot be told without unpacking it, and the most pages
/// that the APIs take.
const BYTES_OF_PAGE: u64 = 50_000;
const MOST_PAGES: u64 = 100;
/// A text file up to this many bytes is counted exactly; beyond, every 4 bytes are a token.
const LARGEST_TEXT: u64 = 1 << 20;
/// Strings from this length on that are nothing but base64 are no text.
const SHORTEST_ENCODED: usize = 256;

/// A message's content: a string, or parts.
pub(super) fn read<'a>(value: &'a Value, rule: Rule, prompt: &mut Prompt<'a>) {
    match value {
        Value::Null => {}
        Value::String(it) => prompt.text(Part::Text, it),
        Value::Array(parts) => parts.iter().for_each(|value| part(value, rule, prompt)),
        Value::Object(_) => part(value, rule, prompt),
        other => prompt.text(Part::Text, other.to_string()),
    }
}

/// One part of it.
pub(super) fn part<'a>(value: &'a Value, rule: Rule, prompt: &mut Prompt<'a>) {
    let Value::Object(fields) = value else { return read(value, rule, prompt) };
    let string = |field| fields.get(field).and_then(Value::as_str);
    match string("type").unwrap_or_default() {
        "image_url" | "input_image" | "image" | "computer_screenshot" => {
            return picture(fields, rule, prompt);
        }
        "input_audio" | "audio" => return sound(fields, rule, prompt),
        "file" | "input_file" | "document" => return file(fields, rule, prompt),
        _ => {}
    }
    let text = ["text", "refusal", "thinking"].into_iter().find_map(string);
    match (text, fields.get("content").or_else(|| fields.get("output"))) {
        (Some(text), _) => prompt.text(Part::Text, text),
        // The result of a tool.
        (None, Some(content)) => read(content, rule, prompt),
        (None, None) => json(Part::Files, value, rule, prompt),
    }
}

/// Anything else that the model is given as JSON.
pub(super) fn json<'a>(part: Part, value: &'a Value, rule: Rule, prompt: &mut Prompt<'a>) {
    let mut encoded = 0;
    let readable = without_encoded(value, &mut encoded);
    prompt.text(part, readable.to_string());
    prompt.add(Part::Files, rule.page().saturating_mul(encoded));
}

/// `value` but for its strings of base64, which are counted.
fn without_encoded(value: &Value, encoded: &mut i64) -> Value {
    match value {
        Value::String(it) if is_encoded(it) => {
            *encoded += 1;
            Value::Null
        }
        Value::Array(items) => items.iter().map(|item| without_encoded(item, encoded)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields.map(|(name, value)| (name.clone(), without_encoded(value, encoded))).collect()
        }
        other => other.clone(),
    }
}

/// No language writes so much without a blank, a comma, or a letter beyond ASCII.
fn is_encoded(text: &str) -> bool {
    let is_digit =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let data = Encoded::of_url(text).is_some();
    data || (text.len() >= SHORTEST_ENCODED && text.bytes().take(SHORTEST_ENCODED).all(is_digit))
}

/// OpenAI's `image_url` (a string or an object) and Anthropic's `source`.
fn picture(fields: &Map<String, Value>, rule: Rule, prompt: &mut Prompt<'_>) {
    let inner = fields.get("image_url").or_else(|| fields.get("source"));
    let field = |name| inner.and_then(|it| it.get(name)).or_else(|| fields.get(name));
    let url = inner.and_then(Value::as_str).or_else(|| field("url").and_then(Value::as_str));
    let encoded = url.and_then(Encoded::of_url).or_else(|| source(fields).map(|(encoded, _)| encoded));
    let number = |name| field(name).and_then(Value::as_u64);
    let said = || Size::new(number("width")?, number("height")?);
    let size = encoded.and_then(images::size_of).or_else(said);
    prompt.add(Part::Images, rule.tokens(size, Detail::of(field("detail"))));
}

/// Anthropic's `source` of a picture or a document where it is in the request, and whether it is plain
/// text.
fn source(fields: &Map<String, Value>) -> Option<(Encoded<'_>, bool)> {
    let source = fields.get("source")?;
    let string = |field| source.get(field).and_then(Value::as_str);
    let encoded = Encoded::new(string("media_type").unwrap_or_default(), string("data")?);
    Some((encoded, string("type") == Some("text")))
}

/// OpenAI's `input_audio`. Where there are no data (an earlier answer, by its id), a minute is assumed.
fn sound(fields: &Map<String, Value>, rule: Rule, prompt: &mut Prompt<'_>) {
    let inner = fields.get("input_audio").or_else(|| fields.get("audio"));
    let string = |name| inner.and_then(|it| it.get(name)).and_then(Value::as_str);
    let data = string("data").map(|data| Encoded::of_url(data).unwrap_or(Encoded::new("", data)));
    let seconds = data.map_or(60, |data| seconds(data, string("format").unwrap_or(data.media)));
    prompt.add(Part::Files, seconds.saturating_mul(rule.second_of_sound()) as i64);
}

/// How long a sound lasts, by its length: a WAV says how many bytes a second takes; raw samples are
/// 24,000 a second of 16 bits, telephone codecs 8,000 bytes; compressed sound is taken for 128 kbit/s.
pub(super) fn seconds(sound: Encoded<'_>, format: &str) -> u64 {
    let start = sound.start(44);
    let said = start.get(28..32).filter(|_| start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WAVE"));
    let said = said.map(|rate| rate.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    let rate = match said.filter(|rate| (1_000..10_000_000).contains(rate)) {
        Some(rate) => rate,
        None if format.contains("pcm") || format.contains("wav") => 48_000,
        None if format.contains("g711") => 8_000,
        None => 16_000,
    };
    sound.bytes().div_ceil(rate)
}

/// OpenAI's `file` and `input_file`, Anthropic's `document`. One that is not in the request counts as a
/// PDF of one page.
fn file<'a>(fields: &'a Map<String, Value>, rule: Rule, prompt: &mut Prompt<'a>) {
    let inner = fields.get("file").and_then(Value::as_object).unwrap_or(fields);
    let string = |name| inner.get(name).and_then(Value::as_str);
    ["title", "context"].into_iter().filter_map(string).for_each(|it| prompt.text(Part::Files, it));
    // Anthropic's documents may be parts themselves.
    if let Some(content) = fields.get("source").and_then(|source| source.get("content")) {
        return read(content, rule, prompt);
    }
    let name = string("filename").unwrap_or_default();
    match (source(fields), string("file_data")) {
        (Some((text, true)), _) => prompt.text(Part::Files, text.as_text()),
        (Some((encoded, false)), _) => document(encoded, name, rule, prompt),
        (None, Some(data)) => {
            document(Encoded::of_url(data).unwrap_or(Encoded::new("", data)), name, rule, prompt);
        }
        (None, None) => prompt.add(Part::Files, rule.page()),
    }
}

/// A file's bytes, told by their media type, else by the file's name, else by what they begin with.
pub(super) fn document<'a>(file: Encoded<'a>, name: &str, rule: Rule, prompt: &mut Prompt<'a>) {
    let media = file.media.to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| media.contains(word));
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if media.starts_with("image/") {
        prompt.add(Part::Images, rule.tokens(images::size_of(file), Detail::Auto));
    } else if media.starts_with("audio/") {
        let tokens = seconds(file, &media).saturating_mul(rule.second_of_sound());
        prompt.add(Part::Files, tokens as i64);
    } else if is(&["text/", "json", "xml", "yaml", "javascript"])
        || ends(&[".txt", ".md", ".csv", ".json", ".html", ".xml", ".yaml"])
    {
        if file.bytes() <= LARGEST_TEXT {
            let text = file.start(LARGEST_TEXT as usize);
            prompt.text(Part::Files, String::from_utf8_lossy(&text).into_owned());
        } else {
            prompt.add(Part::Files, (file.bytes() / 4) as i64);
        }
    } else {
        let pages = file.bytes().div_ceil(BYTES_OF_PAGE).clamp(1, MOST_PAGES);
        prompt.add(Part::Files, rule.page().saturating_mul(pages as i64));
    }
}
