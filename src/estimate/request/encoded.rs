//! Bytes that a request carries as base64: how many they are, and what they begin with.
//!
//! Never more is decoded than is looked at, so that a request of 50 MB costs as much as one of 1 MB.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// As lenient as the APIs: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Bytes of the longest beginning of a data URL, up to its comma.
const LONGEST_HEAD: usize = 256;

/// What a base64 string stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded<'a> {
    /// Such as `image/png`; empty where it is not said.
    pub(super) media: &'a str,
    data: &'a str,
}

impl<'a> Encoded<'a> {
    pub(super) fn new(media: &'a str, data: &'a str) -> Self {
        Self { media, data }
    }

    /// The content of `data:image/png;base64,...`. Anything else, such as an address, has none.
    pub(super) fn of_url(url: &'a str) -> Option<Self> {
        let head_end = url.bytes().take(LONGEST_HEAD).position(|byte| byte == b',')?;
        let (head, data) = (url.get(..head_end)?, url.get(head_end + 1..)?);
        let scheme = head.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"))?;
        let mut parameters = head[scheme.len()..].split(';');
        let media = parameters.next().unwrap_or_default();
        let encoded = parameters.any(|it| it.trim().eq_ignore_ascii_case("base64"));
        encoded.then_some(Self { media, data })
    }

    /// The string itself, where it is no base64 after all.
    pub(super) fn as_text(self) -> &'a str {
        self.data
    }

    /// How many bytes it stands for, but for padding and line ends.
    pub(super) fn bytes(self) -> u64 {
        self.data.len() as u64 / 4 * 3
    }

    /// The first bytes, about `limit` of them at most; none where they are no base64.
    pub(super) fn start(self, limit: usize) -> Vec<u8> {
        let longest = self.data.len().min(limit.div_ceil(3) * 4);
        let taken = self.data.as_bytes()[..longest].iter().copied();
        let mut digits: Vec<u8> = taken.filter(|byte| !byte.is_ascii_whitespace()).collect();
        // Four digits are three bytes; a cut between them has no meaning.
        digits.truncate(digits.len() / 4 * 4);
        BASE64.decode(digits).unwrap_or_default()
    }
}
