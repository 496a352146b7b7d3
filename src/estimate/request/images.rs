//! How many tokens a picture is, by the model that looks at it.
//!
//! What counts here is what a call *uses*, as its `usage` will say. OpenAI takes something else at
//! admission, a flat 765 tokens for each picture whatever its size (read off
//! `x-ratelimit-remaining-tokens` of recorded answers, September 2024 on).

mod size;

use serde_json::Value;

use super::encoding::{base_name, begins};
pub(super) use size::{Size, of as size_of};

/// A picture of which nothing is known but that it is there: an address, a file's id.
const UNKNOWN: Size = Size { width: 1024, height: 1024 };

/// How closely a request asks the model to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Low,
    High,
    Original,
    /// Also where the request does not say.
    Auto,
}

impl Detail {
    pub(super) fn of(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str) {
            Some("low") => Detail::Low,
            Some("high") => Detail::High,
            Some("original") => Detail::Original,
            _ => Detail::Auto,
        }
    }
}

/// A picture is shrunk until it exceeds neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Pixels of the longest side.
    side: u64,
    patches: u64,
}

/// How a family of models counts pictures, and what else is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// `base`, and `tile` for every square of 512 pixels once the picture fits into 2048 x 2048 and its
    /// shortest side into 768. Low detail is `base`.
    Tiles { base: u64, tile: u64 },
    /// One token for every square of 32 pixels, times `percent / 100`.
    Patches { percent: u64, low: Limit, high: Limit, original: Limit, auto: Detail },
    /// One token for every square of 28 pixels.
    Claude(Limit),
    /// 258 tokens for every square of 768 pixels.
    GeminiTiles,
    /// As many for every picture.
    Flat(u64),
}

/// Patches up to 1,536. One report says that low detail changes nothing for these models
/// (community.openai.com/t/1377015, March 2026, read November 2026), so it is not believed to.
const fn capped(percent: u64) -> Rule {
    let limit = Limit { side: 2048, patches: 1536 };
    Rule::Patches { percent, low: limit, high: limit, original: limit, auto: Detail::High }
}

const LOW: Limit = Limit { side: 512, patches: 256 };
const HIGH: Limit = Limit { side: 2048, patches: 2500 };
const HIGH_WIDE: Limit = Limit { side: 65_535, patches: 2500 };
const ORIGINAL: Limit = Limit { side: 6000, patches: 10_000 };
/// Larger pictures are refused.
const LARGEST: Limit = Limit { side: 65_535, patches: 30_000 };

const fn uncapped(high: Limit, original: Limit, auto: Detail) -> Rule {
    Rule::Patches { percent: 120, low: LOW, high, original, auto }
}

const fn tiles(base: u64, tile: u64) -> Rule {
    Rule::Tiles { base, tile }
}

/// Beginnings of OpenAI's model names (developers.openai.com/api/docs/guides/images-vision, "Model sizing
/// behavior" and "Calculating costs", copies of May to September 2026, read November 2026).
///
/// The factors 1.62 and 2.46 of the small GPT-5 models are the documented ones; the report named at
/// [`capped`] measured 1.2 and 1.5, so that the estimate may be up to 64 % above what is used.
const RULES: &[(&str, Rule)] = &[
    ("gpt-4o", tiles(85, 170)),
    ("chatgpt-4o-", tiles(85, 170)),
    ("gpt-4o-mini", tiles(2833, 5667)),
    ("gpt-4", tiles(85, 170)),
    ("gpt-4.1", tiles(85, 170)),
    ("gpt-4.1-mini", capped(162)),
    ("gpt-4.1-nano", capped(246)),
    ("gpt-4.5-", tiles(85, 170)),
    ("gpt-5", tiles(70, 140)),
    ("gpt-5-mini", capped(162)),
    ("gpt-5-nano", capped(246)),
    ("gpt-5-codex-mini", capped(162)),
    ("gpt-5.1", tiles(70, 140)),
    ("gpt-5.1-codex-mini", capped(162)),
    ("gpt-5.2", capped(120)),
    ("gpt-5.3", capped(120)),
    ("gpt-5.4", uncapped(HIGH, ORIGINAL, Detail::High)),
    ("gpt-5.4-mini", capped(162)),
    ("gpt-5.4-nano", capped(246)),
    ("gpt-5.5", uncapped(HIGH, ORIGINAL, Detail::Original)),
    ("gpt-5.", uncapped(HIGH_WIDE, LARGEST, Detail::Original)),
    ("gpt-6", uncapped(HIGH_WIDE, LARGEST, Detail::Original)),
    ("o1", tiles(75, 150)),
    ("o3", tiles(75, 150)),
    ("o4-mini", capped(172)),
    ("codex-mini", capped(172)),
    ("computer-use-preview", tiles(65, 129)),
];

/// Claude models before 4.7, and those since (platform.claude.com/docs/en/build-with-claude/vision,
/// read November 2026). Before 2026 that page gave width x height / 750, which differs by some 4 %.
const CLAUDE: Limit = Limit { side: 1568, patches: 1568 };
const CLAUDE_4_7: Limit = Limit { side: 2576, patches: 4784 };

impl Rule {
    /// Models that are not known count as GPT-4o does.
    pub(super) fn of(model: &str) -> Self {
        if let Some(version) = claude(model) {
            return Rule::Claude(if version >= (4, 7) { CLAUDE_4_7 } else { CLAUDE });
        }
        let name = base_name(model);
        if let Some(version) = name.strip_prefix("gemini-") {
            // Gemini 3 takes 1,120 unless told otherwise (ai.google.dev/gemini-api/docs/media-resolution,
            // read November 2026).
            return if version.starts_with(['1', '2']) { Rule::GeminiTiles } else { Rule::Flat(1120) };
        }
        let known = RULES.iter().filter(|(beginning, _)| begins(name, beginning));
        known.max_by_key(|(beginning, _)| beginning.len()).map_or(tiles(85, 170), |(_, rule)| *rule)
    }

    /// The tokens of a picture. One of unknown size counts as one of 1024 x 1024: 765 for GPT-4o.
    pub(super) fn tokens(self, size: Option<Size>, detail: Detail) -> i64 {
        let size = size.unwrap_or(UNKNOWN);
        let tokens = match self {
            Rule::Tiles { base, .. } if detail == Detail::Low => base,
            Rule::Tiles { base, tile } => {
                let fitted = size.within(2048);
                let shortest = fitted.width.min(fitted.height);
                base + tile * squares(fitted.scaled(shortest.min(768), shortest), 512)
            }
            Rule::Patches { percent, low, high, original, auto } => {
                let limit = match if detail == Detail::Auto { auto } else { detail } {
                    Detail::Low => low,
                    Detail::Original => original,
                    Detail::High | Detail::Auto => high,
                };
                (patches(size, limit) * percent).div_ceil(100)
            }
            Rule::Claude(limit) => visual_tokens(size, limit),
            // Pictures are fitted into 3072 x 3072 first, as the documentation of Vertex AI says.
            Rule::GeminiTiles => 258 * squares(size.within(3072), 768),
            Rule::Flat(tokens) => tokens,
        };
        tokens as i64
    }

    /// The tokens of a page of a PDF, its text and its picture together.
    ///
    /// Claude: 1,500 to 3,000 by Anthropic's page on PDF support, 2,115 to 2,481 in measured calls
    /// (huggingface.co/datasets/JOHNISKING/pdf-token-cost, October 2026); OpenAI gives the model the text
    /// and a picture, too, and says no number. Gemini: 258 by Google's page on documents; 560 measured
    /// there for Gemini 3. All read November 2026.
    pub(super) fn page(self) -> i64 {
        match self {
            Rule::GeminiTiles => 258,
            Rule::Flat(_) => 560,
            _ => 2_250,
        }
    }

    /// The tokens of a second of sound: 10 by OpenAI's guide to the costs of the Realtime API ("1 token
    /// per 100 ms of audio" in user messages), 32 by Google's page on tokens. Read November 2026.
    pub(super) fn second_of_sound(self) -> u64 {
        match self {
            Rule::GeminiTiles | Rule::Flat(_) => 32,
            _ => 10,
        }
    }
}

/// How many squares cover the picture.
fn squares(size: Size, side: u64) -> u64 {
    size.width.div_ceil(side) * size.height.div_ceil(side)
}

/// Squares of 32 pixels once the picture is shrunk to the limit, by the formula of OpenAI's guide: scale
/// down to the budget of patches, then a little more, so that one side is covered without a rest.
fn patches(size: Size, limit: Limit) -> u64 {
    let size = size.within(limit.side);
    let count = squares(size, 32);
    if count <= limit.patches {
        return count;
    }
    let (width, height) = (size.width as f64, size.height as f64);
    let shrink = ((32 * 32 * limit.patches) as f64 / (width * height)).sqrt();
    let rest = |side: f64| (side * shrink / 32.0).floor() / (side * shrink / 32.0);
    let shrink = shrink * rest(width).min(rest(height));
    let side = |side: f64| ((side * shrink) as u64).max(1);
    squares(Size { width: side(width), height: side(height) }, 32).min(limit.patches)
}

/// Squares of 28 pixels of the largest size, the ratio kept, that is within both limits.
fn visual_tokens(size: Size, limit: Limit) -> u64 {
    let longest = size.longest();
    let counts = (1..=longest.min(limit.side)).rev();
    let mut counts = counts.map(|side| squares(size.scaled(side, longest), 28));
    counts.find(|count| *count <= limit.patches).unwrap_or(limit.patches)
}

/// The version of a Claude model, such as (4, 7), in any of the spellings in use: `claude-opus-4-7`,
/// `claude-3-5-sonnet-20241022`, `us.anthropic.claude-sonnet-4-20250514-v1:0`, `anthropic/claude-opus-4.7`.
pub(super) fn claude(model: &str) -> Option<(u32, u32)> {
    let (_, name) = model.rsplit_once("claude")?;
    // A date has eight digits.
    let number = |word: &str| (word.len() <= 2).then(|| word.parse().ok()).flatten();
    let mut words = name.split(['-', '.', '@', ':', '_']).skip_while(|word| number(word).is_none());
    let major = words.next().and_then(number).unwrap_or(0);
    let minor = words.next().and_then(number).unwrap_or(0);
    Some((major, minor))
}
