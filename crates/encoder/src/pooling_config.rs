//! `1_Pooling/config.json` in both spellings: one boolean per mode (up to version 5 of sentence-transformers), or
//! `pooling_mode` with a name or a list of names.

use serde_json::Value;
use uec_onnx::Pooling;

/// The booleans and the names that they stand for.
const BOOLEANS: [(&str, &str); 6] = [
    ("pooling_mode_cls_token", "cls"),
    ("pooling_mode_mean_tokens", "mean"),
    ("pooling_mode_max_tokens", "max"),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
    ("pooling_mode_weightedmean_tokens", "weightedmean"),
    ("pooling_mode_lasttoken", "lasttoken"),
];

/// The pooling that a configuration asks for.
///
/// # Errors
/// A sentence, if that is none or several, or one other than mean, cls and last token.
pub(crate) fn parse(config: &Value) -> Result<Pooling, String> {
    let modes = modes(config);
    let [mode] = modes.as_slice() else {
        return Err(match modes.len() {
            0 => "no pooling mode is chosen".to_owned(),
            _ => format!("the pooling modes {} are to be concatenated, which is not supported", modes.join(", ")),
        });
    };
    if config.get("include_prompt").and_then(Value::as_bool) == Some(false) {
        return Err("tokens of the prompt are to be left out of the pooling, which is not supported".to_owned());
    }
    match mode.as_str() {
        "mean" => Ok(Pooling::Mean),
        "cls" => Ok(Pooling::Cls),
        "lasttoken" | "last" => Ok(Pooling::Last),
        other => Err(format!("pooling mode {other} is not supported; mean, cls and lasttoken are")),
    }
}

fn modes(config: &Value) -> Vec<String> {
    match config.get("pooling_mode") {
        Some(Value::String(mode)) => vec![mode.clone()],
        Some(Value::Array(modes)) => modes.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BOOLEANS
            .iter()
            .filter(|(key, _)| config.get(key).and_then(Value::as_bool) == Some(true))
            .map(|(_, mode)| (*mode).to_owned())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_name_the_same_modes() {
        assert_eq!(
            parse(&json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false})),
            Ok(Pooling::Mean)
        );
        assert_eq!(parse(&json!({"pooling_mode": "mean"})), Ok(Pooling::Mean));
        assert_eq!(parse(&json!({"pooling_mode_cls_token": true})), Ok(Pooling::Cls));
        assert_eq!(parse(&json!({"pooling_mode": ["cls"]})), Ok(Pooling::Cls));
        assert_eq!(parse(&json!({"pooling_mode_lasttoken": true})), Ok(Pooling::Last));
        assert_eq!(parse(&json!({"pooling_mode": "lasttoken"})), Ok(Pooling::Last));
    }

    #[test]
    fn modes_that_cannot_be_honoured_are_named() {
        for (config, word) in [
            (json!({"pooling_mode_max_tokens": true}), "max"),
            (json!({"pooling_mode": "weightedmean"}), "weightedmean"),
            (json!({"pooling_mode_mean_sqrt_len_tokens": true}), "mean_sqrt_len"),
            (json!({"pooling_mode": ["mean", "cls"]}), "concatenated"),
            (json!({}), "no pooling mode"),
            (json!({"pooling_mode": "mean", "include_prompt": false}), "prompt"),
        ] {
            let why = parse(&config).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }
}
