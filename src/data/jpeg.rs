//! What a JPEG's segments tell before it is decoded.

use memchr::memchr;

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Survey<'a> {
    /// Whether its own data has its end marker: a decoder fills what is missing with grey.
    pub ended: bool,
    /// The EXIF block, without its name.
    pub exif: Option<&'a [u8]>,
}

/// Walks the segments, since an embedded thumbnail has an end marker as well, and a telephone may append a film.
pub(super) fn survey(jpeg: &[u8]) -> Survey<'_> {
    const APP1: u8 = 0xE1;
    const END: u8 = 0xD9;
    let mut found = Survey::default();
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let Some(at) = memchr(0xFF, rest) {
        rest = &rest[at + 1..];
        match rest.first() {
            // A zero or a restart belongs to the data, and another 0xFF only fills.
            None | Some(0x00 | 0xD0..=0xD7 | 0xFF) => continue,
            Some(&END) => return Survey { ended: true, ..found },
            Some(&marker) => {
                let Some(&[high, low]) = rest[1..].first_chunk() else { break };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let segment = &rest[1..];
                if marker == APP1 {
                    let block = segment.get(2..length).and_then(|block| block.strip_prefix(b"Exif\0\0"));
                    found.exif = found.exif.or(block);
                }
                rest = segment.get(length..).unwrap_or_default();
            }
        }
    }
    found
}
