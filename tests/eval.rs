//! The evaluation of a model folder from end to end, and what it says about options that it cannot follow.
#![cfg(feature = "eval")]

use bevy_discon::eval::EvalError;
use bevy_discon::eval::ablation::{self, AblationRequest};
use bevy_discon::eval::evaluation::{Request, evaluate};
use bevy_discon::eval::parts::measure_parts;
use bevy_discon::model::{Model, ModelConfig};
use image::{Rgb, RgbImage};
use std::path::Path;

/// Twelve pictures of two classes, stripes of many widths and noise of many strengths, and a model that knows nothing.
fn prepare(folder: &Path) -> Request {
    for (class, number) in (0..24).map(|index| (["noise", "stripes"][index % 2], index / 2)) {
        let picture = RgbImage::from_fn(128, 128, |x, y| {
            let grey = match class {
                "stripes" => 60 + 120 * ((x as usize / (number + 2)) % 2),
                _ => {
                    90 + (x as usize * 7919 + y as usize * 104_729 + x as usize * y as usize * 31) % (20 + 10 * number)
                }
            };
            Rgb([grey as u8, (grey / 2) as u8, (20 * number) as u8])
        });
        let path = folder.join("data").join(class);
        std::fs::create_dir_all(&path).expect("a folder");
        picture.save(path.join(format!("{number}.png"))).expect("a picture");
    }
    let config = ModelConfig { styles: 0, ..ModelConfig::tiny(&["noise", "stripes"]) };
    let model = Model::new(&config, None, 3).expect("a model");
    model.save(&folder.join("model")).expect("saved");
    Request { model: folder.join("model"), data: folder.join("data"), output: folder.join("out"), count: 6, size: 128 }
}

#[test]
fn a_model_folder_gets_a_report_that_names_its_pictures_and_sees_that_the_model_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let request = prepare(folder.path());
    let report = evaluate(&request).expect("a report");
    let names = [
        "reconstructions.png",
        "reconstructions_enlarged.png",
        "closest.png",
        "samples_128.jpg",
        "samples_256.jpg",
        "classes/noise.jpg",
        "report.ron",
    ];
    for name in names {
        assert!(report.contains(name), "the report names {name}");
        assert!(request.output.join(name).is_file(), "{name} is written");
    }
    let row = report.lines().find(|line| line.starts_with("| generated |")).expect("a row of all textures");
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!(cells[2], "12");
    let told_apart: f64 = cells[6].parse().expect("an accuracy");
    assert!(told_apart > 90.0, "untrained textures are told from real ones: {row}");
}

#[test]
fn the_parts_of_a_model_are_measured_on_textures_that_differ_by_tokens_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let request = Request { count: 2, ..prepare(folder.path()) };
    let report = measure_parts(&request).expect("a report");
    assert_eq!(report.lines().filter(|line| line.contains("token") && line.contains("| 4 |")).count(), 7, "{report}");
    assert!(request.output.join("parts.jpg").is_file() && request.output.join("parts.md").is_file());
    let picture = |part: &str, name: &str| {
        let file = request.output.join(part).join(name);
        image::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).to_rgb8()
    };
    for name in ["noise/0.png", "noise/1.png", "stripes/0.png", "stripes/1.png"] {
        let whole = picture("whole", name);
        // This model has no layouts, so its prior makes all tokens anyway; and one that has learned nothing draws no
        // velocities that could be guided.
        for other in ["prior", "unguided"] {
            assert!(whole == picture(other, name), "{other}/{name}");
        }
        for other in ["tokens_alone", "no_tokens", "shuffled", "true_tokens"] {
            assert!(whole != picture(other, name), "{other}/{name}");
        }
    }
}

#[test]
fn options_that_cannot_be_followed_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let request = prepare(folder.path());
    let message = |result: Result<String, EvalError>| result.expect_err("an error").to_string();
    let found = message(evaluate(&Request { count: 0, ..request.clone() }));
    assert!(found.contains("--count") && found.contains('0'), "{found}");
    let found = message(evaluate(&Request { size: 64, ..request.clone() }));
    assert!(found.contains("--size") && found.contains("128"), "{found}");
    let found = message(evaluate(&Request { data: folder.path().join("nowhere"), ..request.clone() }));
    assert!(found.contains("nowhere") && found.contains("stripes"), "{found}");
    let found = message(evaluate(&Request { model: folder.path().join("nothing"), ..request.clone() }));
    assert!(found.contains("nothing"), "{found}");
    let arm = AblationRequest {
        data: request.data.clone(),
        output: request.output.clone(),
        minutes: 1.0,
        seeds: 1,
        tokenizer_minutes: 1.0,
        count: 1,
        classes: Vec::new(),
        arms: vec!["Y".into()],
        tokenizer: None,
    };
    let found = message(ablation::run(&arm));
    assert!(found.contains("`--arms` is Y") && found.contains("X-prefix"), "{found}");
    let found = message(ablation::run(&AblationRequest { minutes: f64::NAN, ..arm }));
    assert!(found.contains("--minutes-per-arm") && found.contains("NaN"), "{found}");
}
