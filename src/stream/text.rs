/// The most that is held of an event or an answer, in bytes.
const LONGEST: usize = 256 * 1_024;
/// What is kept of a longer one, from its end.
const TAIL: usize = 16 * 1_024;

/// Bytes that arrive piece by piece, up to a length; beyond, their end.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    cut: bool,
}

impl Text {
    pub(super) fn push(&mut self, more: &[u8]) {
        if !self.cut && self.bytes.len() + more.len() <= LONGEST {
            self.bytes.extend_from_slice(more);
            return;
        }
        self.bytes.extend_from_slice(&more[more.len().saturating_sub(TAIL)..]);
        if !self.cut || self.bytes.len() > 2 * TAIL {
            self.bytes.drain(..self.bytes.len().saturating_sub(TAIL));
        }
        if !self.cut {
            self.bytes.shrink_to(3 * TAIL);
            self.cut = true;
        }
    }

    /// All of it, unless it was too long.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        (!self.cut).then_some(&*self.bytes)
    }

    /// The end of it; where it is cut does not depend on the pieces it came in.
    pub(super) fn tail(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(TAIL)..]
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_held_up_to_a_length_and_beyond_only_its_end() {
        let bytes: Vec<u8> = (0..LONGEST + 70_001).map(|at| (at % 251) as u8).collect();
        for piece in [1, 7, TAIL - 1, TAIL, 3 * TAIL + 1, LONGEST, bytes.len()] {
            let mut text = Text::default();
            for chunk in bytes[..LONGEST].chunks(piece) {
                text.push(chunk);
            }
            assert_eq!(text.whole(), Some(&bytes[..LONGEST]), "in pieces of {piece}");
            let mut text = Text::default();
            for chunk in bytes.chunks(piece) {
                text.push(chunk);
                assert!(text.bytes.capacity() <= 2 * LONGEST, "holds {}", text.bytes.capacity());
            }
            assert_eq!(text.whole(), None);
            assert_eq!(text.tail(), &bytes[bytes.len() - TAIL..], "in pieces of {piece}");
            assert!(text.bytes.capacity() <= 4 * TAIL, "holds {}", text.bytes.capacity());
        }
    }
}
