//! The activation after a dense head: z = f(u), and to first order v_d = f′(u_d)² Σ_i V_di h_i²  (method §3).
//!
//! Every derivative is a function of the value, so that z alone says how gradients and variances pass.

use std::str::FromStr;

use uec_gaussian::Error;

/// What a dense head applies to its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// f(u) = u.
    #[default]
    Identity,
    /// f(u) = tanh u.
    Tanh,
    /// f(u) = max(u, 0), of derivative 0 at 0.
    Relu,
    /// f(u) = 1/(1 + e^−u).
    Sigmoid,
}

impl Activation {
    /// `identity`, `tanh`, `relu` or `sigmoid`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
        }
    }

    /// f(u).
    pub fn value(self, u: f64) -> f64 {
        match self {
            Self::Identity => u,
            Self::Tanh => u.tanh(),
            Self::Relu => u.max(0.0),
            Self::Sigmoid => 1.0 / (1.0 + (-u).exp()),
        }
    }

    /// f′(u) where z = f(u): 1, 1 − z², 1 where z > 0 (else 0) or z(1 − z).
    pub fn derivative(self, z: f64) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Tanh => (1.0 - z) * (1.0 + z),
            Self::Relu => f64::from(u8::from(z > 0.0)),
            Self::Sigmoid => z * (1.0 - z),
        }
    }

    /// Turns the variance of u into that of z = f(u): v_d ← f′(u_d)² v_d.
    pub fn carry(self, z: &[f64], variance: &mut [f64]) {
        for (v, &z) in variance.iter_mut().zip(z) {
            *v *= self.derivative(z).powi(2);
        }
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Identity, Self::Tanh, Self::Relu, Self::Sigmoid]
            .into_iter()
            .find(|activation| activation.as_str() == name)
            .ok_or_else(|| Error::invalid(format!("unknown activation '{name}'; use identity, tanh, relu or sigmoid")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivative_is_that_of_the_value() {
        for name in ["identity", "tanh", "relu", "sigmoid"] {
            let f: Activation = name.parse().unwrap();
            assert_eq!(f.as_str(), name);
            for u in [-3.0, -0.4, 0.2, 2.5] {
                let step = 1e-5;
                let slope = (f.value(u + step) - f.value(u - step)) / (2.0 * step);
                assert!((f.derivative(f.value(u)) - slope).abs() < 1e-9, "{name} at {u}");
            }
        }
        assert!("Tanh".parse::<Activation>().is_err());
    }

    #[test]
    fn extremes_stay_finite() {
        for (f, low, high) in [(Activation::Tanh, -1.0, 1.0), (Activation::Sigmoid, 0.0, 1.0)] {
            assert_eq!((f.value(-1e300), f.value(1e300)), (low, high));
            assert_eq!((f.derivative(low), f.derivative(high)), (0.0, 0.0));
        }
    }
}
