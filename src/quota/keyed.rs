//! Reading maps so that every error names its key, whatever the format.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Reads the value of `key`; an error says which key it was.
pub(crate) fn value<'de, T: Deserialize<'de>, M: MapAccess<'de>>(
    map: &mut M,
    key: &str,
) -> Result<T, M::Error> {
    map.next_value().map_err(|error| M::Error::custom(format_args!("{key}: {error}")))
}

/// Stores the value of `key`, once.
pub(crate) fn put<'de, T: Deserialize<'de>, M: MapAccess<'de>>(
    slot: &mut Option<T>,
    map: &mut M,
    key: &str,
) -> Result<(), M::Error> {
    if slot.is_some() {
        return Err(M::Error::custom(format_args!("{key}: given twice")));
    }
    *slot = Some(value(map, key)?);
    Ok(())
}

pub(crate) fn unknown<E: Error>(key: &str, known: &[&str]) -> E {
    E::custom(format_args!("{key}: unknown key, expected one of {}", known.join(", ")))
}

/// A map in which no key is given twice.
pub(crate) struct Table<V>(pub(crate) BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for TableVisitor<V> {
            type Value = Table<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Table<V>, M::Error> {
                let mut table = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let value = value(&mut map, &key)?;
                    if table.insert(key.clone(), value).is_some() {
                        return Err(M::Error::custom(format_args!("{key}: given twice")));
                    }
                }
                Ok(Table(table))
            }
        }

        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}
