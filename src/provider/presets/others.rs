//! Cerebras, Cohere, DeepSeek, Fireworks.

use super::row::Certainty::{Documented, Measured, Reported};
use super::{Dialect, PLAIN, Preset, Row};
use crate::quota::Charge;

/// What is taken at admission is the prompt and the most that the answer may hold.
const CEREBRAS: Row = Row::from("a survey of free keys by a third party", "2026-07", Reported)
    .charge(Charge::InputPlusMaxOutput)
    .speaks(Dialect::Cerebras);

/// Its minute slides.
const COHERE: Row =
    Row::from("https://docs.cohere.com/docs/rate-limits", "2026", Documented).speaks(Dialect::Cohere);

/// From the sending to the end of the answer.
const DEEPSEEK: Row = Row::from("https://api-docs.deepseek.com/quick_start/rate_limit", "2026", Documented);

const FIREWORKS: Row =
    Row::from("docs.fireworks.ai, rate limits", "2026", Documented).speaks(Dialect::Fireworks);

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "cerebras/free",
        about: "Cerebras, free plan.",
        rows: &[CEREBRAS.of("*").rpm(5).rph(150).rpd(2_400).tpm(30_000)],
        ..PLAIN
    },
    Preset {
        name: "cohere/trial",
        about: "Cohere, trial key. Limits are per endpoint: chat, rerank.",
        rows: &[
            COHERE
                .read("https://docs.cohere.com/docs/rate-limits, and headers of answers", "2026", Measured)
                .of("command-*")
                .rpm(20)
                .tpm(100_000)
                .requests_per_month(1_000)
                .remark("the TPM are as users report"),
            COHERE.of("rerank-*").rpm(10).requests_per_month(1_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "cohere/production",
        about: "Cohere, production key. Limits are per endpoint: chat, rerank. Embeddings are limited by inputs, which \
                are not counted here.",
        rows: &[COHERE.of("command-*").rpm(500), COHERE.of("rerank-*").rpm(1_000)],
        ..PLAIN
    },
    Preset {
        name: "deepseek/default",
        about: "DeepSeek: calls in flight, and nothing else.",
        rows: &[
            DEEPSEEK.of("deepseek-v4-flash|deepseek-flash").concurrency(2_500).shared(),
            DEEPSEEK.of("deepseek-v4-pro").concurrency(500),
        ],
        ..PLAIN
    },
    Preset {
        name: "fireworks/default",
        about: "Fireworks, serverless: where an account starts. The limits grow with steady use.",
        rows: &[FIREWORKS
            .of("*")
            .rpm(6_000)
            .itpm(900_000)
            .otpm(36_000)
            .remark("ITPM without cached tokens, 3600000 with them; another copy has OTPM 216000")],
        ..PLAIN
    },
];
