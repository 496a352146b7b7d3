//! Anthropic: per organisation and class of models; workspaces may have less.
//!
//! Minutes are buckets that refill evenly. Input tokens that are read from the cache are free but for Haiku 3.5
//! (the page of the first row; 2,055 of them left the remaining tokens as they were in a recorded answer of July 2025,
//! test cassettes of DataDog/dd-trace-py; read November 2026). Output is counted as it is produced; until mid 2025 `max_tokens` was taken at the start.
//! The models of one line of versions share one pool: all Opus 4.x, all Sonnet 4.x.

use super::row::Certainty::{Documented, Reported};
use super::row::Counted::Refilled;
use super::{Dialect, PLAIN, Preset, Row};

const PAGE: Row = Row::from("platform.claude.com, rate limits", "2026-10", Documented)
    .minutes(Refilled)
    .cached_input_is_free()
    .speaks(Dialect::Anthropic);
const CACHE_COUNTS: Row = PAGE.cached_input_counts();
/// Tiers 1 to 4 were replaced by Start, Build and Scale.
const OLD: Row = Row::from("api-evangelist/anthropic, copy of the former page", "2026-05", Reported)
    .minutes(Refilled)
    .cached_input_is_free()
    .speaks(Dialect::Anthropic);

const FABLE_5: &str = "claude-fable-5*";
const OPUS_5: &str = "claude-opus-5*";
const OPUS_4: &str = "claude-opus-4*|claude-4-opus*";
const SONNET_5: &str = "claude-sonnet-5*";
const SONNET_4: &str = "claude-sonnet-4*|claude-4-sonnet*";
const HAIKU_4_5: &str = "claude-haiku-4-5*";
const HAIKU_3_5: &str = "claude-3-5-haiku*|claude-haiku-3-5*";

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "anthropic/start",
        about: "Anthropic, tier Start.",
        rows: &[
            PAGE.of(FABLE_5).rpm(1_000).itpm(500_000).otpm(100_000),
            PAGE.of(OPUS_5).rpm(1_000).itpm(2_000_000).otpm(400_000),
            PAGE.of(OPUS_4).rpm(1_000).itpm(2_000_000).otpm(400_000).shared(),
            PAGE.of(SONNET_5).rpm(1_000).itpm(2_000_000).otpm(400_000),
            PAGE.of(SONNET_4).rpm(1_000).itpm(2_000_000).otpm(400_000).shared(),
            PAGE.of(HAIKU_4_5).rpm(1_000).itpm(2_000_000).otpm(400_000),
            CACHE_COUNTS
                .of(HAIKU_3_5)
                .rpm(1_000)
                .itpm(100_000)
                .otpm(20_000)
                .shared()
                .remark("cache reads count"),
        ],
        ..PLAIN
    },
    Preset {
        name: "anthropic/build",
        about: "Anthropic, tier Build.",
        rows: &[
            PAGE.of(FABLE_5).rpm(2_000).itpm(1_500_000).otpm(300_000),
            PAGE.of(OPUS_5).rpm(5_000).itpm(5_000_000).otpm(1_000_000),
            PAGE.of(OPUS_4).rpm(5_000).itpm(5_000_000).otpm(1_000_000).shared(),
            PAGE.of(SONNET_5).rpm(5_000).itpm(5_000_000).otpm(1_000_000),
            PAGE.of(SONNET_4).rpm(5_000).itpm(5_000_000).otpm(1_000_000).shared(),
            PAGE.of(HAIKU_4_5).rpm(5_000).itpm(5_000_000).otpm(1_000_000),
            CACHE_COUNTS
                .of(HAIKU_3_5)
                .rpm(2_000)
                .itpm(200_000)
                .otpm(40_000)
                .shared()
                .remark("cache reads count"),
        ],
        ..PLAIN
    },
    Preset {
        name: "anthropic/scale",
        about: "Anthropic, tier Scale.",
        rows: &[
            PAGE.of(FABLE_5).rpm(4_000).itpm(4_000_000).otpm(800_000),
            PAGE.of(OPUS_5).rpm(10_000).itpm(10_000_000).otpm(2_000_000),
            PAGE.of(OPUS_4).rpm(10_000).itpm(10_000_000).otpm(2_000_000).shared(),
            PAGE.of(SONNET_5).rpm(10_000).itpm(10_000_000).otpm(2_000_000),
            PAGE.of(SONNET_4).rpm(10_000).itpm(10_000_000).otpm(2_000_000).shared(),
            PAGE.of(HAIKU_4_5).rpm(10_000).itpm(10_000_000).otpm(2_000_000),
            CACHE_COUNTS
                .of(HAIKU_3_5)
                .rpm(4_000)
                .itpm(400_000)
                .otpm(80_000)
                .shared()
                .remark("cache reads count"),
        ],
        ..PLAIN
    },
    Preset {
        name: "anthropic/tier1",
        about: "Anthropic, tier 1 of the former scheme.",
        rows: &[
            OLD.of(OPUS_4)
                .rpm(50)
                .itpm(500_000)
                .otpm(80_000)
                .shared()
                .remark("an account of February 2026 had ITPM 30000 and OTPM 8000"),
            OLD.of(SONNET_4).rpm(50).itpm(30_000).otpm(8_000).shared(),
            OLD.of(HAIKU_4_5).rpm(50).itpm(50_000).otpm(10_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "anthropic/tier2",
        about: "Anthropic, tier 2 of the former scheme.",
        rows: &[
            OLD.of(OPUS_4).rpm(1_000).itpm(2_000_000).otpm(200_000).shared(),
            OLD.of(SONNET_4).rpm(1_000).itpm(450_000).otpm(90_000).shared(),
            OLD.of(HAIKU_4_5).rpm(1_000).itpm(450_000).otpm(90_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "anthropic/tier3",
        about: "Anthropic, tier 3 of the former scheme.",
        rows: &[
            OLD.of(OPUS_4).rpm(2_000).itpm(5_000_000).otpm(400_000).shared(),
            OLD.of(SONNET_4).rpm(2_000).itpm(800_000).otpm(160_000).shared(),
            OLD.of(HAIKU_4_5).rpm(2_000).itpm(1_000_000).otpm(200_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "anthropic/tier4",
        about: "Anthropic, tier 4 of the former scheme.",
        rows: &[
            OLD.of(OPUS_4).rpm(4_000).itpm(10_000_000).otpm(800_000).shared(),
            OLD.of(SONNET_4).rpm(4_000).itpm(2_000_000).otpm(400_000).shared(),
            OLD.of(HAIKU_4_5).rpm(4_000).itpm(4_000_000).otpm(800_000),
        ],
        ..PLAIN
    },
];
