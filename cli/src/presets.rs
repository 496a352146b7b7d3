//! `tollgate presets`: what is known of providers' limits, to list and to search.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tollgate::presets::{Preset, Row};
use tollgate::{Limits, presets};

use crate::{Exit, args};

/// Models that take more room than this have a line to themselves.
const WIDEST: usize = 44;

/// Prints what matches.
pub(crate) fn run(args: &args::Presets) -> Result<Exit> {
    let found = found(args.search.as_deref().unwrap_or_default());
    if found.is_empty() {
        let search = args.search.as_deref().unwrap_or_default();
        bail!("{search}: no preset, and no model of one, has this in its name; see `tollgate presets`");
    }
    let text = if args.json {
        let listed: Vec<Value> = found.iter().map(|(preset, rows)| to_json(preset, rows)).collect();
        serde_json::to_string_pretty(&listed)? + "\n"
    } else {
        found.iter().map(|(preset, rows)| table(preset, rows)).collect::<Vec<_>>().join("\n")
    };
    crate::print(&text)?;
    Ok(Exit::Complete)
}

/// Presets and those of their rows where each word of `search` is in the preset's name or in a model's, or is the
/// name of a model that a pattern stands for.
fn found(search: &str) -> Vec<(&'static Preset, Vec<&'static Row>)> {
    let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
    let stands_for = |name: &str, word: &str| {
        let prefix = name.strip_suffix('*').filter(|prefix| !prefix.is_empty());
        prefix.is_some_and(|prefix| word.starts_with(&prefix.to_lowercase()))
    };
    let fits = |preset: &Preset, row: &Row, word: &str| {
        preset.name().contains(word)
            || row.names().any(|name| name.to_lowercase().contains(word) || stands_for(name, word))
    };
    let rows = |preset: &'static Preset| -> Vec<&'static Row> {
        preset.rows().iter().filter(|row| words.iter().all(|word| fits(preset, row, word))).collect()
    };
    presets().map(|preset| (preset, rows(preset))).filter(|(_, rows)| !rows.is_empty()).collect()
}

/// The preset, its rows in columns, and below them where they stand.
fn table(preset: &Preset, rows: &[&Row]) -> String {
    let mut text =
        format!("{}{}\n", preset.name(), if preset.is_allow_list() { " (these models only)" } else { "" });
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {}", preset.about());
    let limits: Vec<String> = rows.iter().map(|row| row.limits().to_string()).collect();
    let wide =
        |lengths: &mut dyn Iterator<Item = usize>| lengths.filter(|&it| it <= WIDEST).max().unwrap_or(0);
    let models = wide(&mut rows.iter().map(|row| row.models().len()));
    let widest = limits.iter().map(String::len).max().unwrap_or(0);
    let sources: Vec<&str> = rows.iter().map(|row| row.source()).fold(Vec::new(), |mut known, source| {
        if !known.contains(&source) {
            known.push(source);
        }
        known
    });
    for (row, limits) in rows.iter().zip(&limits) {
        let source = sources.iter().position(|source| *source == row.source()).unwrap_or(0) + 1;
        let (certainty, seen) = (row.certainty(), row.seen());
        if row.models().len() > models {
            let _ = writeln!(text, "  {}", row.models());
            let _ =
                writeln!(text, "  {:models$}  {limits:widest$}  {certainty:12}  {seen:10}  [{source}]", "");
        } else {
            let name = row.models();
            let _ =
                writeln!(text, "  {name:models$}  {limits:widest$}  {certainty:12}  {seen:10}  [{source}]");
        }
        if row.is_shared() {
            let _ = writeln!(text, "    shared by all of these");
        }
        if !row.note().is_empty() {
            let _ = writeln!(text, "    {}", row.note());
        }
    }
    if let Some(account) = preset.account() {
        let _ = writeln!(text, "  all models together, but for embeddings: {}", account.limits());
    }
    for (index, source) in sources.iter().enumerate() {
        let _ = writeln!(text, "  [{}] {source}", index + 1);
    }
    text
}

fn to_json(preset: &Preset, rows: &[&Row]) -> Value {
    let row = |row: &&Row| {
        json!({
            "models": row.names().collect::<Vec<_>>(),
            "shared": row.is_shared(),
            "limits": row.limits(),
            "headers": row.dialect().word(),
            "certainty": row.certainty().word(),
            "source": row.source(),
            "seen": row.seen(),
            "note": row.note(),
        })
    };
    json!({
        "preset": preset.name(),
        "about": preset.about(),
        "allow_list": preset.is_allow_list(),
        "shared_by_all": preset.account().map(Row::limits) as Option<Limits>,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(search: &str) -> Vec<&'static str> {
        found(search).iter().map(|(preset, _)| preset.name()).collect()
    }

    #[test]
    fn a_search_looks_at_providers_tiers_and_models_in_any_case() {
        assert_eq!(found("").len(), presets().count());
        assert!(names("OpenAI").contains(&"openai/tier1") && !names("OpenAI").contains(&"mistral/free"));
        assert!(names("TIER1").iter().all(|name| name.contains("tier1")));
        assert!(names("GPT-4o-Mini").contains(&"laozhang/default"));
        assert!(names("claude-opus-4-1").contains(&"anthropic/scale"), "a pattern stands for it");
        assert_eq!(names("tier1 haiku"), ["anthropic/tier1"]);
        assert_eq!(names("nothing like it"), [""; 0]);
        let (_, rows) = found("openai/tier1 gpt-5-nano").remove(0);
        assert_eq!(rows.iter().map(|row| row.models()).collect::<Vec<_>>(), ["gpt-5-nano"]);
    }

    #[test]
    fn a_table_shows_models_limits_source_and_date() {
        let found = found("openai/standard");
        let text = table(found[0].0, &found[0].1);
        for shown in ["gpt-4o-mini", "RPM 60, TPM 200000", "contradicted", "2026-11", "[1] aifreeapi.com"] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
    }
}
