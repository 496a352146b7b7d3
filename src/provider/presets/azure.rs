//! Azure OpenAI: per subscription, region, model and type of deployment.
//!
//! A deployment has a share of the quota of tokens; its RPM follow from it. Minutes were refilled evenly in
//! answers of 2026, and started anew by the clock in those of 2024 and 2025 and in the documents, so they slide here.
//! Requests are judged over 1 or 10 seconds besides: a sixth of the RPM in any 10 s. The documents charge
//! `max_tokens`, the answers never did where it was set: `Charge::Usage` is between the two.
//!
//! Limits go by the name of the deployment. Where it is not the model's, take
//! `Limits::preset("azure/tier1", "gpt-4o-mini")` for it.

use super::row::Certainty::{Documented, Reported};
use super::{Dialect, PLAIN, Preset, Row};

const TIER1: &str = "MicrosoftDocs/azure-ai-docs, articles/foundry/openai/includes/quota-tier/tier-1.md";
const RATIO: &str = "the default that is often told; requests by MicrosoftDocs/azure-ai-docs, quota-1.md";

const PAGE: Row = Row::from(TIER1, "2026-08-20", Documented).speaks(Dialect::Azure);
const INITIAL: Row = Row::from(RATIO, "2026-09-16", Reported).speaks(Dialect::Azure);

impl Row {
    /// Requests per minute, and the share of them that any 10 s may have: one at least.
    const fn judged_rpm(self, limit: u64) -> Row {
        self.rpm(limit).per_10s(if limit < 6 { 1 } else { limit / 6 })
    }
}

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "azure/initial",
        about: "Azure OpenAI, a new deployment: 30,000 TPM. All deployments share it; each has its own \
                where its limits are given by name.",
        rows: &[
            INITIAL
                .of("*")
                .judged_rpm(180)
                .tpm(30_000)
                .remark("6 RPM for each 1,000 TPM: chat models before o1"),
            INITIAL.of("o1").judged_rpm(5).tpm(30_000).remark("1 RPM for each 6,000 TPM"),
            INITIAL.of("o3|o4-mini").judged_rpm(30).tpm(30_000).remark("1 RPM for each 1,000 TPM"),
            INITIAL
                .of("o1-mini|o3-mini|o3-pro")
                .judged_rpm(3)
                .tpm(30_000)
                .remark("1 RPM for each 10,000 TPM"),
        ],
        ..PLAIN
    },
    Preset {
        name: "azure/tier1",
        about: "Azure OpenAI, quota tier 1, Global Standard deployments.",
        rows: &[
            PAGE.of("gpt-4o-mini").judged_rpm(20_000).tpm(2_000_000),
            PAGE.of("gpt-4.1").judged_rpm(1_000).tpm(1_000_000),
            PAGE.of("gpt-4.1-mini|gpt-4.1-nano").judged_rpm(5_000).tpm(5_000_000),
            PAGE.of("gpt-5").judged_rpm(10_000).tpm(1_000_000),
            PAGE.of("gpt-5-mini").judged_rpm(1_000).tpm(1_000_000),
            PAGE.of("gpt-5-nano").judged_rpm(5_000).tpm(5_000_000),
            PAGE.of("gpt-5.1|gpt-5.2|gpt-5.4").judged_rpm(10_000).tpm(1_000_000),
            PAGE.of("gpt-5.5|gpt-5.6-*|gpt-6-*").judged_rpm(1_000).tpm(1_000_000),
            PAGE.of("o1").judged_rpm(500).tpm(3_000_000),
            PAGE.of("o3|o4-mini").judged_rpm(1_000).tpm(1_000_000),
            PAGE.of("o3-mini").judged_rpm(500).tpm(5_000_000),
            PAGE.of("o3-pro").judged_rpm(160).tpm(1_600_000),
            PAGE.of("text-embedding-3-small|text-embedding-3-large").per_10s(1_000).tpm(1_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "azure/tier1-datazone",
        about: "Azure OpenAI, quota tier 1, Data Zone Standard deployments.",
        rows: &[
            PAGE.of("gpt-4o").per_10s(300).tpm(300_000),
            PAGE.of("gpt-4o-mini").judged_rpm(10_000).tpm(1_000_000),
        ],
        ..PLAIN
    },
];
