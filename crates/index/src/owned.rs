//! Memory of a column, aligned to a cache line: allocated if it is small, else pages of the system, huge ones where it
//! fills them.
//!
//! In pages of 4 KiB scans of rows took an eighth (float32) to a fifth (int8) longer, where measured. Pages go back to
//! the system when they are dropped; an allocator keeps much of what columns that come and go leave behind.

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
        if let Some(pages) = pages(bytes) {
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

/// Zeros in pages of the system, unless they are few; in whole huge pages if `bytes` fills them but for a hundredth.
#[cfg(target_os = "linux")]
fn pages(bytes: usize) -> Option<MmapMut> {
    const SMALL: usize = 128 << 10;
    const PAGE: usize = 4 << 10;
    const HUGE: usize = 2 << 20;
    if bytes < SMALL {
        return None;
    }
    let huge = bytes.checked_next_multiple_of(HUGE)?;
    let size = if huge - bytes <= bytes / 100 { huge } else { bytes.checked_next_multiple_of(PAGE)? };
    let pages = MmapMut::map_anon(size).ok()?;
    // A wish: the system has no huge pages to give, or what lies beside this map makes one with it.
    let _ = pages.advise(memmap2::Advice::HugePage);
    Some(pages)
}

#[cfg(not(target_os = "linux"))]
fn pages(_bytes: usize) -> Option<MmapMut> {
    None
}

#[cfg(test)]
mod tests {
    use uec_gaussian::ErrorCode;

    use super::*;

    #[test]
    fn owned_bytes_are_zeros_that_start_at_a_cache_line() {
        for bytes in [0, 1, 63, 64, 65, 1000, (128 << 10) + 1, (2 << 20) - 512, (2 << 20) + 1] {
            let mut owned = Owned::zeroed(bytes).unwrap();
            assert_eq!(owned.bytes(), vec![0; bytes]);
            assert!(owned.bytes().as_ptr().addr().is_multiple_of(64));
            assert!(owned.allocated() <= bytes + bytes / 32 + 63);
            owned.bytes_mut().fill(1);
            assert_eq!(owned.bytes(), vec![1; bytes]);
        }
        for bytes in [usize::MAX, usize::MAX / 2] {
            assert_eq!(Owned::zeroed(bytes).unwrap_err().code, ErrorCode::OutOfMemory);
        }
    }
}
