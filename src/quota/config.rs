//! Limits as people write them in a file, and errors that name the key.
//!
//! Written by hand where `derive` would do, because a derived reader says of `rpm = "fast"` only
//! that a string was found somewhere; which key it was depends on the format's own goodwill.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::keyed::{put, unknown, value};
use super::promise::{DAY, MINUTE};
use super::{Charge, Limits, Oversize, Quota, Rule, Text, Unit, Window};

/// A quota as far as it was written down: the key may imply the unit and the period.
#[derive(Default)]
struct Draft {
    unit: Option<Unit>,
    limit: Option<u64>,
    period: Option<Text>,
    window: Option<Kind>,
    burst: Option<u64>,
    resets_at: Option<Text>,
    guard: Option<Text>,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Refill,
    Fixed,
    Sliding,
}

impl Draft {
    const KEYS: &[&str] = &["unit", "limit", "period", "window", "burst", "resets_at", "guard"];

    /// `otherwise` is the window where the key does not say one.
    fn finish(self, otherwise: Kind) -> Result<Quota, String> {
        let unit = self.unit.ok_or("unit: missing")?;
        let limit = self.limit.ok_or("limit: missing")?;
        let quota = if unit == Unit::InFlight {
            let given = [
                ("period", self.period.is_some()),
                ("window", self.window.is_some()),
                ("burst", self.burst.is_some()),
                ("resets_at", self.resets_at.is_some()),
                ("guard", self.guard.is_some()),
            ];
            if let Some((key, _)) = given.iter().find(|(_, given)| *given) {
                return Err(format!("{key}: calls in flight have a limit and nothing else"));
            }
            Quota::concurrency(limit)
        } else {
            let period = self.period.ok_or("period: missing")?.0;
            let implied = if self.resets_at.is_some() { Kind::Fixed } else { otherwise };
            let kind = self.window.unwrap_or(implied);
            if self.burst.is_some() && kind != Kind::Refill {
                return Err("burst: only a window of kind \"refill\" has one".to_owned());
            }
            if self.resets_at.is_some() && kind != Kind::Fixed {
                return Err("resets_at: only a window of kind \"fixed\" resets".to_owned());
            }
            match kind {
                Kind::Refill => Quota::refill(unit, limit, period).burst(self.burst.unwrap_or(limit)),
                Kind::Fixed => Quota::fixed(unit, limit, period)
                    .resets_at(self.resets_at.map_or_else(Default::default, |text| text.0)),
                Kind::Sliding => Quota::sliding(unit, limit, period),
            }
        };
        let quota = self.guard.map_or(quota, |guard| quota.guard(guard.0));
        quota.validate().map_err(|error| error.to_string())?;
        Ok(quota)
    }
}

impl<'de> Deserialize<'de> for Draft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DraftVisitor;

        impl<'de> Visitor<'de> for DraftVisitor {
            type Value = Draft;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or a table with limit, window, period, burst, resets_at, guard")
            }

            fn visit_u64<E: Error>(self, limit: u64) -> Result<Draft, E> {
                Ok(Draft { limit: Some(limit), ..Draft::default() })
            }

            fn visit_i64<E: Error>(self, limit: i64) -> Result<Draft, E> {
                let limit =
                    u64::try_from(limit).map_err(|_| E::custom(format_args!("{limit} is negative")))?;
                self.visit_u64(limit)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Draft, M::Error> {
                let mut draft = Draft::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "unit" => put(&mut draft.unit, &mut map, &key)?,
                        "limit" => put(&mut draft.limit, &mut map, &key)?,
                        "period" => put(&mut draft.period, &mut map, &key)?,
                        "window" => put(&mut draft.window, &mut map, &key)?,
                        "burst" => put(&mut draft.burst, &mut map, &key)?,
                        "resets_at" => put(&mut draft.resets_at, &mut map, &key)?,
                        "guard" => put(&mut draft.guard, &mut map, &key)?,
                        _ => return Err(unknown(&key, Draft::KEYS)),
                    }
                }
                Ok(draft)
            }
        }

        deserializer.deserialize_any(DraftVisitor)
    }
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Draft::deserialize(deserializer)?.finish(Kind::Refill).map_err(D::Error::custom)
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Quota", Draft::KEYS.len())?;
        fields.serialize_field("unit", &self.unit())?;
        fields.serialize_field("limit", &self.limit())?;
        match self.window() {
            Window::Refill { period, burst } => {
                fields.serialize_field("window", &Kind::Refill)?;
                fields.serialize_field("period", &Text(period))?;
                fields.serialize_field("burst", &burst)?;
            }
            Window::Fixed { period, offset } => {
                fields.serialize_field("window", &Kind::Fixed)?;
                fields.serialize_field("period", &Text(period))?;
                fields.serialize_field("resets_at", &Text(offset))?;
            }
            Window::Sliding { period } => {
                fields.serialize_field("window", &Kind::Sliding)?;
                fields.serialize_field("period", &Text(period))?;
            }
            Window::Held => return fields.end(),
        }
        fields.serialize_field("guard", &Text(self.jitter_guard()))?;
        fields.end()
    }
}

/// Reads the short forms `rpm`, `tpd`, ... and the long form `quotas`.
impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LimitsVisitor;

        impl<'de> Visitor<'de> for LimitsVisitor {
            type Value = Limits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of limits: rpm, rpd, tpm, tpd, itpm, otpm, concurrency, quotas, charge, output_weight, cached_input_is_free, oversize, longest_prompt, learned")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Limits, M::Error> {
                let mut limits = Limits::new();
                let mut seen: Vec<String> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if seen.contains(&key) {
                        return Err(M::Error::custom(format_args!("{key}: given twice")));
                    }
                    match key.as_str() {
                        "charge" => limits.rule.charge = value::<Charge, _>(&mut map, &key)?,
                        "output_weight" => limits.rule.output_weight = value(&mut map, &key)?,
                        "cached_input_is_free" => limits.rule.cached_is_free = value(&mut map, &key)?,
                        "oversize" => limits.oversize = value::<Oversize, _>(&mut map, &key)?,
                        "longest_prompt" => limits.longest_prompt = Some(value::<u64, _>(&mut map, &key)?),
                        "learned" => limits.learned = value(&mut map, &key)?,
                        "quotas" => limits.quotas.extend(value::<Vec<Quota>, _>(&mut map, &key)?),
                        _ => limits.quotas.push(short_form(&mut map, &key)?),
                    }
                    seen.push(key);
                }
                Ok(limits)
            }
        }

        deserializer.deserialize_map(LimitsVisitor)
    }
}

const LIMITS_KEYS: &[&str] = &[
    "rpm",
    "rpd",
    "tpm",
    "tpd",
    "itpm",
    "otpm",
    "concurrency",
    "quotas",
    "charge",
    "output_weight",
    "cached_input_is_free",
    "oversize",
    "longest_prompt",
    "learned",
];

/// `rpm = 60`, or `rpm = { limit = 60, window = "sliding" }`: the key implies unit and period.
fn short_form<'de, M: MapAccess<'de>>(map: &mut M, key: &str) -> Result<Quota, M::Error> {
    let (unit, period, otherwise) = match key {
        "rpm" => (Unit::Requests, Some(MINUTE), Kind::Refill),
        "rpd" => (Unit::Requests, Some(DAY), Kind::Fixed),
        "tpm" => (Unit::Tokens, Some(MINUTE), Kind::Refill),
        "tpd" => (Unit::Tokens, Some(DAY), Kind::Fixed),
        "itpm" => (Unit::InputTokens, Some(MINUTE), Kind::Refill),
        "otpm" => (Unit::OutputTokens, Some(MINUTE), Kind::Refill),
        "concurrency" => (Unit::InFlight, None, Kind::Refill),
        _ => return Err(unknown(key, LIMITS_KEYS)),
    };
    let mut draft: Draft = value(map, key)?;
    if draft.unit.is_some() || (draft.period.is_some() && period.is_some()) {
        return Err(M::Error::custom(format_args!("{key}: unit and period are given by the key")));
    }
    draft.unit = Some(unit);
    draft.period = draft.period.or(period.map(Text));
    draft.finish(otherwise).map_err(|error| M::Error::custom(format_args!("{key}.{error}")))
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Rule { charge, output_weight, cached_is_free } = self.rule;
        let weighs = output_weight != Rule::default().output_weight;
        let optional = [weighs, cached_is_free, self.longest_prompt.is_some(), self.learned];
        let len = 3 + optional.into_iter().filter(|is_there| *is_there).count();
        let mut fields = serializer.serialize_struct("Limits", len)?;
        fields.serialize_field("charge", &charge)?;
        if weighs {
            fields.serialize_field("output_weight", &output_weight)?;
        } else {
            fields.skip_field("output_weight")?;
        }
        if cached_is_free {
            fields.serialize_field("cached_input_is_free", &cached_is_free)?;
        } else {
            fields.skip_field("cached_input_is_free")?;
        }
        fields.serialize_field("oversize", &self.oversize)?;
        match self.longest_prompt {
            Some(tokens) => fields.serialize_field("longest_prompt", &tokens)?,
            None => fields.skip_field("longest_prompt")?,
        }
        if self.learned {
            fields.serialize_field("learned", &true)?;
        }
        fields.serialize_field("quotas", &self.quotas)?;
        fields.end()
    }
}
