//! What providers allow, as far as it is published or was measured: tables that are compiled in.
//!
//! A [`Preset`] is one tier of one provider, such as `openai/tier1`; its [`Row`]s say what it allows to which
//! models, where that stands, when it was read and how sure it is. Providers change these numbers without
//! notice, and give accounts numbers of their own: the account's own page goes before any table.
//!
//! # How a row counts
//!
//! Minutes and days are counted as the provider was seen to count them, or else as it says. Where neither is
//! known, or the two disagree, the window slides: never more than the limit in *any* minute or 24 hours is
//! within the limit of a refilled bucket and of a fixed window wherever it begins. Limits per second and per ten
//! seconds always slide, and so do months, over 31 days.
//!
//! Days that end at midnight Pacific time slide, too, so that it does not matter which midnight counts. They have an
//! hour of guard besides, because the day on which daylight saving ends lasts 25 hours.
//!
//! # Names of models
//!
//! `gpt-4o|gpt-4.1` is two models with the same limits, each with budgets of its own. A pattern, a prefix and
//! a star, is one set of budgets for every model that matches, and so is a row that is
//! [shared](Row::is_shared). Names match as in [`Builder::model`](crate::Builder::model): a dated snapshot
//! shares the limits of its model.
//!
//! # Example: find what is known of a model
//!
//! ```
//! use tollgate::presets;
//!
//! for preset in presets() {
//!     for row in preset.rows().iter().filter(|row| row.models().contains("gpt-4o-mini")) {
//!         println!("{}: {row} ({}, {}, {})", preset.name(), row.certainty(), row.source(), row.seen());
//!     }
//! }
//! ```

mod anthropic;
mod azure;
mod gateways;
mod google;
mod groq;
mod mistral;
mod near;
mod openai;
mod others;
mod row;
mod xai;

pub use row::{Certainty, Dialect, Row};

const TABLES: &[&[Preset]] = &[
    anthropic::PRESETS,
    azure::PRESETS,
    gateways::PRESETS,
    google::PRESETS,
    groq::PRESETS,
    mistral::PRESETS,
    openai::PRESETS,
    others::PRESETS,
    xai::PRESETS,
];

/// One tier of one provider.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    name: &'static str,
    about: &'static str,
    /// Models that are not in a row are refused by the provider.
    allow_list: bool,
    /// What all models share beside their own limits, but for rows that are apart.
    account: Option<Row>,
    rows: &'static [Row],
}

/// What a preset is where it says nothing else.
const PLAIN: Preset = Preset { name: "", about: "", allow_list: false, account: None, rows: &[] };

/// Every preset, one provider after the other.
pub fn presets() -> impl Iterator<Item = &'static Preset> {
    TABLES.iter().copied().flatten()
}

impl Preset {
    /// The preset of this name, such as `openai/tier1`.
    ///
    /// # Errors
    ///
    /// If there is none: with the names that are nearest, and all.
    pub fn named(name: &str) -> Result<&'static Preset, UnknownPreset> {
        presets().find(|preset| preset.name == name).ok_or_else(|| {
            let known: Vec<&str> = presets().map(|preset| preset.name).collect();
            UnknownPreset::Name { name: name.to_owned(), near: near::nearest(name, &known), known }
        })
    }

    /// Provider and tier: `openai/tier1`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The provider: `openai`.
    pub fn provider(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(provider, _)| provider)
    }

    /// The tier: `tier1`.
    pub fn tier(&self) -> &'static str {
        self.name.split_once('/').map_or("", |(_, tier)| tier)
    }

    /// What to know before using it, in a sentence or two.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Whether the provider refuses every model that no row names. Otherwise such models have limits, too, but
    /// they are not known here.
    pub fn is_allow_list(&self) -> bool {
        self.allow_list
    }

    /// What it allows to which models.
    pub fn rows(&self) -> &'static [Row] {
        self.rows
    }

    /// What all its models share beside their own limits, but for rows that are [apart](Row::is_apart).
    pub fn account(&self) -> Option<&Row> {
        self.account.as_ref()
    }

    /// The names and patterns of its models.
    pub fn models(&self) -> Vec<&'static str> {
        self.rows.iter().flat_map(Row::names).collect()
    }
}

/// A preset that is not there, or that knows no limits of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownPreset {
    /// There is no preset of this name.
    #[error("{name}: no such preset; there are {}", .known.join(", "))]
    Name {
        /// The name.
        name: String,
        /// The names that are most like it, the nearest first; may be empty.
        near: Vec<&'static str>,
        /// Every name.
        known: Vec<&'static str>,
    },
    /// The preset does not name the model.
    #[error("{model}: the preset {preset} {} {}", if *.allow_list { "allows only" } else { "knows only" }, .known.join(", "))]
    Model {
        /// The preset.
        preset: &'static str,
        /// The model asked for.
        model: String,
        /// Whether the provider refuses models that are not named; otherwise their limits are not known.
        allow_list: bool,
        /// The names and patterns of its models.
        known: Vec<&'static str>,
    },
}
