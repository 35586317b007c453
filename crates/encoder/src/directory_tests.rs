use std::fs;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/models").join(name)
}

/// A directory with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    folder
}

fn code(path: &Path, file: Option<&str>) -> ErrorCode {
    Directory::open(path, file).unwrap_err().code
}

#[test]
fn old_and_new_directories_say_the_same() {
    for name in ["bert-ts17", "bert-dynamo20"] {
        let directory = Directory::open(&fixture(name), None).unwrap();
        assert_eq!(directory.pooling, Ok(Some(Pooling::Mean)), "{name}");
        assert!(directory.normalize && !directory.lower_case, "{name}");
        assert_eq!(directory.max_tokens, 32, "{name}");
        assert_eq!(directory.pad_token.as_deref(), Some("[PAD]"), "{name}");
    }
    assert_eq!(Directory::open(&fixture("bert-cls"), None).unwrap().pooling, Ok(Some(Pooling::Cls)));
    assert!(!Directory::open(&fixture("bert-ts14"), None).unwrap().normalize);
}

#[test]
fn prompts_are_read_with_their_default() {
    let config = r#"{"prompts": {"query": "query: ", "document": "passage: "}, "default_prompt_name": "query"}"#;
    let folder = folder(&[("model.onnx", ""), ("config_sentence_transformers.json", config)]);
    let directory = Directory::open(folder.path(), None).unwrap();
    assert_eq!(directory.prompts["document"], "passage: ");
    assert_eq!(directory.default_prompt.as_deref(), Some("query"));
}

#[test]
fn a_single_file_is_pooled_by_mean_and_normalised() {
    let folder = folder(&[("any.onnx", ""), ("tokenizer.json", "{}")]);
    let directory = Directory::open(&folder.path().join("any.onnx"), None).unwrap();
    assert_eq!((directory.pooling, directory.normalize), (Ok(None), true));
    assert_eq!(directory.tokenizer, folder.path().join("tokenizer.json"));
    assert_eq!(directory.max_tokens, DEFAULT_MAX_TOKENS);
}

#[test]
fn the_graph_is_chosen_in_order_or_by_name() {
    let folder = folder(&[("model.onnx", ""), ("onnx/model.onnx", ""), ("onnx/model_O2.onnx", "")]);
    let chosen = |file| Directory::open(folder.path(), file).unwrap().model;
    assert_eq!(chosen(None), folder.path().join("onnx/model.onnx"));
    assert_eq!(chosen(Some("onnx/model_O2.onnx")), folder.path().join("onnx/model_O2.onnx"));
    assert_eq!(code(folder.path(), Some("onnx/model_O4.onnx")), ErrorCode::ModelNotFound);
    assert_eq!(code(folder.path(), Some("../model.onnx")), ErrorCode::InvalidArgument);
    assert_eq!(code(folder.path(), Some("/model.onnx")), ErrorCode::InvalidArgument);
}

#[test]
fn what_is_not_there_is_not_found() {
    let empty = folder(&[("onnx/model_fp16.onnx", "")]);
    let error = Directory::open(empty.path(), None).unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelNotFound);
    assert!(error.message.contains("onnx/model_fp16.onnx"), "{error}");
    assert_eq!(code(&empty.path().join("nothing"), None), ErrorCode::ModelNotFound);
    assert_eq!(code(Path::new("hf:owner/name"), None), ErrorCode::InvalidArgument);
}

#[test]
fn modules_that_cannot_be_honoured_are_unsupported() {
    let transformer = r#"{"path": "", "type": "sentence_transformers.models.Transformer"}"#;
    for (other, word) in [
        (r#", {"path": "1_Dense", "type": "sentence_transformers.models.Dense"}"#, "precedes the pooling"),
        (r#", {"path": "", "type": "sentence_transformers.models.CNN"}"#, "CNN"),
    ] {
        let folder = folder(&[("model.onnx", ""), ("modules.json", &format!("[{transformer}{other}]"))]);
        let error = Directory::open(folder.path(), None).unwrap_err();
        assert_eq!(error.code, ErrorCode::ModelUnsupported);
        assert!(error.message.contains(word), "{error}");
    }
}

/// `modules.json` with modules of these types and paths, and a sound pooling.
fn modules(list: &[(&str, &str)]) -> tempfile::TempDir {
    let list: Vec<_> = list.iter().map(|(kind, path)| serde_json::json!({ "type": kind, "path": path })).collect();
    let pooling = r#"{"pooling_mode": "cls"}"#;
    folder(&[
        ("model.onnx", ""),
        ("modules.json", &serde_json::json!(list).to_string()),
        ("1_Pooling/config.json", pooling),
    ])
}

#[test]
fn dense_modules_follow_the_pooling_in_both_spellings() {
    let old =
        [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Dense", "3_Dense"), ("Normalize", "")];
    let old = old.map(|(kind, path)| (format!("sentence_transformers.models.{kind}"), path));
    let new = [
        ("sentence_transformers.base.modules.transformer.Transformer", ""),
        ("sentence_transformers.sentence_transformer.modules.pooling.Pooling", "1_Pooling"),
        ("sentence_transformers.base.modules.dense.Dense", "2_Dense"),
        ("sentence_transformers.base.modules.dense.Dense", "3_Dense"),
        ("sentence_transformers.sentence_transformer.modules.normalize.Normalize", "4_Normalize"),
    ];
    for list in [old.each_ref().map(|(kind, path)| (kind.as_str(), *path)), new] {
        let folder = modules(&list);
        let directory = Directory::open(folder.path(), None).unwrap();
        assert_eq!((directory.pooling, directory.normalize), (Ok(Some(Pooling::Cls)), true));
        assert_eq!(directory.dense, ["2_Dense", "3_Dense"].map(|name| folder.path().join(name)));
    }
}

#[test]
fn modules_in_another_order_are_unsupported() {
    let (transformer, pooling) = (("Transformer", ""), ("Pooling", "1_Pooling"));
    for (list, word) in [
        (vec![transformer, pooling, ("Normalize", ""), ("Dense", "3_Dense")], "follows a Normalize"),
        (vec![transformer, ("Dense", "1_Dense"), pooling], "precedes the pooling"),
        (vec![transformer, pooling, transformer], "Transformer is out of order"),
        (vec![transformer, ("Normalize", ""), pooling], "Normalize is out of order"),
        (vec![transformer, pooling, pooling], "Pooling is out of order"),
    ] {
        let error = Directory::open(modules(&list).path(), None).unwrap_err();
        assert_eq!(error.code, ErrorCode::ModelUnsupported);
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn paths_of_modules_stay_inside() {
    for path in ["../2_Dense", "/etc", "2_Dense/../../x"] {
        let folder = modules(&[("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", path)]);
        let error = Directory::open(folder.path(), None).unwrap_err();
        assert_eq!(error.code, ErrorCode::ModelInvalid);
        assert!(error.message.contains("leads out"), "{error}");
    }
}

#[test]
fn an_unsupported_pooling_waits_for_the_callers_own_choice() {
    let modules = r#"[{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}]"#;
    let pooling = r#"{"pooling_mode": "max"}"#;
    let folder = folder(&[("model.onnx", ""), ("modules.json", modules), ("1_Pooling/config.json", pooling)]);
    let directory = Directory::open(folder.path(), None).unwrap();
    assert_eq!(directory.pooling.unwrap_err().code, ErrorCode::ModelUnsupported);
    assert!(!directory.normalize);
}

#[test]
fn lengths_come_from_the_first_file_that_limits_them() {
    let position = r#"{"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}"#;
    let endless = r#"{"model_max_length": 1000000000000000019884624838656}"#;
    let length = |files: &[(&str, &str)]| {
        let folder = folder(&[&[("model.onnx", "")], files].concat());
        Directory::open(folder.path(), None).unwrap().max_tokens
    };
    assert_eq!(length(&[]), 512);
    assert_eq!(length(&[("tokenizer_config.json", endless)]), 512);
    assert_eq!(length(&[("tokenizer_config.json", endless), ("config.json", position)]), 512);
    assert_eq!(length(&[("tokenizer_config.json", r#"{"model_max_length": 64}"#)]), 64);
    let sentence = r#"{"max_seq_length": 128}"#;
    assert_eq!(length(&[("sentence_bert_config.json", sentence), ("config.json", position)]), 128);
    let absurd = position.replace(": 1}", ": 18446744073709551615}");
    assert_eq!(length(&[("config.json", &absurd)]), 512);
    let long = r#"{"max_seq_length": 8192}"#;
    assert_eq!(length(&[("sentence_bert_config.json", long), ("config.json", position)]), 512);
}

#[test]
fn damaged_configuration_is_named() {
    let folder = folder(&[("model.onnx", ""), ("modules.json", "[{")]);
    let error = Directory::open(folder.path(), None).unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelInvalid);
    assert!(error.message.contains("modules.json"), "{error}");
}

#[test]
fn cutting_at_the_beginning_is_unsupported() {
    let folder = folder(&[("model.onnx", ""), ("tokenizer_config.json", r#"{"truncation_side": "left"}"#)]);
    assert_eq!(code(folder.path(), None), ErrorCode::ModelUnsupported);
}

#[test]
fn a_configuration_of_absurd_size_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.onnx"), "").unwrap();
    fs::File::create(folder.path().join("modules.json")).unwrap().set_len(1 << 40).unwrap();
    let error = Directory::open(folder.path(), None).unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelInvalid, "{error}");
    assert!(error.message.contains("16 MiB"), "{error}");
}
