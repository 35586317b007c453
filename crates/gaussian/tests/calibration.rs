//! What a calibration promises: it finds the source that tells, ignores those that do not, and refuses what it cannot use.
#![allow(clippy::unwrap_used)]

use uec_gaussian::{
    Calibration, CalibrationPairs, Cancel, Coefficients, ErrorCode, Gaussians, choose_calibration, coefficients,
    fit_calibration,
};

const DIMENSION: usize = 16;

/// Pairs under two encoders. Each text is embedded well by one of them and badly by the other; one source says which,
/// the other is noise.
struct Planted {
    means: [[Vec<f32>; 2]; 2],
    uncertainties: [Vec<f32>; 2],
}

/// Uniform numbers of [−1, 1).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

impl Planted {
    fn new(pairs: usize) -> Self {
        let mut random = Uniform(7);
        let mut planted = Self { means: Default::default(), uncertainties: Default::default() };
        for _ in 0..pairs {
            let meaning: Vec<f32> = (0..DIMENSION).map(|_| random.next()).collect();
            for side in 0..2 {
                let expert = usize::from(random.next() > 0.0);
                for k in 0..2 {
                    let noise = if k == expert { 0.1 } else { 3.0 };
                    let z: Vec<f32> = meaning.iter().map(|m| m + noise * random.next()).collect();
                    let norm = z.iter().map(|z| z * z).sum::<f32>().sqrt();
                    planted.means[side][k].extend(z.iter().map(|z| z / norm));
                    let told = noise * (1.0 + 0.2 * random.next());
                    planted.uncertainties[side].extend([(0.5 * random.next()).exp(), told]);
                }
            }
        }
        planted
    }

    fn with<R>(&self, work: impl FnOnce(&CalibrationPairs<'_>) -> R) -> R {
        let [query, document] = &self.means;
        work(&CalibrationPairs {
            dimension: DIMENSION,
            query_means: &query.each_ref().map(Vec::as_slice),
            document_means: &document.each_ref().map(Vec::as_slice),
            query_uncertainties: &self.uncertainties[0],
            document_uncertainties: &self.uncertainties[1],
            sources: &["trace", "inverse-norm"],
        })
    }
}

#[test]
fn the_telling_source_alone_is_chosen() {
    let chosen = Planted::new(120).with(|pairs| choose_calibration(pairs, &Cancel::default())).unwrap();
    assert_eq!(chosen.sources, ["inverse-norm"], "{chosen:?}");
    assert!(chosen.power[0] > 0.5 && chosen.loss < 0.5, "{chosen:?}");
    assert_eq!(chosen.pairs, 120);
}

#[test]
fn no_source_is_chosen_where_all_encoders_seem_equal() {
    let mut planted = Planted::new(120);
    planted.uncertainties.iter_mut().for_each(|u| u.fill(0.7));
    let chosen = planted.with(|pairs| choose_calibration(pairs, &Cancel::default())).unwrap();
    assert!(chosen.sources.is_empty() && chosen.power.is_empty(), "{chosen:?}");
    assert_eq!(chosen.bias.len(), 2);
}

#[test]
fn a_member_that_could_not_embed_a_text_is_left_out_whatever_its_uncertainty() {
    let mut planted = Planted::new(40);
    planted.means[0][1][..DIMENSION].fill(0.0);
    planted.uncertainties[0][2..4].fill(f32::INFINITY);
    let infinite = planted.with(|pairs| fit_calibration(pairs, &Cancel::default())).unwrap();
    planted.uncertainties[0][2..4].fill(f32::NAN);
    assert_eq!(infinite, planted.with(|pairs| fit_calibration(pairs, &Cancel::default())).unwrap());
    planted.means[0][0][..DIMENSION].fill(0.0);
    let error = planted.with(|pairs| fit_calibration(pairs, &Cancel::default())).unwrap_err();
    assert!(error.code == ErrorCode::InvalidArgument && error.message.contains("pair 0"), "{error}");
}

#[test]
fn unusable_pairs_are_refused() {
    let refused = |planted: &Planted| {
        planted
            .with(|pairs| (fit_calibration(pairs, &Cancel::default()), choose_calibration(pairs, &Cancel::default())))
    };
    let few = refused(&Planted::new(9));
    assert_eq!(
        (few.0.unwrap_err().code, few.1.unwrap_err().code),
        (ErrorCode::InvalidArgument, ErrorCode::InvalidArgument)
    );
    let mut short = Planted::new(20);
    short.uncertainties[1].pop();
    assert_eq!(refused(&short).0.unwrap_err().code, ErrorCode::InvalidArgument);
    let mut unknown = Planted::new(20);
    unknown.uncertainties[1][5] = f32::NAN;
    assert_eq!(refused(&unknown).0.unwrap_err().code, ErrorCode::InvalidArgument);
    let cancel = Cancel::default();
    cancel.cancel();
    let aborted = Planted::new(20).with(|pairs| choose_calibration(pairs, &cancel)).unwrap_err();
    assert_eq!(aborted.code, ErrorCode::Aborted);
}

/// a = 0, p = 0 is uniform, p = 0 fixed weights, a = 0 and p = 1 with the trace inverse variance (method §4).
#[test]
fn the_other_rules_are_special_cases() {
    let member = |v: f32| Gaussians { mean: vec![1.0, 0.0], variance: vec![v, 2.0 * v], dimension: 2 };
    let members = [member(0.1), member(0.03), member(0.4)];
    let rows: Vec<_> = members.iter().map(Gaussians::rows).collect();
    let get = |rule: Coefficients<'_>| coefficients(rule, 1.0, &rows, None, &Cancel::default()).unwrap();
    let of = |bias: [f64; 3], power: f64| Calibration {
        sources: vec!["trace".to_owned()],
        bias: bias.to_vec(),
        power: vec![power],
        loss: 0.0,
        pairs: 10,
    };
    let weights = [0.2, 0.5, 0.3];
    for (calibration, rule) in [
        (of([0.0; 3], 0.0), Coefficients::Uniform),
        (of(weights.map(f64::ln), 0.0), Coefficients::Fixed(&weights)),
        (of([0.0; 3], 1.0), Coefficients::InverseVariance),
        (of([0.0; 3], 2.5), Coefficients::Power(2.5)),
    ] {
        for (got, expected) in get(Coefficients::Calibrated(&calibration)).iter().zip(get(rule)) {
            assert!((got - expected).abs() < 1e-14, "{got} {expected}");
        }
    }
}

#[test]
fn a_calibration_of_other_encoders_or_without_its_uncertainties_is_refused() {
    let member = Gaussians { mean: vec![1.0], variance: vec![0.1], dimension: 1 };
    let rows = [member.rows(), member.rows()];
    let calibration = |members: usize, sources: &[&str]| Calibration {
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        bias: vec![0.0; members],
        power: vec![1.0; sources.len()],
        loss: 0.0,
        pairs: 10,
    };
    let get = |calibration: &Calibration, u: Option<&[f32]>| {
        coefficients(Coefficients::Calibrated(calibration), 1.0, &rows, u, &Cancel::default())
    };
    assert!(get(&calibration(3, &["trace"]), None).is_err());
    assert!(get(&calibration(2, &["inverse-norm"]), None).is_err());
    assert!(get(&calibration(2, &["inverse-norm"]), Some(&[1.0])).is_err());
    assert!(get(&calibration(2, &["inverse-norm"]), Some(&[1.0, f32::NAN])).is_err());
    assert_eq!(get(&calibration(2, &[]), None).unwrap(), [0.5, 0.5]);
    // u is clamped: 0 and 1e-7 are the same.
    assert_eq!(get(&calibration(2, &["inverse-norm"]), Some(&[0.0, 1e-7])).unwrap(), [0.5, 0.5]);
}

/// A source of the user's own competes like the others: here the planted one under another name, and noise.
#[test]
fn a_source_of_any_name_is_chosen_if_it_tells_and_never_if_it_is_noise() {
    let planted = Planted::new(80);
    let choose = |uncertainties: &[Vec<f32>; 2]| {
        planted.with(|pairs| {
            let own = CalibrationPairs {
                sources: &["my own"],
                query_uncertainties: &uncertainties[0],
                document_uncertainties: &uncertainties[1],
                ..*pairs
            };
            choose_calibration(&own, &Cancel::default()).unwrap()
        })
    };
    let telling = planted.uncertainties.each_ref().map(|u| u.iter().skip(1).step_by(2).copied().collect());
    assert_eq!(choose(&telling).sources, ["my own"]);
    for seed in 0..8 {
        let mut random = Uniform(seed);
        let noise = [(); 2].map(|()| (0..2 * 80).map(|_| (2.0 * random.next()).exp()).collect());
        let chosen = choose(&noise);
        assert!(chosen.sources.is_empty(), "seed {seed}: {chosen:?}");
    }
}

#[test]
fn at_most_six_sources_compete() {
    let planted = Planted::new(20);
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let refused = planted.with(|pairs| {
        choose_calibration(&CalibrationPairs { sources: &names, ..*pairs }, &Cancel::default()).unwrap_err()
    });
    assert!(refused.code == ErrorCode::InvalidArgument && refused.message.contains("at most 6"), "{refused}");
}
