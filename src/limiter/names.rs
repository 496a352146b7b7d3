//! From the name a request says to the model whose limits it shares.

use std::collections::HashMap;

use crate::error::BuildError;

/// Exact names first, then the name without its date, then the longest pattern, then the fallback.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: HashMap<String, usize>,
    /// Prefixes, longest first.
    prefixes: Vec<(String, usize)>,
    fallback: Option<usize>,
}

impl Names {
    /// Lets `name`, or every name that begins with `name` up to its star, stand for a model.
    pub(super) fn add(&mut self, name: &str, model: usize, of: &[String]) -> Result<(), BuildError> {
        let stem = name.strip_suffix('*');
        if stem.unwrap_or(name).contains('*') {
            return Err(BuildError::Pattern { pattern: name.to_owned() });
        }
        let taken = match stem {
            Some(prefix) => {
                let taken = self.prefixes.iter().find(|(known, _)| known == prefix).map(|known| known.1);
                self.prefixes.push((prefix.to_owned(), model));
                self.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
                taken
            }
            None => self.exact.insert(name.to_owned(), model),
        };
        match taken {
            Some(other) => Err(BuildError::Ambiguous {
                name: name.to_owned(),
                first: of[other].clone(),
                second: of[model].clone(),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn fall_back(&mut self, model: usize) {
        self.fallback = Some(model);
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.find_configured(name).or(self.fallback)
    }

    /// As `find`, without the fallback.
    pub(super) fn find_configured(&self, name: &str) -> Option<usize> {
        let exact = |name: &str| self.exact.get(name).copied();
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|it| it.1);
        exact(name).or_else(|| exact(without_date(name)?)).or_else(by_prefix)
    }

    pub(super) fn all(&self) -> Vec<String> {
        let patterns = self.prefixes.iter().map(|(prefix, _)| format!("{prefix}*"));
        let mut all: Vec<String> = self.exact.keys().cloned().chain(patterns).collect();
        all.sort();
        all
    }
}

/// `gpt-4o-mini` of `gpt-4o-mini-2024-07-18`, `claude-sonnet-4` of `claude-sonnet-4-20250514`: a dated
/// snapshot of a model shares its limits.
fn without_date(name: &str) -> Option<&str> {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let (stem, last) = name.rsplit_once('-')?;
    if digits(last, 8) {
        return Some(stem);
    }
    let (stem, month) = stem.rsplit_once('-')?;
    let (stem, year) = stem.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let of = ["small".to_owned(), "large".to_owned()];
        let mut names = Names::default();
        names.add("gpt-4o-mini", 0, &of).unwrap();
        names.add("gpt-4o*", 1, &of).unwrap();
        names
    }

    #[test]
    fn a_dated_snapshot_shares_the_limits_of_its_model() {
        assert_eq!(without_date("gpt-4o-mini-2024-07-18"), Some("gpt-4o-mini"));
        assert_eq!(without_date("claude-sonnet-4-20250514"), Some("claude-sonnet-4"));
        assert_eq!(without_date("gpt-4-0613"), None);
        assert_eq!(without_date("text-embedding-3-small"), None);
    }

    #[test]
    fn an_exact_name_goes_before_a_date_and_a_date_before_a_pattern() {
        assert_eq!(names().find("gpt-4o-mini"), Some(0));
        assert_eq!(names().find("gpt-4o-audio"), Some(1));
        assert_eq!(names().find("gpt-4o-mini-2024-07-18"), Some(0));
        assert_eq!(names().find("o3"), None);
    }

    #[test]
    fn a_star_is_only_understood_at_the_end() {
        let error = names().add("gpt-*-mini", 0, &["small".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "gpt-*-mini: a pattern is a prefix and one star at its end");
    }
}
