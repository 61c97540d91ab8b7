//! Do model files come back as they were, and is every damaged or hostile one refused with a reason?

use bevy_discon::model::{Model, ModelConfig, WeightsError};
use std::fs;

fn tiny() -> Model {
    Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the tiny preset is valid")
}

fn files() -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tiny().save(folder.path()).expect("the folder is writable");
    let read = |name: &str| fs::read(folder.path().join(name)).expect("the file was written");
    (read("config.ron"), read("model.safetensors"))
}

/// Puts another header in front of the tensor data.
fn with_header(weights: &[u8], change: impl Fn(String) -> String) -> Vec<u8> {
    let length = u64::from_le_bytes(weights[..8].try_into().expect("eight bytes")) as usize;
    let header = change(String::from_utf8(weights[8..8 + length].to_vec()).expect("the header is text"));
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &weights[8 + length..]].concat()
}

#[test]
fn a_saved_model_is_the_same_when_loaded() {
    let (config, weights) = files();
    let model = Model::from_bytes(&config, &weights, "memory").expect("the files are sound");
    let original = tiny();
    assert_eq!(model.digest, original.digest);
    for (id, _) in original.table.iter() {
        assert_eq!(model.weights.get(id), original.weights.get(id));
    }
}

#[test]
fn a_missing_folder_is_named() {
    let error = Model::load("no/such/folder".as_ref()).expect_err("there is no such folder");
    assert!(error.to_string().starts_with("no/such/folder/config.ron: "), "{error}");
}

#[test]
fn every_kind_of_wrong_weights_is_refused_by_name() {
    let (config, weights) = files();
    let refuse =
        |weights: &[u8]| Model::from_bytes(&config, weights, "m").map(|_| ()).expect_err("the weights are wrong");
    for length in [0, 7, 8, 100, weights.len() / 2, weights.len() - 1] {
        assert!(matches!(refuse(&weights[..length]), WeightsError::Format { .. }), "cut to {length} bytes");
    }
    let mut huge_header = weights.clone();
    huge_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(refuse(&huge_header), WeightsError::Format { .. }));
    let renamed = with_header(&weights, |header| header.replace("prior.logits.bias", "prior.logits.vias"));
    assert!(matches!(refuse(&renamed), WeightsError::Unknown { name, .. } if name == "prior.logits.vias"));
    let reshaped = with_header(&weights, |header| header.replace("[768,16]", "[16,768]"));
    let error = refuse(&reshaped).to_string();
    assert!(error.contains("encoder.linear_path.weight") && error.contains("[768, 16]"), "{error}");
    let mut not_finite = weights.clone();
    let end = not_finite.len();
    // The last bytes of the data belong to an f16 or f32 tensor; all ones is a NaN in both.
    not_finite[end - 4..].fill(0xff);
    assert!(matches!(refuse(&not_finite), WeightsError::NotFinite { .. }));
}

/// Another entry for one tensor: its type, shape or place in the data.
fn with_entry(weights: &[u8], name: &str, change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    with_header(weights, |header| {
        let mut header: serde_json::Value = serde_json::from_str(header.trim_end()).expect("the header is JSON");
        change(&mut header[name]);
        header.to_string()
    })
}

#[test]
fn overlapping_ranges_holes_wrong_types_and_endless_headers_are_refused() {
    let (config, weights) = files();
    let refuse = |weights: &[u8]| Model::from_bytes(&config, weights, "m").map(|_| ()).expect_err("it is hostile");
    let (bias, gain) = ("prior.logits.bias", "tokenizer.encoder.linear_path.weight");
    let range = |weights: &[u8], name: &str| {
        let length = u64::from_le_bytes(weights[..8].try_into().expect("eight bytes")) as usize;
        let header: serde_json::Value = serde_json::from_slice(&weights[8..8 + length]).expect("the header is JSON");
        [0, 1].map(|at| header[name]["data_offsets"][at].as_u64().expect("a number"))
    };
    let [start, end] = range(&weights, bias);
    let [other, _] = range(&weights, gain);
    for (what, first, last) in [
        ("another tensor's data", other, other + end - start),
        ("a byte of its neighbour", start + 1, end + 1),
        ("more than the file", start, u64::MAX),
        ("a range that ends before it starts", end, start),
        ("too few bytes", start, end - 4),
        ("nothing", start, start),
    ] {
        let hostile = with_entry(&weights, bias, |entry| entry["data_offsets"] = serde_json::json!([first, last]));
        let error = refuse(&hostile);
        assert!(matches!(error, WeightsError::Format { .. }), "{what}: {error}");
        assert!(error.to_string().contains("m/model.safetensors"), "{what}: {error}");
    }
    // The same number of bytes under another type: two halves for a float.
    for (from, to, factor) in [("F32", "F16", 2), ("F32", "I32", 1), ("F32", "BF16", 2)] {
        let retyped = with_entry(&weights, bias, |entry| {
            assert_eq!(entry["dtype"], from);
            entry["dtype"] = to.into();
            let shape = entry["shape"].as_array_mut().and_then(|shape| shape.last_mut()).expect("a shape");
            *shape = (shape.as_u64().expect("a number") * factor).into();
        });
        let error = refuse(&retyped);
        let reason = error.to_string();
        assert!(matches!(error, WeightsError::Mismatch { .. }), "{to}: {reason}");
        assert!(reason.contains(bias) && reason.contains(to) && reason.contains("F32"), "{reason}");
    }
    // A header of many tensors that nobody asked for, and one that is all brackets.
    let entry = r#""x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"#;
    for header in [format!("{{{}", entry.repeat(200_000)), "[".repeat(1 << 20), "{\"a\":".repeat(1 << 18)] {
        let hostile = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        assert!(matches!(refuse(&hostile), WeightsError::Format { .. }), "{}", &header[..20]);
    }
}

#[test]
fn every_flipped_header_byte_gives_an_error_or_an_equal_layout_but_no_panic() {
    let (config, weights) = files();
    for at in (0..2000).step_by(7) {
        let mut damaged = weights.clone();
        damaged[at] ^= 0x15;
        let _ = Model::from_bytes(&config, &damaged, "m");
    }
}

#[test]
fn a_configuration_with_an_absurd_size_is_refused_before_anything_is_allocated() {
    let (config, weights) = files();
    let text = String::from_utf8(config).expect("the configuration is text");
    for (from, to, field) in [
        ("latent_width: 16", "latent_width: 17", "tokenizer.latent_width"),
        ("codebook_size: 64", "codebook_size: 4000000000", "tokenizer.codebook_size"),
        ("second_codes: 1", "second_codes: 24", "tokenizer.second_codes"),
        ("second_codes: 1", "second_codes: 1040", "tokenizer.second_codes"),
        ("depth: 2", "depth: 100000", "prior.depth"),
        ("heads: 2", "heads: 3", "prior.heads"),
        ("\"moss\"", "\"brick\"", "classes[1]"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} stands in the file");
        let error = Model::from_bytes(changed.as_bytes(), &weights, "m").expect_err("the size is absurd");
        assert!(error.to_string().contains(field), "{error} should name {field}");
    }
    let error = Model::from_bytes(b"(classes: [", &weights, "m").expect_err("the text is cut");
    assert!(error.to_string().starts_with("m/config.ron: 1:"), "{error}");
}

#[test]
fn the_paper_preset_declares_the_scale_of_the_paper() {
    let (_, table) = bevy_discon::model::Discon::declare(&ModelConfig::paper()).expect("the preset is valid");
    let millions = |prefix: &str| {
        let values: usize = table.iter().filter(|(_, s)| s.name.starts_with(prefix)).map(|(_, s)| s.len()).sum();
        values as f64 / 1e6
    };
    // MAR-L has a trunk of 406 M and a head of 72 M parameters; its head modulates each block through a
    // linear map of its own, ours is of the same form. The prior is of the width and depth of RAR-L
    // without its per-block modulation (462 M with it).
    assert!((380.0..430.0).contains(&millions("mar.")), "{}", millions("mar."));
    assert!((40.0..80.0).contains(&millions("head.")), "{}", millions("head."));
    assert!((290.0..320.0).contains(&millions("prior.")), "{}", millions("prior."));
}

#[test]
fn bundled_models_are_whole_and_know_the_same_classes() {
    let load = |name: &str| Model::load(format!("assets/models/{name}").as_ref()).expect("the bundled model is sound");
    let (small, tiny) = (load("small"), load("tiny"));
    assert_eq!(small.discon.config.classes, tiny.discon.config.classes);
    for (name, model, parameters) in [("small", &small, 15_000_000..20_000_000), ("tiny", &tiny, 300_000..1_000_000)] {
        assert!(parameters.contains(&model.table.value_count()), "{name}: {} parameters", model.table.value_count());
    }
}
