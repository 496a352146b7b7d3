//! Mistral: per workspace and model.
//!
//! Minutes are fixed, by the clock: in recorded answers what is left only falls within one, and it is whole again
//! at its end. Tokens of prompt and answer count, cached ones do not (`x-ratelimit-tokens-query-cost` is 68
//! in a recorded answer of July 2026 whose usage is 73, 5 of them cached: test cassettes of DataDog/dd-trace-py, read
//! November 2026).

use super::row::Certainty::{Documented, Measured, Reported};
use super::row::Counted::Fixed;
use super::{Dialect, PLAIN, Preset, Row};

const PAGE: Row = Row::from("https://help.mistral.ai/articles/225174", "2025", Documented)
    .minutes(Fixed)
    .cached_input_is_free()
    .speaks(Dialect::Mistral);
const ANSWERS: Row = PAGE.read(
    "rate-limit headers of recorded answers: test cassettes of DataDog/dd-trace-py",
    "2026-07-20",
    Measured,
);
const OTHERS: Row = PAGE.read(
    "rate-limit headers of recorded answers: test cassettes of traceloop/openllmetry",
    "2025-09-13",
    Measured,
);
const REPORT: Row = PAGE.read("a survey of free keys by a third party", "2026-07", Reported);

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "mistral/free",
        about: "Mistral, free plan. Models share it here; each has its own where its limits are given by name.",
        rows: &[PAGE.of("*").rps(1).tpm(500_000).tokens_per_month(1_000_000_000)],
        ..PLAIN
    },
    Preset {
        name: "mistral/measured",
        about: "Mistral, as answers and users show it, of keys whose plans are not known.",
        rows: &[
            ANSWERS.of("magistral-medium-latest").rpm(5).tpm(75_000),
            ANSWERS.of("mistral-large-latest").rpm(4).tpm(250_000),
            ANSWERS.of("mistral-embed").rpm(60),
            OTHERS.of("mistral-tiny").per_10s(60).tpm(2_000_000).tokens_per_month(10_000_000_000),
            REPORT.of("mistral-medium-2508").rpm(23),
            REPORT.of("ministral-3b").rpm(750),
        ],
        ..PLAIN
    },
];
