//! Which names a person may have meant.

const MOST: usize = 5;

/// The presets of the provider that is named, or those whose names differ in few letters, nearest first.
pub(super) fn nearest(name: &str, known: &[&'static str]) -> Vec<&'static str> {
    let name = name.trim().to_lowercase();
    let provider = name.split('/').next().unwrap_or_default();
    let far = |known: &str| match known.split('/').next() == Some(provider) {
        true => 0,
        false => distance(provider, known.split('/').next().unwrap_or_default()).min(distance(&name, known)),
    };
    let mut near: Vec<_> = known.iter().map(|known| (far(known), distance(&name, known), *known)).collect();
    near.retain(|&(far, ..)| far <= 2);
    near.sort();
    near.into_iter().take(MOST).map(|(.., known)| known).collect()
}

/// How many letters must be put in, left out or changed to make one of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("openai/tier1", "openai/tier1"), 0);
    }
}
