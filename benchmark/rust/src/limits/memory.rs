//! Memory to read from, in huge pages where the system has them, so that address translation is no part of the limit.

use memmap2::MmapMut;

use super::GRAIN;
use crate::error::Result;

/// Float32 numbers, all written once.
pub(crate) struct Memory(MmapMut);

impl Memory {
    /// At least `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        let grain = GRAIN * size_of::<f32>();
        let mut map = MmapMut::map_anon(bytes.max(grain).next_multiple_of(grain))?;
        #[cfg(target_os = "linux")]
        // Advice only: a system without huge pages refuses it.
        let _ = map.advise(memmap2::Advice::HugePage);
        // Small numbers, none denormal: arithmetic on denormals is slow on some CPUs.
        for (i, x) in bytemuck::cast_slice_mut::<u8, f32>(&mut map).iter_mut().enumerate() {
            *x = (i & 0xFF) as f32 / 256.0 + 1.0;
        }
        Ok(Self(map))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn numbers(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }

    /// One part for each thread, of whole grains.
    pub(crate) fn parts(&self, threads: usize) -> Vec<&[f32]> {
        let grains = self.numbers().len() / GRAIN;
        let cut = |thread: usize| grains * thread / threads * GRAIN;
        (0..threads).map(|thread| &self.numbers()[cut(thread)..cut(thread + 1)]).collect()
    }
}
