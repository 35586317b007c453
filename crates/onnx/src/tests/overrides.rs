use uec_gaussian::ErrorCode::ModelUnsupported;
use uec_gaussian::Result;

use super::builder::{Builder, TOKENS, weighted};
use crate::{Override, Pooling, Stage, Tail};

fn tail(base: Builder, norm: Option<&str>, linear: Option<&str>) -> Result<Tail> {
    base.graph()?.tail(&Override { norm: norm.map(str::to_owned), linear: linear.map(str::to_owned) })
}

/// Two layers that do not depend on each other are added.
fn parallel() -> Builder {
    let base = weighted().node("MatMul", &["a", "W"], &["left"]).node("MatMul", &["x", "W"], &["right"]);
    base.node("Add", &["left", "right"], &["y"]).output("y", &TOKENS)
}

#[test]
fn naming_the_layer_settles_an_ambiguous_sum() {
    let error = tail(parallel(), None, None).unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("ambiguous"), "{error}");
    for name in ["left", "right"] {
        assert_eq!(tail(parallel(), None, Some(name)).unwrap().linear, format!("/{name}"));
        assert_eq!(tail(parallel(), None, Some(&format!("/{name}"))).unwrap().linear, format!("/{name}"));
    }
}

#[test]
fn a_layer_that_is_not_in_the_sum_stays_refused() {
    let base = parallel().node("MatMul", &["right", "W"], &["elsewhere"]);
    let error = tail(base, None, Some("elsewhere")).unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("/elsewhere"), "{error}");
}

/// An operator behind the norm that nobody knows, and one in place of the norm.
#[test]
fn naming_the_norm_skips_what_lies_behind_it_but_not_what_it_is() {
    let base = |norm: &str| {
        let base = weighted().node("MatMul", &["a", "W"], &["u"]).node(norm, &["u"], &["n"]);
        base.node("ms.Secret", &["n"], &["y"]).output("y", &TOKENS)
    };
    let error = tail(base("LayerNormalization"), None, None).unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("Secret (node `/y`)"), "{error}");
    let named = tail(base("LayerNormalization"), Some("/n"), None).unwrap();
    assert_eq!((named.linear.as_str(), named.output.terms), ("/u", vec!["n".to_owned()]));
    for linear in [None, Some("u")] {
        let error = tail(base("ms.FastNorm"), Some("n"), linear).unwrap_err();
        assert!(error.code == ModelUnsupported && error.message.contains("FastNorm (node `/n`)"), "{error}");
        assert_eq!(error.message.contains("neither a norm that can be read"), linear.is_none(), "{error}");
    }
}

/// A layer behind the pooling inside a graph whose output hides it.
#[test]
fn a_name_may_lie_behind_the_pooling() {
    let base = || {
        let base = weighted().node("MatMul", &["a", "W"], &["t"]).node("ReduceMean", &["t"], &["m"]).ints("axes", &[1]);
        let base = base.floats("P", &[2, 2], &[1.0; 4]).node("Gemm", &["m", "P"], &["z"]);
        base.node("ms.Secret", &["z"], &["y"]).output("y", &[0, 2])
    };
    assert_eq!(tail(base(), None, None).unwrap_err().code, ModelUnsupported);
    let tokens = tail(base(), Some("m"), None).unwrap();
    assert_eq!((tokens.stage, tokens.linear.as_str(), tokens.pooling), (Stage::Tokens, "/t", Some(Pooling::Mean)));
    let named = tail(base(), Some("z"), None).unwrap();
    assert_eq!((named.stage, named.linear.as_str()), (Stage::Pooled, "/z"));
}
