use uec_gaussian::ErrorCode::ModelUnsupported;

use super::builder::{Builder, TOKENS, weighted};

#[test]
fn the_walk_is_printed_step_by_step_with_the_way_to_override_it() {
    let base = weighted().node("MatMul", &["a", "W"], &["product"]).node("ms.LayerScale", &["product"], &["scaled"]);
    let base = base.node("Add", &["scaled", "x"], &["u"]).node("LayerNormalization", &["u"], &["y"]);
    let error = base.output("y", &TOKENS).tail().unwrap_err();
    assert_eq!(error.code, ModelUnsupported);
    let steps = "LayerNormalization (node `/y`) → Add (node `/u`) → LayerScale (node `/scaled`).";
    assert!(error.message.contains(steps), "{error}");
    assert!(error.message.contains("tail: { norm, linear }"), "{error}");
}

#[test]
fn a_long_walk_is_shortened() {
    let names: Vec<String> = (0..40).map(|at| format!("s{at}")).collect();
    let mut base = weighted().node("Sigmoid", &["a"], &["s0"]).node("MatMul", &["a", "W"], &["unused"]);
    for pair in names.windows(2) {
        base = base.node("Add", &[&pair[0], "x"], &[&pair[1]]);
    }
    let error = base.output("s39", &TOKENS).tail().unwrap_err();
    assert_eq!(error.message.matches(" → ").count(), 11, "{error}");
    assert!(error.message.contains("(29 more)") && error.message.contains("Sigmoid (node `/s0`)"), "{error}");
}

/// Sums that branch and meet again double the number of ways at every step, but every tensor is visited once.
#[test]
fn a_walk_through_many_ways_ends() {
    let mut base = Builder::default().floats("W", &[2, 2], &[1.0; 4]).node("Sigmoid", &["x"], &["s0"]);
    for at in 0..300 {
        let (from, to) = (format!("s{at}"), format!("s{}", at + 1));
        base = base.node("Add", &[&from, &from], &[&to]).node("Mul", &[&from, &from], &[&format!("m{at}")]);
    }
    assert_eq!(
        base.node("Mul", &["s300", "s300"], &["y"]).output("y", &TOKENS).tail().unwrap_err().code,
        ModelUnsupported
    );
}
