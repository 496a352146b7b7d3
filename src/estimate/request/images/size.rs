//! How large a picture is, from its first bytes.

use std::io::Cursor;

use imagesize::ImageType;

use super::super::encoded::Encoded;

/// Bytes in which nearly every picture says how large it is.
const HEADER: usize = 1 << 10;
/// Bytes that are looked at where the header is longer: a JPEG may carry previews, colour profiles and
/// depth maps before it says how large it is.
const LONG_HEADER: usize = 3 << 18;

/// Pixels of a picture. Neither side is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::estimate) struct Size {
    pub(in crate::estimate) width: u64,
    pub(in crate::estimate) height: u64,
}

impl Size {
    /// Sides beyond what any format can say are cut to it.
    pub(in crate::estimate) fn new(width: u64, height: u64) -> Option<Self> {
        let side = |pixels: u64| (pixels > 0).then(|| pixels.min(u32::MAX.into()));
        Some(Self { width: side(width)?, height: side(height)? })
    }

    pub(super) fn longest(self) -> u64 {
        self.width.max(self.height)
    }

    /// As it is after fitting into a square, the ratio kept.
    pub(super) fn within(self, side: u64) -> Self {
        self.scaled(side.min(self.longest()), self.longest())
    }

    /// Times `numerator / denominator`, cut to whole pixels.
    pub(super) fn scaled(self, numerator: u64, denominator: u64) -> Self {
        let side = |pixels: u64| (pixels * numerator / denominator).max(1);
        Self { width: side(self.width), height: side(self.height) }
    }
}

/// The size that a picture's own header says: PNG, JPEG, GIF or WebP.
pub(in crate::estimate) fn of(picture: Encoded<'_>) -> Option<Size> {
    read(&picture.start(HEADER)).or_else(|| read(&picture.start(LONG_HEADER)))
}

fn read(start: &[u8]) -> Option<Size> {
    let mut start = Cursor::new(start);
    let kind = imagesize::reader_type(&mut start).ok()?;
    // Another crate of the same program may have turned on further formats of `imagesize`: the APIs take
    // these four.
    if !matches!(kind, ImageType::Png | ImageType::Jpeg | ImageType::Gif | ImageType::Webp) {
        return None;
    }
    let size = kind.reader_size(&mut start).ok()?;
    Size::new(size.width as u64, size.height as u64)
}
