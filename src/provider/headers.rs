/// The header fields of an answer, whatever HTTP client it came from.
///
/// Ready-made for slices, arrays and vectors of pairs, and for `http::HeaderMap` with the feature `http`.
///
/// # Example: the fields of a client of one's own
///
/// ```
/// use tollgate::Headers;
///
/// struct Head(Vec<String>); // "name: value"
///
/// impl Headers for Head {
///     fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
///         for (name, value) in self.0.iter().filter_map(|line| line.split_once(": ")) {
///             visit(name, value);
///         }
///     }
/// }
///
/// let head = Head(vec!["Retry-After: 20".to_owned()]);
/// assert_eq!(head.field("retry-after"), Some("20"));
/// ```
pub trait Headers {
    /// Calls `visit` with the name and the value of each field whose value is text. Names may be in any
    /// case; a field that is there twice is visited twice, in its order.
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str));

    /// The first value of the field `name`, in any case, if it is there and is text.
    fn field(&self, name: &str) -> Option<&str> {
        let mut found = None;
        self.each(&mut |key, value| {
            if found.is_none() && key.eq_ignore_ascii_case(name) {
                found = Some(value);
            }
        });
        found
    }
}

impl<N: AsRef<str>, V: AsRef<str>> Headers for [(N, V)] {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        for (name, value) in self {
            visit(name.as_ref(), value.as_ref());
        }
    }
}

impl<N: AsRef<str>, V: AsRef<str>, const LEN: usize> Headers for [(N, V); LEN] {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.as_slice().each(visit);
    }
}

impl<N: AsRef<str>, V: AsRef<str>> Headers for Vec<(N, V)> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.as_slice().each(visit);
    }
}

#[cfg(feature = "http")]
impl Headers for http::HeaderMap {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        for (name, value) in self {
            if let Ok(text) = value.to_str() {
                visit(name.as_str(), text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_whatever_the_case_of_its_name() {
        let pairs = [("X-Should-Retry", "true"), ("retry-after", "3"), ("Retry-After", "4")];
        assert_eq!(pairs.field("x-should-retry"), Some("true"));
        assert_eq!(pairs.to_vec().field("RETRY-AFTER"), Some("3"));
        assert_eq!(pairs.field("date"), None);
    }

    #[cfg(feature = "http")]
    #[test]
    fn fields_of_the_http_crate_are_read_where_they_are_text() {
        let mut map = http::HeaderMap::new();
        map.insert("retry-after", "3".parse().unwrap());
        map.insert("x-other", http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!((map.field("Retry-After"), map.field("x-other")), (Some("3"), None));
    }
}
