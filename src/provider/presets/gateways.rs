//! Services that pass calls on to the models of others: Bedrock, ChatAnywhere, GitHub Models, LaoZhang.ai, OpenRouter.

use super::row::Certainty::{Documented, Reported};
use super::row::Counted::Fixed;
use super::{Dialect, PLAIN, Preset, Row};

/// Per account, region and model. By default a day has the tokens of 1,440 minutes. The input and `max_tokens` are
/// reserved, and what was not used comes back, as does what was read from the cache.
///
/// An output token counts 15 times for Claude 4.8, 10 times for Sonnet 5, Opus 5 and Fable 5.1, 5 times for Claude 3.7
/// to 4.7, once for others (docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html, read November
/// 2026). The page has it so at the end; whether the reservation counts so, too, is not clear: here it does.
const BEDROCK: Row = Row::from(
    "users' reports of default quotas; docs.aws.amazon.com, quotas-runtime and quotas-token-burndown",
    "2026-11",
    Reported,
)
.cached_input_is_free();

const fn tokens_per_day(tpm: u64) -> u64 {
    tpm * 24 * 60
}

/// A day ends at a midnight whose zone is not told.
const CHATANYWHERE: Row =
    Row::from("github.com/chatanywhere/GPT_API_free, README at bb330b7", "2026-06-27", Documented)
        .longest_prompt(4_096);

const GITHUB: Row =
    Row::from("docs.github.com, prototyping with AI models, rate limits", "2026-11", Documented)
        .speaks(Dialect::GithubModels);

const LAOZHANG: Row =
    Row::from("https://news.fishai.com.cn/news/4445745", "2025-07", Reported).speaks(Dialect::OpenAi);

/// The reset that refusals tell is a whole minute; days end at midnight UTC.
const OPENROUTER: Row = Row::from("https://openrouter.ai/docs/api-reference/limits", "2026", Documented)
    .minutes(Fixed)
    .days(Fixed)
    .speaks(Dialect::OpenRouter);

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "bedrock/default",
        about: "Amazon Bedrock, default quotas: TPD = TPM x 1,440. New accounts may have less, even none: see Service Quotas.",
        rows: &[
            BEDROCK
                .of("us.anthropic.claude-sonnet-4-5-*|eu.anthropic.claude-sonnet-4-5-*|apac.anthropic.claude-sonnet-4-5-*")
                .tpm(1_000_000)
                .tpd(tokens_per_day(1_000_000))
                .output_weight(5)
                .shared()
                .remark("an output token counts five times"),
            BEDROCK
                .read("https://repost.aws/questions/QU2tqWTuP-Sje1rX_uHV0vqw", "2024-07", Reported)
                .of("anthropic.claude-3-5-sonnet-20240620-*")
                .rpm(50)
                .tpm(400_000)
                .tpd(tokens_per_day(400_000)),
        ],
        ..PLAIN
    },
    Preset {
        name: "chatanywhere/free",
        about: "ChatAnywhere, free key: these models only, prompts of at most 4,096 tokens, 200 chats a day in all for \
                each address and key.",
        allow_list: true,
        account: Some(CHATANYWHERE.of("*").rpd(200)),
        rows: &[
            CHATANYWHERE.of("gpt-5|gpt-5.*|gpt-4o|gpt-4.1").rpd(5).remark("3 a day until 2024"),
            CHATANYWHERE.of("deepseek-*").rpd(30),
            CHATANYWHERE.of("gpt-4o-mini|gpt-3.5-turbo|gpt-4.1-mini|gpt-4.1-nano|gpt-5-mini|gpt-5-nano").rpd(200),
            CHATANYWHERE.of("text-embedding-*").rpd(200).apart(),
        ],
    },
    Preset {
        name: "github-models/free-high",
        about: "GitHub Models, free, models of the class High. Each has its own limits: the budgets are shared unless a \
                model's limits are given by name.",
        rows: &[GITHUB.of("*").rpm(10).rpd(50).concurrency(2).longest_prompt(8_000).remark("answers of at most 4,000 tokens")],
        ..PLAIN
    },
    Preset {
        name: "github-models/free-low",
        about: "GitHub Models, free, models of the class Low. Each has its own limits: the budgets are shared unless a \
                model's limits are given by name.",
        rows: &[GITHUB.of("*").rpm(15).rpd(150).concurrency(5).longest_prompt(8_000).remark("answers of at most 4,000 tokens")],
        ..PLAIN
    },
    Preset {
        name: "github-models/free-embedding",
        about: "GitHub Models, free, embeddings.",
        rows: &[GITHUB.of("*").rpm(15).rpd(150).concurrency(5).longest_prompt(64_000)],
        ..PLAIN
    },
    Preset {
        name: "laozhang/default",
        about: "LaoZhang.ai, as reported.",
        rows: &[LAOZHANG.of("gpt-4o-mini").tpm(500_000).tpd(10_000_000).concurrency(50).remark("when its day ends is not told")],
        ..PLAIN
    },
    Preset {
        name: "openrouter/free",
        about: "OpenRouter, models that end in :free, below $10 of credits. One bucket for all: every model that is \
                called is charged to it.",
        rows: &[OPENROUTER.of("*").rpm(20).rpd(50).remark("refusals of March 2026 said 16 a minute")],
        ..PLAIN
    },
    Preset {
        name: "openrouter/free-credited",
        about: "OpenRouter, models that end in :free, with $10 of credits or more. One bucket for all: every model that \
                is called is charged to it.",
        rows: &[OPENROUTER.of("*").rpm(20).rpd(1_000).remark("refusals of March 2026 said 16 a minute")],
        ..PLAIN
    },
];
