//! Each operation of each instruction set against what it means.

use super::{CODES_MAX, Kernel, Level, Simd, dispatch, simd_level};

/// Runs a check under every instruction set of this CPU.
macro_rules! every_level {
    ($name:ident, $s:ident, $body:block) => {
        #[test]
        fn $name() {
            struct Check;
            impl Kernel for Check {
                type Output = ();
                #[inline(always)]
                unsafe fn run<$s: Simd>(self) {
                    // SAFETY: the dispatch found the instructions; the arrays are as long as the loads.
                    unsafe { $body }
                }
            }
            for level in Level::available() {
                // SAFETY: nothing asked for.
                unsafe { dispatch(*level, Check) };
            }
        }
    };
}

unsafe fn lanes<S: Simd>(x: S::F32) -> Vec<f32> {
    let mut out = vec![0.0; S::LANES];
    // SAFETY: `out` has LANES elements.
    unsafe { S::store(out.as_mut_ptr(), x) };
    out
}

#[test]
fn the_widest_level_is_chosen() {
    assert_eq!(Level::available()[0], Level::PORTABLE);
    assert_eq!(Level::available().last(), Some(&Level::detect()));
    assert_eq!(simd_level(), Level::detect().name());
}

every_level!(arithmetic_is_lane_by_lane, S, {
    let x: Vec<f32> = (0..S::LANES).map(|j| j as f32 + 0.25).collect();
    let y: Vec<f32> = (0..S::LANES).map(|j| 7.5 - 2.0 * j as f32).collect();
    let (a, b) = (S::load(x.as_ptr()), S::load(y.as_ptr()));
    let expected = |f: &dyn Fn(f32, f32) -> f32| x.iter().zip(&y).map(|(x, y)| f(*x, *y)).collect::<Vec<_>>();
    assert_eq!(lanes::<S>(S::add(a, b)), expected(&|x, y| x + y));
    assert_eq!(lanes::<S>(S::sub(a, b)), expected(&|x, y| x - y));
    assert_eq!(lanes::<S>(S::mul(a, b)), expected(&|x, y| x * y));
    assert_eq!(lanes::<S>(S::div(a, b)), expected(&|x, y| x / y));
    assert_eq!(lanes::<S>(S::fma(a, b, b)), expected(&|x, y| x * y + y));
    assert_eq!(lanes::<S>(S::min(a, b)), expected(&f32::min));
    assert_eq!(lanes::<S>(S::max(a, b)), expected(&f32::max));
    assert_eq!(lanes::<S>(S::sqrt(a)), expected(&|x, _| x.sqrt()));
    assert_eq!(lanes::<S>(S::add(S::zero(), S::splat(2.5))), vec![2.5; S::LANES]);
    assert_eq!(S::reduce_add(a), x.iter().sum::<f32>());
});

every_level!(mantissa_and_exponent_are_the_parts_of_a_number, S, {
    for x in [f32::MIN_POSITIVE, 1e-30, 0.1, 1.0, 1.999, 2.0, 3e38, f32::MAX] {
        let (mantissa, exponent) = (S::mantissa(S::splat(x)), S::exponent(S::splat(x)));
        for (mantissa, exponent) in lanes::<S>(mantissa).into_iter().zip(lanes::<S>(exponent)) {
            assert!((1.0..2.0).contains(&mantissa));
            assert_eq!(f64::from(mantissa) * f64::from(exponent).exp2(), f64::from(x));
        }
    }
});

every_level!(partial_loads_and_stores_touch_no_more_than_they_say, S, {
    let x: Vec<f32> = (1..=S::LANES).map(|j| j as f32).collect();
    for n in 0..S::LANES {
        // A slice of its own, so that a sanitizer sees a read past it.
        let exact = x[..n].to_vec();
        let expected: Vec<f32> = (0..S::LANES).map(|j| if j < n { x[j] } else { 0.0 }).collect();
        assert_eq!(lanes::<S>(S::load_partial(exact.as_ptr(), n)), expected);
        let mut out = vec![-1.0; S::LANES];
        S::store_partial(out.as_mut_ptr(), S::load(x.as_ptr()), n);
        assert_eq!(out[..n], x[..n]);
        assert!(out[n..].iter().all(|x| *x == -1.0));
        let codes = vec![0x3c00_u16; n];
        let ones: Vec<f32> = (0..S::LANES).map(|j| f32::from(u8::from(j < n))).collect();
        assert_eq!(lanes::<S>(S::load_f16_partial(codes.as_ptr(), n)), ones);
    }
});

every_level!(every_binary16_is_widened_exactly, S, {
    for first in (0..=u16::MAX).step_by(S::LANES) {
        let codes: Vec<u16> = (0..S::LANES as u16).map(|j| first + j).collect();
        for (code, x) in codes.iter().zip(lanes::<S>(S::load_f16(codes.as_ptr()))) {
            let (sign, exponent, fraction) =
                (1.0 - 2.0 * f64::from(code >> 15), i32::from(code >> 10 & 31), f64::from(code & 1023) / 1024.0);
            match exponent {
                31 if fraction > 0.0 => assert!(x.is_nan()),
                31 => assert_eq!(f64::from(x), sign * f64::INFINITY),
                0 => assert_eq!(f64::from(x), sign * fraction * (-14.0_f64).exp2()),
                _ => assert_eq!(f64::from(x), sign * (1.0 + fraction) * f64::from(exponent - 15).exp2()),
            }
        }
    }
});

every_level!(integer_products_are_exact, S, {
    assert_eq!(CODES_MAX % S::CODES, 0);
    let x: Vec<i16> = (0..S::CODES).map(|j| [i16::MAX, 2 - i16::MAX, 1234, -1][j % 4] - j as i16 % 3).collect();
    let y: Vec<i8> = (0..S::CODES).map(|j| [127, -128, 0, 55][j % 4]).collect();
    let expected = |n: usize| (0..n).map(|j| i32::from(x[j]) * i32::from(y[j])).sum::<i32>();
    let query = S::load_i16(x.as_ptr());
    let whole = S::dot_i16(S::zero_i32(), query, S::load_i8(y.as_ptr()));
    assert_eq!(S::reduce_add_i32(whole), expected(S::CODES));
    assert_eq!(S::reduce_add_i32(S::dot_i16(whole, query, S::load_i8(y.as_ptr()))), 2 * expected(S::CODES));
    for n in 0..S::CODES {
        let exact = y[..n].to_vec();
        let part = S::dot_i16(S::zero_i32(), query, S::load_i8_partial(exact.as_ptr(), n));
        assert_eq!(S::reduce_add_i32(part), expected(n));
    }
});
