//! xAI: per team and model, by what was spent. Prompt, answer, reasoning and cached tokens all count.
//!
//! The page gives requests per second, which it says is RPM / 60; one site has RPM / 48. How its minute is counted
//! is not known.

use super::row::Certainty::Documented;
use super::{PLAIN, Preset, Row};

const PAGE: Row = Row::from("docs.x.ai, rate limits", "2026-10", Documented);
const NEWEST: Row = PAGE.of("grok-4.6|grok-4.5|grok-4.7");
const OTHERS: Row = PAGE.of("grok-4.3|grok-4.20|grok-build*");
const AGENTS: Row = PAGE.of("grok-4.20-multi-agent*").remark("the page has every multi-agent model");

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "xai/tier0",
        about: "xAI, tier 0: nothing spent yet.",
        rows: &[
            NEWEST.rps(150).tpm(50_000_000),
            OTHERS.rps(37).tpm(10_000_000),
            AGENTS.rps(9).tpm(2_500_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "xai/tier1",
        about: "xAI, tier 1: $50 spent.",
        rows: &[
            NEWEST.rps(172).tpm(53_000_000),
            OTHERS.rps(50).tpm(15_000_000),
            AGENTS.rps(12).tpm(3_700_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "xai/tier2",
        about: "xAI, tier 2: $250 spent.",
        rows: &[
            NEWEST.rps(208).tpm(60_000_000),
            OTHERS.rps(75).tpm(25_000_000),
            AGENTS.rps(18).tpm(6_200_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "xai/tier3",
        about: "xAI, tier 3: $1,000 spent.",
        rows: &[
            NEWEST.rps(312).tpm(74_000_000),
            OTHERS.rps(125).tpm(45_000_000),
            AGENTS.rps(31).tpm(11_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "xai/tier4",
        about: "xAI, tier 4: $5,000 spent.",
        rows: &[
            NEWEST.rps(500).tpm(100_000_000),
            OTHERS.rps(208).tpm(85_000_000),
            AGENTS.rps(56).tpm(21_000_000),
        ],
        ..PLAIN
    },
];
