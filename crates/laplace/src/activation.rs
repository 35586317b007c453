//! The activation after a dense head: z = f(u), and to first order v_d = f′(u_d)² Σ_i V_di h_i²  (method §3).

/// What a dense head applies to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// f(u) = u.
    Identity,
    /// f(u) = tanh u.
    Tanh,
}

impl Activation {
    /// f(u).
    pub fn value(self, u: f64) -> f64 {
        match self {
            Self::Identity => u,
            Self::Tanh => u.tanh(),
        }
    }

    /// f′(u).
    pub fn derivative(self, u: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            // 1/cosh² keeps its precision where 1 − tanh² has lost it.
            Self::Tanh => u.cosh().recip().powi(2),
        }
    }

    /// Turns the variance of u into that of f(u): v_d ← f′(u_d)² v_d.
    pub fn carry(self, u: &[f64], variance: &mut [f64]) {
        for (v, &u) in variance.iter_mut().zip(u) {
            *v *= self.derivative(u).powi(2);
        }
    }
}
