//! Unit means and variances that every program of the benchmark reads from the same files: `mean.f32`, `variance.f32`
//! and the same for queries (`query-mean.f32`, `query-variance.f32`), little-endian float32, row-major.
//!
//! Row i depends on i and the kind alone, so fewer rows are the beginning of more.
//!
//! Means. `clustered`: μ = unit(c + n), c one of 64 random unit vectors, n Gaussian noise with E‖n‖² = 1: rows of one
//! cluster have cosine about 1/2, rows of two about 0, as texts of one topic and of two. `uniform`: random directions;
//! no row is near a query, the hardest case for a plan that skips rows. Variances of both: v_d = t·p_d·e/D with the
//! total t log-normal (median 0.5, σ 0.5: texts differ in certainty), p_d log-normal by coordinate (σ 0.5, the same for
//! all rows, as a posterior's) and e exponential.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use uec_gaussian::Gaussians;

use crate::error::{Error, Result};

const CLUSTERS: u64 = 64;
/// Rows made at a time.
const BLOCK: usize = 8192;
const ROWS: u64 = 1 << 40;
const QUERIES: u64 = 2 << 40;
const CENTRES: u64 = 3 << 40;
const PROFILE: u64 = 4 << 40;

/// How the means lie.
#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Clustered,
    Uniform,
}

/// Which files.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Rows,
    Queries,
}

impl Part {
    fn files(self) -> [&'static str; 2] {
        match self {
            Self::Rows => ["mean.f32", "variance.f32"],
            Self::Queries => ["query-mean.f32", "query-variance.f32"],
        }
    }
}

/// Writes `rows` rows and `queries` queries.
pub(crate) fn generate(folder: &Path, kind: Kind, rows: usize, dimension: usize, queries: usize) -> Result<()> {
    if dimension == 0 {
        return Err(Error::new("dimension must be at least 1"));
    }
    fs::create_dir_all(folder)?;
    let law = Law::new(kind, dimension);
    for (part, first, count) in [(Part::Rows, ROWS, rows), (Part::Queries, QUERIES, queries)] {
        let [mean, variance] = part.files();
        let mut mean = BufWriter::new(File::create(folder.join(mean))?);
        let mut variance = BufWriter::new(File::create(folder.join(variance))?);
        for start in (0..count).step_by(BLOCK) {
            let block = law.block(first + start as u64, BLOCK.min(count - start));
            mean.write_all(bytemuck::cast_slice(&block.mean))?;
            variance.write_all(bytemuck::cast_slice(&block.variance))?;
        }
        mean.flush()?;
        variance.flush()?;
    }
    Ok(())
}

/// Reads `rows` rows from row `start` on.
pub(crate) fn read(folder: &Path, part: Part, start: usize, rows: usize, dimension: usize) -> Result<Gaussians> {
    let load = |name: &str| -> Result<Vec<f32>> {
        let mut file = File::open(folder.join(name))?;
        file.seek(SeekFrom::Start((start * dimension * size_of::<f32>()) as u64))?;
        let mut numbers = vec![0.0_f32; rows * dimension];
        file.read_exact(bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    };
    let [mean, variance] = part.files();
    Ok(Gaussians { mean: load(mean)?, variance: load(variance)?, dimension })
}

/// What rows are drawn from.
struct Law {
    kind: Kind,
    dimension: usize,
    centres: Vec<f32>,
    profile: Vec<f32>,
}

impl Law {
    fn new(kind: Kind, dimension: usize) -> Self {
        let centres = (0..CLUSTERS).flat_map(|cluster| {
            let mut random = Random(CENTRES + cluster);
            unit((0..dimension).map(|_| random.gaussian()).collect())
        });
        let mut random = Random(PROFILE);
        let profile: Vec<f32> = (0..dimension).map(|_| (0.5 * random.gaussian()).exp()).collect();
        Self { kind, dimension, centres: centres.collect(), profile }
    }

    fn block(&self, first: u64, rows: usize) -> Gaussians {
        let dimension = self.dimension;
        let mut block =
            Gaussians { mean: vec![0.0; rows * dimension], variance: vec![0.0; rows * dimension], dimension };
        let pairs = block.mean.par_chunks_exact_mut(dimension).zip(block.variance.par_chunks_exact_mut(dimension));
        pairs.enumerate().for_each(|(row, (mean, variance))| self.row(first + row as u64, mean, variance));
        block
    }

    fn row(&self, id: u64, mean: &mut [f32], variance: &mut [f32]) {
        let mut random = Random(id.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let noise = 1.0 / (self.dimension as f32).sqrt();
        let cluster = (random.next() % CLUSTERS) as usize;
        let centre = &self.centres[cluster * self.dimension..][..self.dimension];
        for (x, centre) in mean.iter_mut().zip(centre) {
            *x = random.gaussian() * noise + if self.kind == Kind::Clustered { *centre } else { 0.0 };
        }
        let norm = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        mean.iter_mut().for_each(|x| *x /= norm);
        let total = 0.5 * (0.5 * random.gaussian()).exp();
        for (v, profile) in variance.iter_mut().zip(&self.profile) {
            *v = total * profile * random.exponential() / self.dimension as f32;
        }
    }
}

fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    row.iter_mut().for_each(|x| *x /= norm);
    row
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Close enough to standard normal for data: the sum of four uniform numbers, mean 0, variance 1.
    fn gaussian(&mut self) -> f32 {
        let bits = self.next();
        let sum: i64 = (0..4).map(|i| ((bits >> (16 * i)) & 0xFFFF) as i64).sum();
        // Four uniform numbers of 0..65536 have the mean 131070 and the variance 4·65536²/12.
        (sum - 131_070) as f32 * (3.0_f32.sqrt() / 65_536.0)
    }

    fn exponential(&mut self) -> f32 {
        let uniform = ((self.next() >> 40) + 1) as f32 / (1 << 24) as f32;
        -uniform.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn fewer_rows_are_the_beginning_of_more() {
        let law = Law::new(Kind::Clustered, 48);
        let (few, more) = (law.block(ROWS, 10), law.block(ROWS, 20));
        assert_eq!(few.mean, more.mean[..480]);
        assert_eq!(few.variance, more.variance[..480]);
        assert_eq!(law.block(ROWS + 10, 10).mean, more.mean[480..]);
    }

    #[test]
    fn means_are_unit_vectors_around_centres_or_anywhere() {
        const D: usize = 384;
        for (kind, around) in [(Kind::Clustered, 0.5), (Kind::Uniform, 0.0)] {
            let law = Law::new(kind, D);
            let rows = law.block(ROWS, 2000);
            let nearest = |mean: &[f32]| law.centres.chunks_exact(D).map(|c| dot(mean, c).powi(2)).fold(0.0, f32::max);
            let mut squares = 0.0;
            for mean in rows.mean.chunks_exact(D) {
                assert!((dot(mean, mean) - 1.0).abs() < 1e-5);
                squares += nearest(mean) / 2000.0;
            }
            // Two rows of a cluster have the squared cosine to its centre as their cosine, on average.
            assert!((squares - around).abs() < 0.05, "{squares}");
        }
    }

    #[test]
    fn variances_are_finite_and_positive() {
        let rows = Law::new(Kind::Clustered, 384).block(QUERIES, 500);
        assert!(rows.variance.iter().all(|v| v.is_finite() && *v >= 0.0));
        let totals: Vec<f32> = rows.variance.chunks_exact(384).map(|row| row.iter().sum()).collect();
        let mean = totals.iter().sum::<f32>() / 500.0;
        assert!((0.4..0.9).contains(&mean), "{mean}");
    }
}
