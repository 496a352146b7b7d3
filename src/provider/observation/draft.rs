//! The fields `RateLimit` and `RateLimit-Policy` of the IETF draft, which are structured fields.
//!
//! github.com/ietf-wg-httpapi/ratelimit-headers, after -10, read November 2026; and the forms of its
//! older versions (`limit=10, remaining=9, reset=5` and `10;w=60`), which servers still send.

use std::hash::{DefaultHasher, Hash, Hasher};

use sfv::visitor::{self, Ignored};
use sfv::{BareItemFromInput, KeyRef, Parser};

use super::family::Family;

/// Members of a list beyond these do not count, nor does a field longer than this.
const MEMBERS: usize = 8;
const BYTES: usize = 2_048;

/// One policy, or the level of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Tells policies apart by their names. 0 is the one that older versions do not name.
    pub(super) policy: u64,
    pub(super) limit: Option<u64>,
    /// In seconds.
    pub(super) window: Option<u64>,
    pub(super) remaining: Option<u64>,
    /// In seconds.
    pub(super) reset: Option<u64>,
    /// What is counted: requests, unless a policy says otherwise; `None` is something else.
    pub(super) family: Option<Family>,
}

/// The members of a field; of a malformed one none, as the draft demands.
#[derive(Debug, Default)]
pub(super) struct Members {
    all: [Member; MEMBERS],
    len: usize,
}

impl Members {
    pub(super) fn policies(text: &str) -> Self {
        Members::read(text, |member| member.limit.is_some())
    }

    pub(super) fn levels(text: &str) -> Self {
        Members::read(text, |member| member.remaining.is_some())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.all.iter().take(self.len)
    }

    fn read(text: &str, required: fn(&Member) -> bool) -> Self {
        if text.len() > BYTES {
            return Members::default();
        }
        let list = || Parser::new(text).parse_list_with_visitor(Members::default());
        let dictionary = || Parser::new(text).parse_dictionary_with_visitor(Unnamed(Member::default()));
        let found = list().or_else(|_| dictionary()).unwrap_or_default();
        if found.iter().all(required) { found } else { Members::default() }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not as the draft says")]
pub(super) struct Malformed;

impl<'de> visitor::ListVisitor<'de> for Members {
    type Out = Members;
    type Error = Malformed;

    fn entry(&mut self) -> Result<impl visitor::EntryVisitor<'de>, Malformed> {
        let place = self.all.get_mut(self.len);
        self.len += usize::from(place.is_some());
        Ok(Entry(place))
    }

    fn finish(self) -> Result<Members, Malformed> {
        Ok(self)
    }
}

/// A place for a member, or none for a member too many.
struct Entry<'a>(Option<&'a mut Member>);

impl<'de> visitor::EntryVisitor<'de> for Entry<'_> {
    type Error = Malformed;

    fn item(self) -> Result<impl visitor::ItemVisitor<'de>, Malformed> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl visitor::InnerListVisitor<'de>, Malformed> {
        Err::<Ignored, _>(Malformed)
    }
}

impl<'de> visitor::ItemVisitor<'de> for Entry<'_> {
    type Out = ();
    type Error = Malformed;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl visitor::ParameterVisitor<'de, Out = ()>, Malformed> {
        let mut member = Member { family: Some(Family::Requests), ..Member::default() };
        match &item {
            BareItemFromInput::String(name) => {
                let mut hash = DefaultHasher::new();
                name.as_str().hash(&mut hash);
                member.policy = hash.finish() | 1;
            }
            BareItemFromInput::Integer(_) => member.limit = Some(whole(&item)?),
            _ => return Err(Malformed),
        }
        Ok(Parameters(self.0.map(|place| {
            *place = member;
            place
        })))
    }
}

struct Parameters<'a>(Option<&'a mut Member>);

impl<'de> visitor::ParameterVisitor<'de> for Parameters<'_> {
    type Out = ();
    type Error = Malformed;

    fn parameter(&mut self, key: &'de KeyRef, value: BareItemFromInput<'de>) -> Result<(), Malformed> {
        let Some(member) = &mut self.0 else { return Ok(()) };
        match key.as_str() {
            "q" => member.limit = Some(whole(&value)?),
            "w" => member.window = Some(whole(&value)?),
            "r" => member.remaining = Some(whole(&value)?),
            "t" => member.reset = Some(whole(&value)?),
            "qu" => member.family = counted(&value)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Malformed> {
        Ok(())
    }
}

/// What a policy counts. The draft registers no unit for tokens; those who use its fields for them
/// can only mean this.
fn counted(unit: &BareItemFromInput<'_>) -> Result<Option<Family>, Malformed> {
    let BareItemFromInput::String(unit) = unit else { return Err(Malformed) };
    Ok(match unit.as_str() {
        "concurrent-requests" => Some(Family::InFlight),
        unit => Family::named(unit),
    })
}

fn whole(value: &BareItemFromInput<'_>) -> Result<u64, Malformed> {
    let BareItemFromInput::Integer(number) = value else { return Err(Malformed) };
    u64::try_from(i64::from(*number)).map_err(|_| Malformed)
}

/// `limit=10, remaining=9, reset=5`.
struct Unnamed(Member);

impl<'de> visitor::DictionaryVisitor<'de> for Unnamed {
    type Out = Members;
    type Error = Malformed;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl visitor::EntryVisitor<'de>, Malformed> {
        Ok(match key.as_str() {
            "limit" => Number(Some(&mut self.0.limit)),
            "remaining" => Number(Some(&mut self.0.remaining)),
            "reset" => Number(Some(&mut self.0.reset)),
            _ => Number(None),
        })
    }

    fn finish(self) -> Result<Members, Malformed> {
        let mut found = Members { len: 1, ..Members::default() };
        found.all[0] = Member { family: Some(Family::Requests), ..self.0 };
        Ok(found)
    }
}

struct Number<'a>(Option<&'a mut Option<u64>>);

impl<'de> visitor::EntryVisitor<'de> for Number<'_> {
    type Error = Malformed;

    fn item(self) -> Result<impl visitor::ItemVisitor<'de>, Malformed> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl visitor::InnerListVisitor<'de>, Malformed> {
        Err::<Ignored, _>(Malformed)
    }
}

impl<'de> visitor::ItemVisitor<'de> for Number<'_> {
    type Out = ();
    type Error = Malformed;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl visitor::ParameterVisitor<'de, Out = ()>, Malformed> {
        if let Some(place) = self.0 {
            *place = Some(whole(&item)?);
        }
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_levels_find_each_other_by_name() {
        let policies = Members::policies(r#""fast";q=20;w=1, "slow";q=900;w=3600;pk=:aGk=:;x=?1"#);
        let levels = Members::levels(r#""slow";r=44;t=1200"#);
        let [fast, slow] = [0, 1].map(|at| policies.all[at]);
        assert_eq!((policies.len, fast.limit, fast.window), (2, Some(20), Some(1)));
        assert_eq!((slow.limit, slow.window), (Some(900), Some(3_600)));
        let level = levels.all[0];
        assert_eq!((levels.len, level.remaining, level.reset), (1, Some(44), Some(1_200)));
        assert!(level.policy == slow.policy && level.policy != fast.policy);
    }

    #[test]
    fn a_malformed_field_says_nothing_at_all() {
        for text in [
            "",
            r#""a";"b";q=10;w=5"#,
            r#""a";q=10, "b";w=5"#,
            r#""a";q=-1"#,
            r#""a";q=ten"#,
            r#""a";q=10;w=1.5"#,
            r#""a";q=10, b;q=10"#,
            r#"("a" "b");q=10"#,
            r#""a";q=9999999999999999"#,
            r#""a";q=10,"#,
        ] {
            assert_eq!(Members::policies(text).len, 0, "{text}");
        }
        assert_eq!(Members::policies(&format!("\"{}\";q=1", "a".repeat(BYTES))).len, 0);
    }

    #[test]
    fn what_is_counted_is_requests_unless_said() {
        let text =
            r#""a";q=1, "b";q=2;qu="concurrent-requests", "c";q=3;qu="content-bytes", "d";q=4;qu="tokens""#;
        let families: Vec<_> = Members::policies(text).iter().map(|member| member.family).collect();
        let expected = [Some(Family::Requests), Some(Family::InFlight), None, Some(Family::Tokens)];
        assert_eq!(families, expected);
    }

    #[test]
    fn older_versions_are_read_too() {
        let level = Members::levels("limit=10, remaining=9, reset=4, other=1").all[0];
        assert_eq!((level.limit, level.remaining, level.reset), (Some(10), Some(9), Some(4)));
        let policy = Members::policies("10;w=60").all[0];
        assert_eq!((policy.policy, policy.limit, policy.window), (0, Some(10), Some(60)));
        assert_eq!(Members::levels("limit=10, remaining=(9)").len, 0);
    }

    #[test]
    fn a_long_list_is_cut() {
        let text: Vec<String> = (0..40).map(|at| format!("\"p{at}\";q={at}")).collect();
        assert_eq!(Members::policies(&text.join(", ")).len, MEMBERS);
    }
}
