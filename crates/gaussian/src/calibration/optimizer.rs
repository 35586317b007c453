//! Minimises a smooth function of a few variables under lower bounds: projected BFGS.
//!
//! Variables at their bound whose gradient points outward are held; the others move along −B⁻¹g, B the BFGS estimate
//! of the Hessian restricted to them, and are projected onto the bounds while the step is halved until the function
//! falls enough (Bertsekas, "Projected Newton methods", SIAM J. Control Optim. 20, 1982).

use crate::Result;

const MOST_STEPS: usize = 500;
/// Share of the predicted fall that a step must bring.
const ARMIJO: f64 = 1e-4;
/// A predicted fall below this share of the function's value is lost in rounding.
const ROUNDING: f64 = 1e-16;
/// The first step is at most this long.
const FIRST_STEP: f64 = 0.5;

/// Where the search ended.
pub(super) struct Minimum {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
}

/// Minimises from `start` (within the bounds) until no component of the projected gradient exceeds `tolerance`, or no
/// step makes the function smaller in floating point.
pub(super) fn minimize(
    mut function: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>,
    start: Vec<f64>,
    lower: &[f64],
    tolerance: f64,
) -> Result<Minimum> {
    let n = start.len();
    let mut x = start;
    let (mut value, mut gradient) = function(&x)?;
    let mut hessian: Option<Vec<f64>> = None;
    for _ in 0..MOST_STEPS {
        let residual = (0..n).map(|i| (x[i] - (x[i] - gradient[i]).max(lower[i])).abs()).fold(0.0, f64::max);
        if residual <= tolerance {
            break;
        }
        let free: Vec<usize> = (0..n).filter(|i| x[*i] > lower[*i] || gradient[*i] < 0.0).collect();
        let newton = hessian.as_ref().and_then(|hessian| solve(hessian, n, &free, &gradient));
        let fresh = newton.is_none();
        let direction = newton.unwrap_or_else(|| steepest(&gradient, &free));
        let Some((next, next_value, next_gradient)) = search(&mut function, &x, value, &gradient, &direction, lower)?
        else {
            if fresh {
                break;
            }
            hessian = None;
            continue;
        };
        let step: Vec<f64> = next.iter().zip(&x).map(|(next, x)| next - x).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(next, g)| next - g).collect();
        update(&mut hessian, &step, &change);
        (x, value, gradient) = (next, next_value, next_gradient);
    }
    Ok(Minimum { point: x, value })
}

type Evaluated = (Vec<f64>, f64, Vec<f64>);

/// Halves the step along the projected path until the function falls enough.
fn search(
    function: &mut impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>,
    x: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    lower: &[f64],
) -> Result<Option<Evaluated>> {
    let mut length = 1.0;
    for _ in 0..30 {
        let next: Vec<f64> =
            x.iter().zip(direction).zip(lower).map(|((x, d), lower)| (x + length * d).max(*lower)).collect();
        let predicted: f64 = next.iter().zip(x).zip(gradient).map(|((next, x), g)| g * (next - x)).sum();
        if predicted >= -ROUNDING * value.abs() {
            return Ok(None);
        }
        let (next_value, next_gradient) = function(&next)?;
        if next_value <= value + ARMIJO * predicted && next_value < value {
            return Ok(Some((next, next_value, next_gradient)));
        }
        length *= 0.5;
    }
    Ok(None)
}

fn steepest(gradient: &[f64], free: &[usize]) -> Vec<f64> {
    let norm = free.iter().map(|i| gradient[*i] * gradient[*i]).sum::<f64>().sqrt();
    let scale = (FIRST_STEP / norm).min(1.0);
    let mut direction = vec![0.0; gradient.len()];
    for i in free {
        direction[*i] = -scale * gradient[*i];
    }
    direction
}

/// The BFGS update of B, skipped where the curvature along the step is not positive.
fn update(hessian: &mut Option<Vec<f64>>, step: &[f64], change: &[f64]) {
    let n = step.len();
    let dot = |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| x * y).sum() };
    let curvature = dot(step, change);
    if curvature <= 1e-10 * (dot(step, step) * dot(change, change)).sqrt() {
        return;
    }
    let matrix = hessian.get_or_insert_with(|| {
        let diagonal = dot(change, change) / curvature;
        (0..n * n).map(|cell| if cell / n == cell % n { diagonal } else { 0.0 }).collect()
    });
    let image: Vec<f64> = matrix.chunks_exact(n).map(|line| dot(line, step)).collect();
    let along = dot(step, &image);
    if along <= 0.0 {
        *hessian = None;
        return;
    }
    for (cell, value) in matrix.iter_mut().enumerate() {
        let (i, j) = (cell / n, cell % n);
        *value += change[i] * change[j] / curvature - image[i] * image[j] / along;
    }
}

/// −B⁻¹g over the free variables by Cholesky, 0 elsewhere; none if B is not positive definite there.
fn solve(hessian: &[f64], n: usize, free: &[usize], gradient: &[f64]) -> Option<Vec<f64>> {
    let m = free.len();
    let mut factor = vec![0.0; m * m];
    for i in 0..m {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|t| factor[i * m + t] * factor[j * m + t]).sum();
            let rest = hessian[free[i] * n + free[j]] - inner;
            if i != j {
                factor[i * m + j] = rest / factor[j * m + j];
            } else if rest > 0.0 {
                factor[i * m + i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut y = vec![0.0; m];
    for i in 0..m {
        let inner: f64 = (0..i).map(|t| factor[i * m + t] * y[t]).sum();
        y[i] = (-gradient[free[i]] - inner) / factor[i * m + i];
    }
    let mut direction = vec![0.0; n];
    for i in (0..m).rev() {
        let inner: f64 = (i + 1..m).map(|t| factor[t * m + i] * y[t]).sum();
        y[i] = (y[i] - inner) / factor[i * m + i];
        direction[free[i]] = y[i];
    }
    direction.iter().all(|d| d.is_finite()).then_some(direction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_bottom_of_rosenbrock() {
        let rosenbrock = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            Ok((a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b]))
        };
        let found = minimize(rosenbrock, vec![-1.2, 1.0], &[f64::NEG_INFINITY; 2], 1e-10).unwrap();
        assert!(found.value < 1e-18 && (found.point[0] - 1.0).abs() < 1e-8, "{:?}", found.point);
    }

    #[test]
    fn stops_at_an_active_bound_and_leaves_a_wrong_one() {
        // (x − 2)² + (y + 1)² + xy with y ≥ 0: the bound holds y at 0, and x = 2. It starts at x's bound, which must open.
        let bowl = |x: &[f64]| {
            let (a, b) = (x[0] - 2.0, x[1] + 1.0);
            Ok((a * a + b * b + x[0] * x[1], vec![2.0 * a + x[1], 2.0 * b + x[0]]))
        };
        let found = minimize(bowl, vec![0.0, 3.0], &[0.0, 0.0], 1e-10).unwrap();
        assert!((found.point[0] - 2.0).abs() < 1e-9 && found.point[1] == 0.0, "{:?}", found.point);
    }
}
