//! The snapshot file: `docs/index-format.md`. Little-endian; a header with the place of every section and a SHA-256
//! over all other bytes of the file; sections at multiples of 64.
//!
//! Opening trusts nothing: sizes are compared with the file's length before anything is allocated.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uec_gaussian::{Error, ErrorCode, Result, Rows};

use crate::gaussian_index::Writer;
use crate::state::{Settings, State};
use crate::storage::{Column, Layout};
use crate::{GaussianIndex, OpenOptions, Storage};

const MAGIC: [u8; 8] = *b"UECINDEX";
const VERSION: u32 = 1;
const FLOAT32: u32 = 0;
const ALIGNMENT: u64 = 64;
/// Magic, version, storage, dimension, flags, count, file length, four sections, digest; padded.
const HEADER: usize = 192;
/// Where the digest stands.
const DIGEST: std::ops::Range<usize> = 104..136;
/// Bit of the flags: there is a fingerprint.
const HAS_FINGERPRINT: u32 = 1;

/// Place and length of a section in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Section {
    offset: u64,
    length: u64,
}

/// The header, less the digest.
#[derive(Clone, Debug, PartialEq)]
struct Header {
    dimension: u32,
    flags: u32,
    count: u64,
    file_length: u64,
    /// Fingerprint, ids, means, variances.
    sections: [Section; 4],
}

impl Header {
    /// The one layout that these sizes have; none if they exceed 2⁶⁴.
    fn layout(dimension: u32, flags: u32, count: u64, fingerprint: u64, ids: u64) -> Option<Self> {
        let numbers = count.checked_mul(u64::from(dimension))?.checked_mul(4)?;
        let mut sections = [Section::default(); 4];
        let mut end = HEADER as u64;
        for (section, length) in sections.iter_mut().zip([fingerprint, ids, numbers, numbers]) {
            *section = Section { offset: end.checked_next_multiple_of(ALIGNMENT)?, length };
            end = section.offset.checked_add(length)?;
        }
        Some(Self { dimension, flags, count, file_length: end, sections })
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(&MAGIC);
        for field in [VERSION, FLOAT32, self.dimension, self.flags] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.file_length.to_le_bytes());
        for section in &self.sections {
            bytes.extend_from_slice(&section.offset.to_le_bytes());
            bytes.extend_from_slice(&section.length.to_le_bytes());
        }
        let mut header = [0; HEADER];
        header[..bytes.len()].copy_from_slice(&bytes);
        header
    }

    /// Reads and checks the header of a file of `actual` bytes.
    fn decode(bytes: &[u8; HEADER], actual: u64) -> Result<Self, Damage> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if bytes[..8] != MAGIC {
            return Err(Damage::Corrupt("it is not an index"));
        }
        match u32_at(8) {
            VERSION => {}
            newer if newer > VERSION => return Err(Damage::Newer(newer)),
            _ => return Err(Damage::Corrupt("its version is unknown")),
        }
        if u32_at(12) != FLOAT32 {
            return Err(Damage::Corrupt("its storage format is unknown"));
        }
        let section = |number: usize| Section { offset: u64_at(40 + 16 * number), length: u64_at(48 + 16 * number) };
        let sections: [Section; 4] = std::array::from_fn(section);
        let read =
            Self { dimension: u32_at(16), flags: u32_at(20), count: u64_at(24), file_length: u64_at(32), sections };
        if read.file_length != actual {
            return Err(Damage::Corrupt("it is cut off or has bytes to spare"));
        }
        let layout = Self::layout(read.dimension, read.flags, read.count, sections[0].length, sections[1].length);
        if read.dimension == 0
            || read.flags > HAS_FINGERPRINT
            || read.count >= u64::from(u32::MAX)
            || layout.as_ref() != Some(&read)
        {
            return Err(Damage::Corrupt("its header contradicts itself"));
        }
        Ok(read)
    }
}

/// Why a file cannot be read.
enum Damage {
    Corrupt(&'static str),
    Newer(u32),
    Read(io::Error),
    Memory,
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl Damage {
    fn at(self, file: &Path) -> Error {
        let path = file.display();
        match self {
            Self::Read(error) => uec_files::read_error(file, "index", &error),
            Self::Corrupt(what) => {
                Error::new(ErrorCode::FileCorrupt, format!("{path} is no sound index: {what}. Restore or rebuild it"))
            }
            Self::Newer(version) => {
                let message = format!("{path} has format {version}, this version reads up to {VERSION}: update uec");
                Error::new(ErrorCode::FileVersion, message)
            }
            Self::Memory => Error::new(ErrorCode::OutOfMemory, format!("no memory to open {path}")),
        }
    }
}

impl GaussianIndex {
    /// Writes the index to one file, atomically: a failure leaves an existing file as it was.
    ///
    /// # Errors
    /// [`ErrorCode::FileWrite`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let state = self.state();
        uec_files::replace(path, |file| state.write(file))
    }

    /// Reads an index, checking the file's sizes, checksum, ids and every number.
    ///
    /// # Errors
    /// [`ErrorCode::FileNotFound`], [`ErrorCode::FileCorrupt`], [`ErrorCode::FileVersion`] for a file of a newer
    /// version, [`ErrorCode::OutOfMemory`].
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self> {
        let file = uec_files::open(path, "index")?;
        let state = State::read(file).map_err(|damage| damage.at(path))?;
        Ok(Self::from_state(state, Writer::default(), options.readonly))
    }
}

impl State {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "the index is too large for a file");
        let fingerprint = self.settings.fingerprint.as_deref().unwrap_or_default();
        let flags = if self.settings.fingerprint.is_some() { HAS_FINGERPRINT } else { 0 };
        let ids = self.encode_ids().ok_or_else(too_large)?;
        let dimension = u32::try_from(self.settings.layout.dimension).map_err(|_| too_large())?;
        let header = Header::layout(dimension, flags, self.len as u64, fingerprint.len() as u64, ids.len() as u64)
            .ok_or_else(too_large)?;
        let mut bytes = header.encode();
        let mut digest = Digesting { digest: Sha256::new(), out: io::sink() };
        self.write_file(&header, &bytes, fingerprint, &ids, &mut digest)?;
        bytes[DIGEST].copy_from_slice(&digest.digest.finalize());
        self.write_file(&header, &bytes, fingerprint, &ids, out)
    }

    fn write_file(
        &self,
        header: &Header,
        bytes: &[u8],
        fingerprint: &str,
        ids: &[u8],
        out: &mut impl Write,
    ) -> io::Result<()> {
        out.write_all(bytes)?;
        let mut end = bytes.len() as u64;
        let [of_fingerprint, of_ids, of_means, of_variances] = header.sections;
        let mut pad = |out: &mut dyn Write, section: Section| {
            let padding = section.offset - end;
            end = section.offset + section.length;
            out.write_all(&[0; ALIGNMENT as usize][..padding as usize])
        };
        pad(out, of_fingerprint)?;
        out.write_all(fingerprint.as_bytes())?;
        pad(out, of_ids)?;
        out.write_all(ids)?;
        pad(out, of_means)?;
        self.write_column(Column::Means, out)?;
        pad(out, of_variances)?;
        self.write_column(Column::Variances, out)
    }

    /// The lengths of all ids, then their bytes.
    fn encode_ids(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for (id, _) in self.entries(0) {
            bytes.extend_from_slice(&u32::try_from(id.len()).ok()?.to_le_bytes());
        }
        bytes.extend(self.entries(0).flat_map(|(id, _)| id.bytes()));
        Some(bytes)
    }

    fn read(file: File) -> Result<Self, Damage> {
        let actual = file.metadata()?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let mut bytes = [0; HEADER];
        if actual < HEADER as u64 {
            return Err(Damage::Corrupt("it is cut off"));
        }
        file.read_exact(&mut bytes)?;
        let header = Header::decode(&bytes, actual)?;
        let stored: [u8; 32] = std::array::from_fn(|i| bytes[DIGEST.start + i]);
        bytes[DIGEST].fill(0);
        let mut digest = Sha256::new();
        digest.update(bytes);
        let mut end = HEADER as u64;
        let mut section = |section: Section| -> Result<Vec<u8>, Damage> {
            let mut padding = vec![0; (section.offset - end) as usize];
            file.read_exact(&mut padding)?;
            digest.update(&padding);
            end = section.offset + section.length;
            let length = usize::try_from(section.length).map_err(|_| Damage::Memory)?;
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(length).map_err(|_| Damage::Memory)?;
            bytes.resize(length, 0);
            file.read_exact(&mut bytes)?;
            digest.update(&bytes);
            Ok(bytes)
        };
        let [of_fingerprint, of_ids, of_means, of_variances] = header.sections;
        let (fingerprint, ids) = (section(of_fingerprint)?, section(of_ids)?);
        let (mean, variance) = (numbers(section(of_means)?)?, numbers(section(of_variances)?)?);
        if digest.finalize()[..] != stored {
            return Err(Damage::Corrupt("its checksum is wrong"));
        }
        // From here on only a faulty writer can be to blame.
        let fingerprint = String::from_utf8(fingerprint).map_err(|_| Damage::Corrupt("its fingerprint is no text"))?;
        let has_fingerprint = header.flags & HAS_FINGERPRINT != 0;
        if !has_fingerprint && !fingerprint.is_empty() {
            return Err(Damage::Corrupt("its header contradicts itself"));
        }
        let ids = decode_ids(&ids, header.count as usize).ok_or(Damage::Corrupt("its ids are damaged"))?;
        let dimension = header.dimension as usize;
        let rows = Rows { mean: &mean, variance: &variance, dimension };
        let layout = Layout { dimension, storage: Storage::Float32, prefilter: false };
        let empty = Self::empty(Settings { layout, fingerprint: has_fingerprint.then_some(fingerprint) });
        empty.and_then(|state| {
            let state = state.with_added(&ids, rows)?;
            state.table.insert(state.entries(0));
            Ok(state)
        })
        .map_err(|_| Damage::Corrupt("it has invalid rows"))
    }

    fn write_column(&self, column: Column, out: &mut impl Write) -> io::Result<()> {
        for chunk in &self.chunks {
            for rows in chunk.live_ranges() {
                out.write_all(chunk.bytes(column, rows).map_err(io::Error::other)?)?;
            }
        }
        Ok(())
    }
}

fn decode_ids(bytes: &[u8], count: usize) -> Option<Vec<Arc<str>>> {
    let (lengths, mut text) = bytes.split_at_checked(count.checked_mul(4)?)?;
    let mut ids = Vec::with_capacity(count);
    for length in lengths.as_chunks::<4>().0 {
        let (id, rest) = text.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        ids.push(std::str::from_utf8(id).ok()?.into());
        text = rest;
    }
    text.is_empty().then_some(ids)
}

fn numbers(bytes: Vec<u8>) -> Result<Vec<f32>, Damage> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(bytes.len() / 4).map_err(|_| Damage::Memory)?;
    numbers.extend(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    Ok(numbers)
}

/// Digests what passes through.
struct Digesting<W> {
    digest: Sha256,
    out: W,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
