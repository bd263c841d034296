//! Tar archives: where each file lies, from their headers alone.
//!
//! Nothing is unpacked. The headers are the `tar` crate's; the walk over them is here, because it has to bound what a
//! header can make it read, to go into an archive within an archive, and to serve streams.

use super::folder::MAX_FILE;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use tar::{EntryType, GnuHeader, Header, PaxExtensions};

/// Tar's unit: headers are a block, contents are padded to blocks.
pub(super) const BLOCK: u64 = 512;
/// Most bytes of an extended header, which holds a long name.
const MAX_EXTENDED: u64 = 1 << 20;
/// Most bytes of a text that is remembered with its place.
const MAX_TEXT: u64 = 256;
/// Most members of an archive that are remembered.
const MAX_MEMBERS: usize = 1 << 27;

/// A file that a walk meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its path in the archive.
    pub name: Box<str>,
    /// Bytes before its contents.
    pub offset: u64,
    /// Bytes of its contents.
    pub length: u64,
}

/// A file of [`Members`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    /// Its path in the archive; in an archive within it, that one's name without `.tar` before.
    pub name: &'a str,
    /// Bytes before its contents.
    pub offset: u64,
    /// Bytes of its contents, at most [`MAX_FILE`].
    pub length: u64,
    /// Its contents where they are a short text, as a WebDataset's labels are; else empty.
    pub text: &'a str,
}

/// The files of an archive in the order it holds them; an open set keeps them, so they lie close.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    records: Vec<Record>,
    /// Each file's name and text.
    words: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    offset: u64,
    /// Where its words begin.
    words: u64,
    length: u32,
    name: u32,
}

impl Members {
    /// Appends a file.
    ///
    /// # Errors
    /// There are too many already.
    pub fn push(&mut self, member: Member) -> Result<(), String> {
        if self.len() >= MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} files in one archive; split it"));
        }
        let (length, name) = (u32::try_from(member.length), u32::try_from(member.name.len()));
        let (Ok(length), Ok(name)) = (length, name) else { return Err("a file of more than 4 GB".to_owned()) };
        self.records.push(Record { offset: member.offset, words: self.words.len() as u64, length, name });
        self.words.push_str(member.name);
        self.words.push_str(member.text);
        Ok(())
    }

    /// Files.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The file at a place from 0.
    pub fn get(&self, place: usize) -> Member<'_> {
        let Record { offset, words, length, name } = self.records[place];
        let end = self.records.get(place + 1).map_or(self.words.len(), |next| next.words as usize);
        let (name, text) = self.words[words as usize..end].split_at(name as usize);
        Member { name, offset, length: u64::from(length), text }
    }

    /// Every file.
    pub fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        (0..self.len()).map(|place| self.get(place))
    }
}

/// Members that no image can be: kinds of them and how many.
pub(super) type Odd = BTreeMap<String, u64>;

/// The headers of an archive, or of the part of a file that holds one, from first to last.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    at: u64,
    /// Bytes of the file up to the archive's end; `u64::MAX` for a stream, whose end is not known.
    end: u64,
    /// Whether the end mark was read.
    done: bool,
    /// What was passed over so far.
    pub odd: Odd,
}

impl Walk {
    /// The archive that lies at `at..end` of a file.
    pub fn new(at: u64, end: u64) -> Self {
        Self { at, end, done: false, odd: Odd::new() }
    }

    /// The next file; `None` after the last. Folders are left out; links, devices, sparse files and names that lead out of
    /// the archive are counted in [`Walk::odd`].
    ///
    /// # Errors
    /// What is wrong with the archive, and where: it is none, is cut short, or states a size it cannot have.
    pub fn next<R: Read + Seek>(&mut self, file: &mut R) -> Result<Option<Entry>, String> {
        if self.done {
            return Ok(None);
        }
        let mut long_name: Option<Vec<u8>> = None;
        let mut extended = Extended::default();
        loop {
            let place = self.at;
            let Some(header) = self.header(file)? else {
                self.done = true;
                return Ok(None);
            };
            let kind = header.entry_type();
            let stated = header.entry_size().map_err(|e| format!("a bad size in the header at byte {place}: {e}"))?;
            let is_file = matches!(kind, EntryType::Regular | EntryType::Continuous);
            let length = extended.size.filter(|_| is_file).unwrap_or(stated);
            if kind == EntryType::GNUSparse {
                self.skip_sparse_map(file, &header)?;
            }
            let offset = self.at;
            let next = length.checked_next_multiple_of(BLOCK).and_then(|padded| padded.checked_add(offset));
            let next = next.ok_or_else(|| format!("a size of {length} bytes in the header at byte {place}"))?;
            if offset + length > self.end {
                let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
                let lacks = offset + length - self.end;
                return Err(format!("cut short: {name} of {length} bytes lacks {lacks}; copy the archive again"));
            }
            self.at = next;
            match kind {
                EntryType::GNULongName => {
                    let name = contents(file, offset, length)?;
                    // It ends with a zero, as in C.
                    long_name = Some(name.split(|&b| b == 0).next().unwrap_or_default().to_vec());
                }
                EntryType::XHeader => extended = Extended::parse(&contents(file, offset, length)?),
                EntryType::GNULongLink | EntryType::XGlobalHeader => {}
                _ => {
                    let name = extended.path.take().or(long_name.take());
                    let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
                    let sparse = std::mem::take(&mut extended).sparse;
                    match self.judge(kind, sparse, &name) {
                        Some(name) => return Ok(Some(Entry { name, offset, length })),
                        None => continue,
                    }
                }
            }
        }
    }

    /// The header where the walk stands; `None` at the archive's end.
    fn header<R: Read + Seek>(&mut self, file: &mut R) -> Result<Option<Header>, String> {
        let mut block = [0; BLOCK as usize];
        if self.at.checked_add(BLOCK).is_none_or(|end| end > self.end) {
            return Err(format!("cut short at byte {}: it has no end mark; copy the archive again", self.at));
        }
        file.seek(SeekFrom::Start(self.at)).and_then(|_| file.read_exact(&mut block)).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!("cut short at byte {}: it has no end mark; copy the archive again", self.at)
            }
            _ => format!("cannot be read at byte {}: {e}", self.at),
        })?;
        if block.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        if !is_header(&block) {
            return Err(match self.at {
                0 => "not a tar archive".to_owned(),
                at => format!("damaged: no header at byte {at}; copy the archive again"),
            });
        }
        self.at += BLOCK;
        Ok(Some(Header::from_byte_slice(&block).clone()))
    }

    /// The blocks that follow the header of a sparse file and belong to it.
    fn skip_sparse_map<R: Read + Seek>(&mut self, file: &mut R, header: &Header) -> Result<(), String> {
        let mut more = header.as_gnu().is_some_and(GnuHeader::is_extended);
        while more {
            let block = contents(file, self.at, BLOCK)?;
            self.at = self.at.checked_add(BLOCK).filter(|&at| at <= self.end).ok_or("cut short in a sparse file")?;
            // `isextended` of the format's extension block.
            more = block[504] != 0;
        }
        Ok(())
    }

    /// The member's name where it is an ordinary file; counts what is odd.
    fn judge(&mut self, kind: EntryType, sparse: bool, name: &[u8]) -> Option<Box<str>> {
        let odd = match kind {
            EntryType::Directory => return None,
            EntryType::Regular | EntryType::Continuous if sparse => "sparse files",
            EntryType::GNUSparse => "sparse files",
            EntryType::Regular | EntryType::Continuous => match std::str::from_utf8(name) {
                Err(_) => "names that are not UTF-8",
                Ok(name) => {
                    let name = name.trim_start_matches("./");
                    if leads_out(name) {
                        "names that lead out of the archive"
                    } else if name.is_empty() || name.ends_with('/') {
                        return None;
                    } else {
                        return Some(name.into());
                    }
                }
            },
            EntryType::Link | EntryType::Symlink => "links",
            _ => "devices and other special files",
        };
        *self.odd.entry(odd.to_owned()).or_default() += 1;
        None
    }
}

/// What an extended header says that matters here.
#[derive(Debug, Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Extended {
    fn parse(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for extension in PaxExtensions::new(bytes).flatten() {
            match extension.key_bytes() {
                b"path" => found.path = Some(extension.value_bytes().to_vec()),
                b"size" => found.size = extension.value().ok().and_then(|v| v.parse().ok()),
                key => found.sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        found
    }
}

/// Every file of an archive in the order it holds them, with those of archives within it (one level) in their place;
/// images larger than an image can be are counted among the odd. `progress` is told the bytes passed.
///
/// # Errors
/// Those of [`Walk::next`].
pub(super) fn members<R: Read + Seek>(
    file: &mut R,
    end: u64,
    mut progress: impl FnMut(usize, u64),
) -> Result<(Members, Odd), String> {
    let mut all = Members::default();
    let mut walk = Walk::new(0, end);
    while let Some(entry) = walk.next(file)? {
        match entry.name.strip_suffix(".tar") {
            Some(name) if begins_archive(file, &entry)? => {
                let mut inner = Walk::new(entry.offset, entry.offset + entry.length);
                let prefix = name.rsplit('/').next().unwrap_or(name);
                while let Some(found) = inner.next(file).map_err(|why| format!("{}: {why}", entry.name))? {
                    let name = format!("{prefix}/{}", found.name).into();
                    push(&mut all, file, &Entry { name, ..found }, &mut walk.odd)?;
                    progress(all.len(), inner.at);
                }
                for (kind, count) in inner.odd {
                    *walk.odd.entry(kind).or_default() += count;
                }
            }
            _ => push(&mut all, file, &entry, &mut walk.odd)?,
        }
        progress(all.len(), walk.at);
    }
    Ok((all, walk.odd))
}

/// Keeps a file, with its contents where its name says that they are text and they are short.
fn push<R: Read + Seek>(all: &mut Members, file: &mut R, entry: &Entry, odd: &mut Odd) -> Result<(), String> {
    let Entry { name, offset, length } = entry;
    if *length > MAX_FILE {
        *odd.entry(format!("files of more than {} MiB", MAX_FILE >> 20)).or_default() += 1;
        return Ok(());
    }
    let mut text = String::new();
    if *length <= MAX_TEXT && [".cls", ".json", ".txt"].iter().any(|end| name.ends_with(end)) {
        text = String::from_utf8(contents(file, *offset, *length)?).unwrap_or_default();
    }
    all.push(Member { name, offset: *offset, length: *length, text: &text })
}

fn begins_archive<R: Read + Seek>(file: &mut R, entry: &Entry) -> Result<bool, String> {
    if entry.length < BLOCK {
        return Ok(false);
    }
    let block = contents(file, entry.offset, BLOCK)?;
    Ok(is_header(&block) || block.iter().all(|&b| b == 0))
}

/// Whether a block has a header's checksum.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK as usize) else { return false };
    // The checksum counts its own eight bytes as spaces.
    let sum = |bytes: &[u8]| bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
    let own = sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..]);
    Header::from_byte_slice(block).cksum().is_ok_and(|stated| stated == own)
}

/// Some bytes of a file, at most [`MAX_EXTENDED`].
pub(super) fn contents<R: Read + Seek>(file: &mut R, offset: u64, length: u64) -> Result<Vec<u8>, String> {
    if length > MAX_EXTENDED {
        return Err(format!("a name of {length} bytes at byte {offset}"));
    }
    let mut bytes = vec![0; length as usize];
    let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|e| format!("cannot be read at byte {offset}: {e}"))?;
    Ok(bytes)
}

/// Whether a name is absolute or climbs above where it begins.
fn leads_out(name: &str) -> bool {
    name.starts_with(['/', '\\']) || name.as_bytes().get(1) == Some(&b':') || name.split(['/', '\\']).any(|p| p == "..")
}

/// A stream that can be sought forwards alone, by reading on.
#[derive(Debug)]
pub(super) struct Forward<R> {
    stream: R,
    at: u64,
}

impl<R: Read> Forward<R> {
    pub fn new(stream: R) -> Self {
        Self { stream, at: 0 }
    }
}

impl<R: Read> Read for Forward<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Read> Seek for Forward<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(to) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        let ahead = to.checked_sub(self.at).ok_or(io::ErrorKind::Unsupported)?;
        if io::copy(&mut self.by_ref().take(ahead), &mut io::sink())? < ahead {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(to)
    }
}
