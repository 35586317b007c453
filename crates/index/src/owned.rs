//! Memory of a column, aligned to a cache line: allocated, or in huge pages where it fills them.
//!
//! In pages of 4 KiB scans of rows took an eighth (float32) to a fifth (int8) longer, where measured.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;
use uec_gaussian::Result;

use crate::buffer::{no_memory, reserved};

/// The unit of an allocation, so that every column starts at a multiple of 64.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

#[derive(Debug)]
enum Memory {
    Allocated(Vec<Line>),
    Pages(MmapMut),
}

/// Bytes that this process has to itself.
#[derive(Debug)]
pub(crate) struct Owned {
    memory: Memory,
    bytes: usize,
}

impl Owned {
    /// `bytes` zeros.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`].
    pub(crate) fn zeroed(bytes: usize) -> Result<Self> {
        if let Some(pages) = huge_pages(bytes) {
            return Ok(Self { memory: Memory::Pages(pages), bytes });
        }
        let count = bytes.div_ceil(size_of::<Line>());
        let mut lines = reserved(count).map_err(|_| no_memory(bytes))?;
        lines.resize(count, Line::zeroed());
        Ok(Self { memory: Memory::Allocated(lines), bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.memory {
            Memory::Allocated(lines) => &bytemuck::cast_slice(lines)[..self.bytes],
            Memory::Pages(pages) => &pages[..self.bytes],
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Allocated(lines) => &mut bytemuck::cast_slice_mut(lines)[..self.bytes],
            Memory::Pages(pages) => &mut pages[..self.bytes],
        }
    }

    /// The elements `range` as numbers of type `T`.
    pub(crate) fn view_mut<T: Pod>(&mut self, range: Range<usize>) -> &mut [T] {
        let bytes = range.start * size_of::<T>()..range.end * size_of::<T>();
        bytemuck::cast_slice_mut(&mut self.bytes_mut()[bytes])
    }

    /// Bytes of memory that it holds.
    pub(crate) fn allocated(&self) -> usize {
        match &self.memory {
            Memory::Allocated(lines) => lines.capacity() * size_of::<Line>(),
            Memory::Pages(pages) => pages.len(),
        }
    }
}

impl Default for Owned {
    fn default() -> Self {
        Self { memory: Memory::Allocated(Vec::new()), bytes: 0 }
    }
}

/// Zeros in pages of 2 MiB, if `bytes` fills them but for a hundredth and the system has such pages to give.
#[cfg(target_os = "linux")]
fn huge_pages(bytes: usize) -> Option<MmapMut> {
    const PAGE: usize = 2 << 20;
    let size = bytes.checked_next_multiple_of(PAGE)?;
    if bytes == 0 || size - bytes > bytes / 100 {
        return None;
    }
    let pages = MmapMut::map_anon(size).ok()?;
    pages.advise(memmap2::Advice::HugePage).ok()?;
    Some(pages)
}

#[cfg(not(target_os = "linux"))]
fn huge_pages(_bytes: usize) -> Option<MmapMut> {
    None
}

#[cfg(test)]
mod tests {
    use uec_gaussian::ErrorCode;

    use super::*;

    #[test]
    fn owned_bytes_are_zeros_that_start_at_a_cache_line() {
        for bytes in [0, 1, 63, 64, 65, 1000, (2 << 20) - 512, (2 << 20) + 1] {
            let mut owned = Owned::zeroed(bytes).unwrap();
            assert_eq!(owned.bytes(), vec![0; bytes]);
            assert!(owned.bytes().as_ptr().addr().is_multiple_of(64));
            assert!(owned.allocated() <= bytes + bytes / 100 + 63);
            owned.bytes_mut().fill(1);
            assert_eq!(owned.bytes(), vec![1; bytes]);
        }
        for bytes in [usize::MAX, usize::MAX / 2] {
            assert_eq!(Owned::zeroed(bytes).unwrap_err().code, ErrorCode::OutOfMemory);
        }
    }
}
