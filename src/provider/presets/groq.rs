//! Groq: per organisation and model.
//!
//! Minutes and days are buckets that refill evenly: the waits in its refusals say so to the millisecond. Its header
//! fields tell of requests per day and tokens per minute only. Seconds of audio are limited, too, and are not kept.
//! Tokens of the prompt that were cached do not count (the page of the first row).

use super::row::Certainty::{Documented, Reported};
use super::row::Counted::Refilled;
use super::{Dialect, PLAIN, Preset, Row};

const PAGE: Row = Row::from("https://console.groq.com/docs/rate-limits", "2026-10-01", Documented)
    .minutes(Refilled)
    .days(Refilled)
    .cached_input_is_free()
    .speaks(Dialect::Groq);
const FORMER: Row = PAGE.read("https://console.groq.com/docs/rate-limits, former copies", "2026", Reported);

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "groq/free",
        about: "Groq, free plan.",
        rows: &[
            PAGE.of("openai/gpt-oss-120b|openai/gpt-oss-20b").rpm(30).rpd(1_000).tpm(8_000).tpd(200_000),
            PAGE.of("qwen/qwen3.8-27b|qwen3.8-27b").rpm(30).rpd(1_000).tpm(8_000).tpd(200_000).shared(),
            PAGE.of("meta-llama/llama-prompt-guard-*|llama-prompt-guard-*")
                .rpm(30)
                .rpd(14_400)
                .tpm(15_000)
                .tpd(500_000)
                .shared(),
            PAGE.of("canopylabs/orpheus-*|orpheus-*").rpm(10).rpd(100).tpm(1_200).tpd(3_600).shared(),
            PAGE.of("whisper-*").rpm(20).rpd(2_000).remark("and 7,200 s of audio an hour, 28,800 s a day"),
            FORMER.of("llama-3.3-70b-versatile").rpm(30).rpd(1_000).tpm(12_000).tpd(100_000),
            FORMER.of("llama-3.1-8b-instant").rpm(30).rpd(14_400).tpm(6_000).tpd(500_000),
            FORMER.of("qwen/qwen3-32b").rpm(60).rpd(1_000).tpm(6_000).tpd(500_000),
            FORMER
                .of("meta-llama/llama-4-scout-*|llama-4-scout-*")
                .rpm(30)
                .rpd(1_000)
                .tpm(30_000)
                .tpd(500_000)
                .shared(),
        ],
        ..PLAIN
    },
    Preset {
        name: "groq/developer",
        about: "Groq, developer plan: only one model is known.",
        rows: &[FORMER.of("qwen/qwen3-32b").rpm(1_000).rpd(500_000).tpm(300_000)],
        ..PLAIN
    },
];
