//! A limiter as people write it in a file, and errors that name the key.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Builder, Group};
use crate::quota::{Limits, Table, Waiting, put, unknown};

impl<'de> Deserialize<'de> for Builder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BuilderVisitor;

        impl<'de> Visitor<'de> for BuilderVisitor {
            type Value = Builder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with preset, models, groups, aliases, fallback, waiting")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Builder, M::Error> {
                let (mut models, mut groups, mut aliases) = (None, None, None);
                let (mut fallback, mut waiting, mut presets) = (None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "models" => put::<Table<Limits>, _>(&mut models, &mut map, &key)?,
                        "groups" => put::<Table<Group>, _>(&mut groups, &mut map, &key)?,
                        "aliases" => put::<Table<String>, _>(&mut aliases, &mut map, &key)?,
                        "fallback" => put::<Option<String>, _>(&mut fallback, &mut map, &key)?,
                        "preset" => put::<Presets, _>(&mut presets, &mut map, &key)?,
                        "waiting" => put::<Waiting, _>(&mut waiting, &mut map, &key)?,
                        _ => {
                            let known = ["preset", "models", "groups", "aliases", "fallback", "waiting"];
                            return Err(unknown(&key, &known));
                        }
                    }
                }
                Ok(Builder {
                    presets: presets.map_or_else(Default::default, |presets| presets.0),
                    models: models.map_or_else(Default::default, |table| table.0),
                    groups: groups.map_or_else(Default::default, |table| table.0),
                    aliases: aliases.map_or_else(Default::default, |table| table.0),
                    fallback: fallback.flatten(),
                    waiting: waiting.unwrap_or_default(),
                })
            }
        }

        deserializer.deserialize_map(BuilderVisitor)
    }
}

/// The name of a preset, or a list of names.
struct Presets(Vec<String>);

impl<'de> Deserialize<'de> for Presets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PresetsVisitor;

        impl<'de> Visitor<'de> for PresetsVisitor {
            type Value = Presets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a preset, or a list of names")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Presets, E> {
                Ok(Presets(vec![name.to_owned()]))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut names: S) -> Result<Presets, S::Error> {
                let mut presets = Presets(Vec::new());
                while let Some(name) = names.next_element()? {
                    presets.0.push(name);
                }
                Ok(presets)
            }
        }

        deserializer.deserialize_any(PresetsVisitor)
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GroupVisitor;

        impl<'de> Visitor<'de> for GroupVisitor {
            type Value = Group;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with limits, members, models, tenants, weights")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Group, M::Error> {
                let (mut limits, mut members) = (None, None);
                let (mut models, mut tenants, mut weights) = (None, None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "limits" => put::<Limits, _>(&mut limits, &mut map, &key)?,
                        "members" => put::<Vec<String>, _>(&mut members, &mut map, &key)?,
                        "models" => put::<Table<Limits>, _>(&mut models, &mut map, &key)?,
                        "tenants" => put::<Table<Limits>, _>(&mut tenants, &mut map, &key)?,
                        "weights" => put::<Table<u32>, _>(&mut weights, &mut map, &key)?,
                        _ => {
                            let known = ["limits", "members", "models", "tenants", "weights"];
                            return Err(unknown(&key, &known));
                        }
                    }
                }
                Ok(Group {
                    limits: limits.unwrap_or_default(),
                    members: members.unwrap_or_default(),
                    models: models.map_or_else(Default::default, |table| table.0),
                    tenants: tenants.map_or_else(Default::default, |table| table.0),
                    weights: weights.map_or_else(Default::default, |table| table.0),
                })
            }
        }

        deserializer.deserialize_map(GroupVisitor)
    }
}
