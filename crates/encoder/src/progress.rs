//! Progress of long work, readable from another thread without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What long work is doing at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing yet.
    #[default]
    Idle,
    /// Texts are being cut into tokens.
    Tokenize,
    /// Texts run through the encoder.
    Embed,
    /// Pairs are added to the curvature.
    Fit,
    /// The posterior is computed from the curvature.
    Posterior,
    /// A file is being written.
    Write,
}

impl Phase {
    /// The name as users see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Tokenize => "tokenize",
            Self::Embed => "embed",
            Self::Fit => "fit",
            Self::Posterior => "posterior",
            Self::Write => "write",
        }
    }

    const fn from_u8(value: u8) -> Self {
        match value {
            1 => Self::Tokenize,
            2 => Self::Embed,
            3 => Self::Fit,
            4 => Self::Posterior,
            5 => Self::Write,
            _ => Self::Idle,
        }
    }
}

/// A moment of a [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What is going on.
    pub phase: Phase,
    /// How many texts (pairs while fitting) are done.
    pub done: u64,
    /// Out of how many, where that is known.
    pub total: Option<u64>,
}

/// Counters that the work writes and anybody may poll. Clones share the counters.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: AtomicU8,
    done: AtomicU64,
    /// 0 = unknown.
    total: AtomicU64,
}

impl Progress {
    /// The present state. The three values are read one after another, so they may belong to neighbouring moments.
    pub fn snapshot(&self) -> Snapshot {
        let total = self.0.total.load(Ordering::Relaxed);
        Snapshot {
            phase: Phase::from_u8(self.0.phase.load(Ordering::Relaxed)),
            done: self.0.done.load(Ordering::Relaxed),
            total: (total > 0).then_some(total),
        }
    }

    /// Enters a phase with nothing done yet.
    pub fn start(&self, phase: Phase, total: Option<usize>) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total.unwrap_or(0) as u64, Ordering::Relaxed);
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Enters a phase and keeps what is done: for work that is fed in portions.
    pub fn resume(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Adds to what is done.
    pub fn advance(&self, by: usize) {
        self.0.done.fetch_add(by as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_sees_what_a_clone_did() {
        let progress = Progress::default();
        assert_eq!(progress.snapshot(), Snapshot { phase: Phase::Idle, done: 0, total: None });
        let work = progress.clone();
        work.start(Phase::Embed, Some(10));
        work.advance(3);
        work.advance(4);
        assert_eq!(progress.snapshot(), Snapshot { phase: Phase::Embed, done: 7, total: Some(10) });
        assert_eq!(progress.snapshot().phase.as_str(), "embed");
    }

    #[test]
    fn every_phase_survives_the_atomic() {
        for phase in [Phase::Idle, Phase::Tokenize, Phase::Embed, Phase::Fit, Phase::Posterior, Phase::Write] {
            assert_eq!(Phase::from_u8(phase as u8), phase);
        }
    }
}
