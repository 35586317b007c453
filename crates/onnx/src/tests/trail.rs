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

/// A residual stream whose last layer hides behind an operator: the one before it must not be taken instead.
#[test]
fn an_earlier_layer_is_not_taken_for_a_last_one_that_cannot_be_read() {
    let base = weighted().floats("V", &[2, 2], &[1.0; 4]).node("MatMul", &["a", "W"], &["r"]);
    let base = base.node("LayerNormalization", &["r"], &["b"]).node("MatMul", &["b", "V"], &["product"]);
    let base = base.node("ms.LayerScale", &["product"], &["scaled"]).node("Add", &["r", "scaled"], &["y"]);
    let error = base.output("y", &TOKENS).tail().unwrap_err();
    assert_eq!(error.code, ModelUnsupported);
    assert!(error.message.contains("MatMul (node `/r`) is not the last linear layer"), "{error}");
    assert!(error.message.contains("Add (node `/y`) → LayerScale (node `/scaled`)."), "{error}");
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

/// As many terms as nodes, each at the end of a chain of operators without effect.
#[test]
fn long_chains_behind_many_terms_are_quick() {
    let start = std::time::Instant::now();
    for operator in ["Identity", "Sigmoid"] {
        let names: Vec<String> = (0..20_000).map(|at| format!("s{at}")).collect();
        let mut base = weighted().node("MatMul", &["a", "W"], &["s0"]);
        for pair in names.windows(2) {
            base = base.node(operator, &[&pair[0]], &[&pair[1]]);
        }
        let terms: Vec<&str> = names.iter().map(String::as_str).collect();
        let tail = base.node("Sum", &terms, &["y"]).output("y", &TOKENS).tail();
        assert_eq!(tail.unwrap_err().code, ModelUnsupported, "{operator}");
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}
