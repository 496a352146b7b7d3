//! OpenAI: per organisation and project, by usage tier and model.
//!
//! Minutes and days are buckets that refill evenly: the wait that refusals print is
//! `(used + requested - limit) / (limit / window)` to the millisecond, for both (BuilderIO/micro-agent#86,
//! semanser/codel#72 and others). What is charged has changed: answers since March 2025 show the prompt alone,
//! the guide says the larger of `max_tokens` and an estimate, and whether the output is charged after the answer
//! cannot be seen. `Charge::Usage` is within all but the guide's rule for answers far shorter than their cap.

use super::row::Certainty::{Contradicted, Documented, Measured, Reported};
use super::row::Counted::{Fixed, Refilled};
use super::{Dialect, PLAIN, Preset, Row};

const ANSWERS: &str =
    "rate-limit headers of recorded answers: test cassettes of DataDog/dd-trace-py and traceloop/openllmetry";
const INFERRED: &str = "the tier is inferred from the numbers";

const PAGE: Row = Row::from("platform.openai.com, limits on the model pages", "2026-05", Documented)
    .minutes(Refilled)
    .days(Refilled)
    .speaks(Dialect::OpenAi);
const FORUM: Row = PAGE.read("https://community.openai.com/t/1028595/2", "2024-12", Documented);
const MEASURED: Row = PAGE.read(ANSWERS, "2026-03", Measured);

const LARGE: Row = PAGE.of("gpt-4o|gpt-4.1|o1|o3");
const SMALL: Row = PAGE.of("gpt-4o-mini|gpt-4.1-mini|gpt-4.1-nano");
const EMBEDDINGS: Row = PAGE.of("text-embedding-3-small|text-embedding-3-large|text-embedding-ada-002");
const TURBO: Row = PAGE.of("gpt-3.5-turbo").remark("copies of the page disagree on tier 1 RPM, 500 or 3500");

/// The same in every paid tier.
const INSTRUCT: Row =
    MEASURED.read(ANSWERS, "2025-09", Measured).of("gpt-3.5-turbo-instruct").rpm(3_500).tpm(90_000);
const BASE: Row = MEASURED.of("davinci-002|ada|curie").rpm(3_000).tpm(250_000);

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "openai/free",
        about: "OpenAI, no payment yet.",
        rows: &[
            SMALL.rpm(3).rpd(200).tpm(40_000).remark("the RPD is also in answers of 2025"),
            EMBEDDINGS.rpm(100).rpd(2_000).tpm(40_000),
            PAGE.read("error texts that users report", "2026", Reported).of("gpt-5.4-mini").rpd(50),
        ],
        ..PLAIN
    },
    Preset {
        name: "openai/standard",
        about: "OpenAI as it is often described: a standard account. Measurements contradict it. Use openai/tier1.",
        rows: &[Row::from("aifreeapi.com, and pages that copy it", "2026-11", Contradicted)
            .minutes(Refilled)
            .days(Fixed)
            .speaks(Dialect::OpenAi)
            .of("gpt-4o-mini")
            .rpm(60)
            .tpm(200_000)
            .tpd(2_000_000)
            .concurrency(10)
            .remark(
                "answers of tier 1 show RPD 10000 and no TPD; 2,000,000 is that tier's batch queue, 60 the sample \
                 value in the guide's table of headers, and no page of OpenAI's limits concurrency; days refill, \
                 they do not start anew at midnight",
            )],
        ..PLAIN
    },
    Preset {
        name: "openai/tier1",
        about: "OpenAI, usage tier 1: $5 paid.",
        rows: &[
            LARGE.rpm(500).tpm(30_000),
            PAGE.read("platform.openai.com, limits on the model pages; RPD and TPM are also in answers", "2026-05", Measured)
                .of("gpt-4o-mini")
                .rpm(500)
                .rpd(10_000)
                .tpm(200_000),
            PAGE.of("gpt-4.1-mini|gpt-4.1-nano").rpm(500).rpd(10_000).tpm(200_000),
            PAGE.of("o3-mini|o4-mini").rpm(1_000).tpm(100_000),
            PAGE.of("gpt-4.5-preview").rpm(1_000).tpm(125_000),
            PAGE.of("gpt-4-turbo").rpm(500).tpm(30_000),
            FORUM.of("gpt-4").rpm(500).rpd(10_000).tpm(10_000).remark("RPD and TPM are also in answers of 2024"),
            MEASURED.read(ANSWERS, "2026-04", Measured).of("gpt-5|gpt-5.4").rpm(500).tpm(500_000).remark(INFERRED),
            MEASURED.read(ANSWERS, "2025-08", Measured).of("gpt-5-nano").rpm(500).tpm(200_000).remark(INFERRED),
            TURBO.rpm(3_500).rpd(10_000).tpm(200_000),
            INSTRUCT,
            BASE,
            MEASURED.read(ANSWERS, "2025-03", Measured).of("text-embedding-3-small").rpm(3_000).tpm(1_000_000),
            PAGE.of("text-embedding-3-large|text-embedding-ada-002").rpm(3_000).tpm(1_000_000),
            FORUM.of("omni-moderation-*").rpm(500).rpd(10_000).tpm(10_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "openai/tier2",
        about: "OpenAI, usage tier 2: $50 paid.",
        rows: &[
            LARGE.rpm(5_000).tpm(450_000),
            SMALL.rpm(5_000).tpm(2_000_000),
            PAGE.of("o3-mini").rpm(2_000).tpm(200_000),
            PAGE.of("o4-mini").rpm(2_000).tpm(2_000_000),
            PAGE.of("gpt-4.5-preview").rpm(5_000).tpm(250_000),
            PAGE.of("gpt-4-turbo").rpm(5_000).tpm(450_000),
            TURBO.rpm(3_500).tpm(2_000_000),
            INSTRUCT,
            BASE,
            EMBEDDINGS.rpm(5_000).tpm(1_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "openai/tier3",
        about: "OpenAI, usage tier 3: $100 paid.",
        rows: &[
            LARGE.rpm(5_000).tpm(800_000),
            SMALL.rpm(5_000).tpm(4_000_000),
            PAGE.of("o3-mini|o4-mini").rpm(5_000).tpm(4_000_000),
            PAGE.of("gpt-4.5-preview").rpm(5_000).tpm(500_000),
            PAGE.of("gpt-4-turbo").rpm(5_000).tpm(600_000),
            TURBO.rpm(3_500).tpm(800_000).remark("copies of the page disagree on tier 3 TPM, 800000 or 4000000"),
            INSTRUCT,
            BASE,
            EMBEDDINGS.rpm(5_000).tpm(5_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "openai/tier4",
        about: "OpenAI, usage tier 4: $250 paid.",
        rows: &[
            LARGE.rpm(10_000).tpm(2_000_000),
            SMALL.rpm(10_000).tpm(10_000_000),
            PAGE.of("o3-mini|o4-mini").rpm(10_000).tpm(10_000_000),
            PAGE.of("gpt-4.5-preview").rpm(10_000).tpm(1_000_000),
            PAGE.of("gpt-4-turbo").rpm(10_000).tpm(800_000),
            TURBO.rpm(10_000).tpm(10_000_000),
            INSTRUCT,
            BASE,
            EMBEDDINGS.rpm(10_000).tpm(5_000_000),
        ],
        ..PLAIN
    },
    Preset {
        name: "openai/tier5",
        about: "OpenAI, usage tier 5: $1,000 paid.",
        rows: &[
            MEASURED.of("gpt-4o|gpt-4.1").rpm(10_000).tpm(30_000_000),
            PAGE.of("o1|o3").rpm(10_000).tpm(30_000_000),
            SMALL.rpm(30_000).tpm(150_000_000),
            PAGE.of("o3-mini|o4-mini").rpm(30_000).tpm(150_000_000),
            PAGE.of("gpt-4.5-preview").rpm(10_000).tpm(2_000_000),
            PAGE.of("gpt-4-turbo").rpm(10_000).tpm(2_000_000),
            MEASURED.of("gpt-4").rpm(10_000).tpm(1_000_000).remark(INFERRED),
            MEASURED.of("gpt-5").rpm(15_000).tpm(40_000_000).remark(INFERRED),
            MEASURED.read(ANSWERS, "2026-07", Measured).of("gpt-5.6-sol").rpm(15_000).tpm(40_000_000).remark(INFERRED),
            MEASURED.of("gpt-5-nano|gpt-5-mini").rpm(30_000).tpm(180_000_000).remark(INFERRED),
            MEASURED.of("gpt-3.5-turbo").rpm(10_000).tpm(50_000_000),
            INSTRUCT,
            BASE,
            MEASURED
                .read(ANSWERS, "2026-04", Measured)
                .of("text-embedding-3-small|text-embedding-3-large|text-embedding-ada-002")
                .rpm(10_000)
                .tpm(10_000_000),
        ],
        ..PLAIN
    },
];
