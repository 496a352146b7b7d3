//! Server-sent events, whatever the pieces they come in (html.spec.whatwg.org/multipage/server-sent-events.html,
//! read November 2026).

use super::text::Text;

/// Takes the data of each event out of a stream. Of all else it holds nothing.
#[derive(Debug, Default)]
pub(super) struct Events {
    at: At,
    /// The field's name; longer ones are none that is looked for.
    name: Name,
    /// The event's data so far.
    data: Text,
    has_data: bool,
    /// A line feed that follows belongs to the same end of line.
    after_return: bool,
}

/// Where in a line the next byte lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Name,
    /// After the colon of `data`: one space does not count.
    Space,
    Data,
    /// In a field that does not matter, or a comment.
    Other,
}

const MARK: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data";

#[derive(Clone, Copy, Debug, Default)]
struct Name {
    bytes: [u8; MARK.len() + DATA.len()],
    len: usize,
}

impl Name {
    fn push(&mut self, more: &[u8]) {
        let room = self.bytes.iter_mut().skip(self.len);
        room.zip(more).for_each(|(place, byte)| *place = *byte);
        self.len = self.len.saturating_add(more.len());
    }

    /// A byte order mark may stand before the first line; before another it does no harm.
    fn is_data(&self) -> bool {
        let name = self.bytes.get(..self.len).unwrap_or_default();
        name.strip_prefix(MARK).unwrap_or(name) == DATA
    }
}

impl Events {
    /// Goes on with the next bytes; calls `event` with the data of each event that is complete.
    pub(super) fn see(&mut self, mut chunk: &[u8], event: &mut dyn FnMut(&Text)) {
        while !chunk.is_empty() {
            if std::mem::take(&mut self.after_return) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.part(chunk);
                return;
            };
            self.part(&chunk[..end]);
            self.after_return = chunk[end] == b'\r';
            self.line_ends(event);
            chunk = &chunk[end + 1..];
        }
    }

    /// The stream has ended. What is not closed by an empty line counts all the same: some relays leave
    /// it out, and half an event is no JSON.
    pub(super) fn finish(&mut self, event: &mut dyn FnMut(&Text)) {
        self.line_ends(event);
        self.event_ends(event);
    }

    fn part(&mut self, line: &[u8]) {
        match self.at {
            At::Name => match line.iter().position(|byte| *byte == b':') {
                Some(colon) => {
                    self.name.push(&line[..colon]);
                    self.at = if self.name.is_data() { At::Space } else { At::Other };
                    self.part(&line[colon + 1..]);
                }
                None => self.name.push(line),
            },
            At::Space if !line.is_empty() => {
                self.begin_data();
                self.data.push(line.strip_prefix(b" ").unwrap_or(line));
            }
            At::Data => self.data.push(line),
            At::Space | At::Other => {}
        }
    }

    fn begin_data(&mut self) {
        self.at = At::Data;
        if self.has_data {
            self.data.push(b"\n");
        }
        self.has_data = true;
    }

    fn line_ends(&mut self, event: &mut dyn FnMut(&Text)) {
        match self.at {
            At::Name if self.name.len == 0 => self.event_ends(event),
            At::Name if !self.name.is_data() => {}
            At::Name | At::Space => self.begin_data(),
            At::Data | At::Other => {}
        }
        (self.at, self.name) = (At::Name, Name::default());
    }

    fn event_ends(&mut self, event: &mut dyn FnMut(&Text)) {
        if self.has_data {
            event(&self.data);
            self.data.clear();
            self.has_data = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut all = Vec::new();
        let mut take = |data: &Text| all.push(String::from_utf8_lossy(data.tail()).into_owned());
        let mut events = Events::default();
        chunks.into_iter().for_each(|chunk| events.see(chunk, &mut take));
        events.finish(&mut take);
        all
    }

    fn whole(stream: &str) -> Vec<String> {
        read([stream.as_bytes()])
    }

    #[test]
    fn data_is_read_whatever_ends_the_lines_and_whatever_stands_beside_it() {
        assert_eq!(whole("data: a\n\ndata:b\r\n\r\ndata: c\r\rdata:  d"), ["a", "b", "c", " d"]);
        assert_eq!(whole("\u{feff}data: a\n\n: comment\nevent: x\nid: 1\ndata: b\nretry: 5\n\n"), ["a", "b"]);
        assert_eq!(whole("data: a\r\ndata: b\r\n\r\ndata: c\rdata: d\r\r"), ["a\nb", "c\nd"]);
        assert_eq!(whole("data: a\ndata:\ndata\ndata: b\n\n"), ["a\n\n\nb"]);
        assert_eq!(whole("database: a\ndat: b\n data: c\nDATA: d\n\n"), [""; 0]);
        assert_eq!(whole("data\n\ndata:\n\n\n\n"), ["", ""]);
        assert_eq!(whole("data: a:b: c\n\n"), ["a:b: c"]);
        assert_eq!(whole(""), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_split_of_any_stream_gives_the_same_events(
            lines in prop::collection::vec(
                prop_oneof![
                    Just("data: {\"a\": 1}".to_owned()), Just(String::new()), Just("\u{feff}data:x".to_owned()),
                    Just(": c".to_owned()), "(data|event|dat|id)?:? ?[a-c: ]{0,6}",
                ],
                0..12,
            ),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), *end]).collect();
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
            prop_assert_eq!(read(pieces), whole(&stream));
            prop_assert_eq!(read(bytes.chunks(1)), whole(&stream));
        }
    }
}
