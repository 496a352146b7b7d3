//! Gemini (AI Studio): per project and model.
//!
//! The numbers of an account are in its console only; these are reports, and numbers that were published until 2025.
//! Tokens per minute are tokens of the prompt. Days end at midnight Pacific time, as documented, or at midnight UTC,
//! as one report has it: they slide here, which is within both. Answers have no header fields. A limit on what is spent in ten minutes
//! stands beside these, in dollars, and is not kept.

use super::row::Certainty::Reported;
use super::row::Counted::Pacific;
use super::{PLAIN, Preset, Row};

const REPORT: Row =
    Row::from("quota values in refusals that users report; dev.to/nils44344", "2026-10", Reported)
        .days(Pacific);
const FORMER: Row =
    Row::from("ai.google.dev/gemini-api/docs/rate-limits, copies of the tables of 2025", "2026-04", Reported)
        .days(Pacific);

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "gemini/free",
        about: "Gemini, no billing account.",
        rows: &[
            REPORT
                .of("gemini-2.5-flash|gemini-3-flash*|gemini-3.1-flash*|gemini-3.5-flash*")
                .rpm(5)
                .rpd(20)
                .itpm(250_000),
            FORMER.of("gemini-2.5-pro").rpm(5).rpd(100).itpm(250_000),
            FORMER.of("gemini-2.5-flash-lite").rpm(15).rpd(1_000).itpm(250_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "gemini/tier1",
        about: "Gemini, tier 1: a billing account.",
        rows: &[
            FORMER
                .of("gemini-2.5-pro")
                .rpm(150)
                .rpd(1_000)
                .itpm(2_000_000)
                .remark("later copies have RPD 10000"),
            FORMER
                .of("gemini-2.5-flash")
                .rpm(1_000)
                .rpd(10_000)
                .itpm(1_000_000)
                .remark("the tokens are also in refusals of 2026"),
            FORMER.of("gemini-2.5-flash-lite").rpm(4_000).itpm(4_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "gemini/tier2",
        about: "Gemini, tier 2.",
        rows: &[
            FORMER.of("gemini-2.5-pro").rpm(1_000).rpd(50_000).itpm(5_000_000),
            FORMER.of("gemini-2.5-flash").rpm(2_000).rpd(100_000).itpm(3_000_000),
            FORMER.of("gemini-2.5-flash-lite").rpm(10_000).itpm(10_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "gemini/tier3",
        about: "Gemini, tier 3.",
        rows: &[FORMER.of("gemini-2.5-pro|gemini-3-pro-preview").rpm(2_000).itpm(8_000_000)],
        ..PLAIN
    },
];
