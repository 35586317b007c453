//! The symmetric InfoNCE of mixed means as a function of θ = (a, p), with its gradient.
//!
//! With x_i = π_i/‖Σ_k π_ik A_ki‖ for the queries and y_j for the documents, c_ij = Σ_kl x_ik y_jl ⟨A_ki, B_lj⟩ and
//!
//!   loss = (1/2N) Σ_i [ log Σ_j exp(c_ij/τ) + log Σ_j exp(c_ji/τ) − 2 c_ii/τ ]
//!
//! The embeddings enter through their inner products alone, which are computed once: an evaluation costs K²N², not K N² D.

use rayon::prelude::*;

use super::pairs::CalibrationPairs;
use super::source::log_uncertainty;
use crate::lanes::dot;
use crate::{Cancel, Error, ErrorCode, Result};

/// Temperature τ of the contrast.
const TAU: f64 = 0.05;
/// Most inner products kept (2 GiB).
const MOST_PRODUCTS: usize = 1 << 28;
/// A mixed mean shorter than this has no direction; its similarities count as 0.
const SHORTEST: f64 = 1e-12;

/// The pairs, reduced to what the loss depends on.
pub(super) struct Contrast {
    members: usize,
    pairs: usize,
    /// ⟨A_ki, B_lj⟩ as `[k][l][i]` and, within a line, `[j]`.
    cross: Vec<Vec<f64>>,
    queries: Side,
    documents: Side,
}

/// One side of the pairs.
struct Side {
    /// ⟨A_ki, A_li⟩ as `[i][k][l]`.
    own: Vec<f64>,
    /// log u as `[i][k][j]`.
    log: Vec<f64>,
    /// Whether encoder k could embed text i, as `[i][k]`.
    valid: Vec<bool>,
    sources: usize,
}

/// Coefficients of one side at one θ.
struct Mixed {
    /// π_ik, `[i][k]`.
    weights: Vec<f64>,
    /// π_ik/‖mixture‖, `[k][i]`; 0 where the mixture vanishes.
    scaled: Vec<f64>,
    norms: Vec<f64>,
}

impl Contrast {
    pub(super) fn new(pairs: &CalibrationPairs<'_>, cancel: &Cancel) -> Result<Self> {
        let (n, k) = (pairs.check()?, pairs.query_means.len());
        if n.checked_mul(n).and_then(|x| x.checked_mul(k * k)).is_none_or(|size| size > MOST_PRODUCTS) {
            let most = ((MOST_PRODUCTS / (k * k)) as f64).sqrt() as usize;
            return Err(Error::invalid(format!("{n} pairs: with {k} encoders a calibration takes at most {most}")));
        }
        let d = pairs.dimension;
        let lines = (0..k * k * n).into_par_iter().map(|line| {
            let (member, i) = (line / n, line % n);
            let query = &pairs.query_means[member / k][i * d..(i + 1) * d];
            let documents = pairs.document_means[member % k].chunks_exact(d);
            one_line(n, documents.map(|document| dot(query, document)), cancel)
        });
        let cross = lines.collect::<Result<_>>()?;
        let side = |means: &[&[f32]], uncertainties: &[f32]| Side::new(means, uncertainties, pairs, n);
        Ok(Self {
            members: k,
            pairs: n,
            cross,
            queries: side(pairs.query_means, pairs.query_uncertainties),
            documents: side(pairs.document_means, pairs.document_uncertainties),
        })
    }

    pub(super) fn members(&self) -> usize {
        self.members
    }

    pub(super) fn pairs(&self) -> usize {
        self.pairs
    }

    /// The contrast among these pairs only.
    pub(super) fn select(&self, rows: &[usize], cancel: &Cancel) -> Result<Self> {
        let (n, k) = (self.pairs, self.members);
        let lines = (0..k * k).flat_map(|member| rows.iter().map(move |i| member * n + i));
        let cross = lines.map(|line| one_line(rows.len(), rows.iter().map(|j| self.cross[line][*j]), cancel));
        Ok(Self {
            members: k,
            pairs: rows.len(),
            cross: cross.collect::<Result<_>>()?,
            queries: self.queries.select(rows, k),
            documents: self.documents.select(rows, k),
        })
    }

    /// The loss at θ = (a, p), p over the sources `columns`, and its gradient. An evaluation over the most pairs takes
    /// seconds, hence `cancel`.
    pub(super) fn loss(&self, theta: &[f64], columns: &[usize], cancel: &Cancel) -> Result<(f64, Vec<f64>)> {
        let (n, k) = (self.pairs, self.members);
        let (query, document) = (self.queries.mix(theta, columns, k), self.documents.mix(theta, columns, k));
        let mut partial = vec![0.0; k * n];
        // exp((c − 1)/τ) spans e⁻⁴⁰..1, so one matrix serves the softmax of rows and columns without a maximum.
        let mut exponentials = vec![0.0; n * n];
        let (mut row_sums, mut column_sums, mut diagonal) = (vec![0.0; n], vec![0.0; n], 0.0);
        for (i, line) in exponentials.chunks_exact_mut(n).enumerate() {
            cancel.check()?;
            self.against_documents(i, &document, &mut partial);
            for (part, x) in partial.chunks_exact(n).zip(query.of(i)) {
                line.iter_mut().zip(part).for_each(|(c, part)| *c += x * part);
            }
            diagonal += (line[i] - 1.0) / TAU;
            for (e, column) in line.iter_mut().zip(&mut column_sums) {
                *e = ((*e - 1.0) / TAU).exp();
                row_sums[i] += *e;
                *column += *e;
            }
        }
        let logs: f64 = row_sums.iter().chain(&column_sums).map(|sum| sum.ln()).sum();
        let loss = (0.5 * logs - diagonal) / n as f64;

        // ∂loss/∂c_ij = (P_ij + Q_ij − 2δ_ij)/(2Nτ), P and Q the softmax of row i and of column j.
        let scale = 1.0 / (2.0 * n as f64 * TAU);
        let (mut to_query, mut to_document) = (vec![0.0; k * n], vec![0.0; k * n]);
        for (i, line) in exponentials.chunks_exact_mut(n).enumerate() {
            cancel.check()?;
            for (e, column) in line.iter_mut().zip(&column_sums) {
                *e = scale * (*e / row_sums[i] + *e / column);
            }
            line[i] -= 2.0 * scale;
            self.against_documents(i, &document, &mut partial);
            for (part, to) in partial.chunks_exact(n).zip(to_query[i..].iter_mut().step_by(n)) {
                *to = part.iter().zip(&*line).map(|(part, upstream)| part * upstream).sum();
            }
            for (member, x) in query.of(i).enumerate() {
                for (other, to) in to_document.chunks_exact_mut(n).enumerate() {
                    let products = self.products(member, other, i);
                    to.iter_mut().zip(products).zip(&*line).for_each(|((to, g), upstream)| *to += x * g * upstream);
                }
            }
        }
        let mut gradient = vec![0.0; theta.len()];
        self.queries.backward(&query, &to_query, columns, &mut gradient);
        self.documents.backward(&document, &to_document, columns, &mut gradient);
        Ok((loss, gradient))
    }

    fn products(&self, member: usize, other: usize, i: usize) -> &[f64] {
        &self.cross[(member * self.members + other) * self.pairs + i]
    }

    /// `out[k][j]` = Σ_l y_jl ⟨A_ki, B_lj⟩
    fn against_documents(&self, i: usize, documents: &Mixed, out: &mut [f64]) {
        for (member, out) in out.chunks_exact_mut(self.pairs).enumerate() {
            out.fill(0.0);
            for (other, y) in documents.scaled.chunks_exact(self.pairs).enumerate() {
                let products = self.products(member, other, i);
                out.iter_mut().zip(products).zip(y).for_each(|((out, g), y)| *out += g * y);
            }
        }
    }
}

impl Mixed {
    fn of(&self, i: usize) -> impl Iterator<Item = f64> {
        self.scaled[i..].iter().step_by(self.norms.len()).copied()
    }
}

impl Side {
    fn new(means: &[&[f32]], uncertainties: &[f32], pairs: &CalibrationPairs<'_>, n: usize) -> Self {
        let d = pairs.dimension;
        let text = |member: &'_ [f32], i: usize| -> Vec<f32> { member[i * d..(i + 1) * d].to_vec() };
        let (mut own, mut valid) = (Vec::new(), Vec::new());
        for i in 0..n {
            let texts: Vec<Vec<f32>> = means.iter().map(|member| text(member, i)).collect();
            valid.extend(texts.iter().map(|x| x.iter().any(|x| *x != 0.0)));
            own.extend(texts.iter().flat_map(|x| texts.iter().map(|y| dot(x, y))));
        }
        // A NaN can only stand for an invalid member, whose coefficient is 0 whatever it says.
        let log = uncertainties.iter().map(|u| if u.is_nan() { 0.0 } else { log_uncertainty(f64::from(*u)) }).collect();
        Self { own, log, valid, sources: pairs.sources.len() }
    }

    fn select(&self, rows: &[usize], k: usize) -> Self {
        fn pick<T: Copy>(from: &[T], rows: &[usize], width: usize) -> Vec<T> {
            rows.iter().flat_map(|i| from[i * width..(i + 1) * width].iter().copied()).collect()
        }
        Self {
            own: pick(&self.own, rows, k * k),
            log: pick(&self.log, rows, k * self.sources),
            valid: pick(&self.valid, rows, k),
            sources: self.sources,
        }
    }

    fn mix(&self, theta: &[f64], columns: &[usize], k: usize) -> Mixed {
        let (bias, power) = theta.split_at(k);
        let n = self.valid.len() / k;
        let mut mixed = Mixed { weights: vec![0.0; n * k], scaled: vec![0.0; n * k], norms: vec![0.0; n] };
        for (i, weights) in mixed.weights.chunks_exact_mut(k).enumerate() {
            for (member, weight) in weights.iter_mut().enumerate() {
                let log = &self.log[(i * k + member) * self.sources..][..self.sources];
                let discount: f64 = power.iter().zip(columns).map(|(p, column)| p * log[*column]).sum();
                *weight = if self.valid[i * k + member] { bias[member] - discount } else { f64::NEG_INFINITY };
            }
            let max = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            weights.iter_mut().for_each(|w| *w = (*w - max).exp());
            let total: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= total);
            let own = &self.own[i * k * k..(i + 1) * k * k];
            let norm2: f64 = own.chunks_exact(k).zip(&*weights).map(|(line, w)| w * weighted(line, weights)).sum();
            if norm2 > SHORTEST * SHORTEST {
                mixed.norms[i] = norm2.sqrt();
                for (member, w) in weights.iter().enumerate() {
                    mixed.scaled[member * n + i] = w / mixed.norms[i];
                }
            }
        }
        mixed
    }

    /// Adds the gradient with respect to θ, given that with respect to x = π/‖mixture‖ as `[k][i]`.
    fn backward(&self, mixed: &Mixed, upstream: &[f64], columns: &[usize], gradient: &mut [f64]) {
        let n = mixed.norms.len();
        let k = mixed.weights.len() / n;
        for i in (0..n).filter(|i| mixed.norms[*i] > 0.0) {
            let (norm, weights) = (mixed.norms[i], &mixed.weights[i * k..(i + 1) * k]);
            let to_scaled = |member: usize| upstream[member * n + i];
            // x = π/‖·‖:  ∂/∂π_k = (g_k − (g·π) (Sπ)_k/‖·‖²)/‖·‖, S the inner products of the text's own members
            let along: f64 = weights.iter().enumerate().map(|(member, w)| w * to_scaled(member)).sum();
            let own = self.own[i * k * k..(i + 1) * k * k].chunks_exact(k);
            let to_weights: Vec<f64> = own
                .enumerate()
                .map(|(member, line)| (to_scaled(member) - along * weighted(line, weights) / (norm * norm)) / norm)
                .collect();
            let mean = weighted(&to_weights, weights);
            for (member, (w, g)) in weights.iter().zip(&to_weights).enumerate() {
                let to_exponent = w * (g - mean);
                gradient[member] += to_exponent;
                let log = &self.log[(i * k + member) * self.sources..][..self.sources];
                for (column, gradient) in columns.iter().zip(&mut gradient[k..]) {
                    *gradient -= to_exponent * log[*column];
                }
            }
        }
    }
}

/// A line of products. Together they fill gigabytes, so each asks for its memory and whether it is still wanted.
fn one_line(length: usize, products: impl Iterator<Item = f64>, cancel: &Cancel) -> Result<Vec<f64>> {
    cancel.check()?;
    let mut line = Vec::new();
    line.try_reserve_exact(length)
        .map_err(|_| Error::new(ErrorCode::OutOfMemory, "no memory to calibrate on so many pairs: use fewer"))?;
    line.extend(products);
    Ok(line)
}

fn weighted(x: &[f64], weights: &[f64]) -> f64 {
    x.iter().zip(weights).map(|(x, w)| x * w).sum()
}
