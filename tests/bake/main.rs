//! Does a bake make each texture once, wholly, and say what it did? On a tiny model with random weights.
#![cfg(feature = "cli")]

mod place;
mod refusals;

use bevy_discon::bake::{BakeOptions, FileKind, Shard, Status};
use place::*;
use std::fs;
use std::path::PathBuf;

#[test]
fn shards_are_disjoint_complete_and_equal_to_the_whole() {
    let place = Place::new(9);
    let whole = place.bake(&place.options());
    assert_eq!((whole.baked, whole.failed), (9, 0), "{:?}", whole.recipes);
    let mut seen = Vec::new();
    for index in 1..=4 {
        let shard: Shard = format!("{index}/4").parse().expect("the text is a shard");
        let report = place.bake(&BakeOptions { shard, ..BakeOptions::new(place.path("sharded")) });
        assert_eq!(report.baked, report.recipes.len(), "another shard has made something of shard {index}");
        seen.extend(report.recipes.into_iter().map(|report| report.recipe));
    }
    let expected: Vec<PathBuf> = whole.recipes.into_iter().map(|report| report.recipe).collect();
    seen.sort();
    assert_eq!(seen.len(), 9, "every recipe is in one shard");
    assert!(expected.iter().all(|path| seen.contains(path)));
    assert_eq!(files(&place.path("sharded")), files(&place.path("out")), "stamps included");
}

#[test]
fn what_is_up_to_date_is_skipped_and_what_is_damaged_or_changed_is_baked_again() {
    let place = Place::new(4);
    place.bake(&place.options());
    let first = files(&place.path("out"));
    let again = place.bake(&place.options());
    assert_eq!((again.baked, again.up_to_date), (0, 4));
    assert_eq!(again.device, None, "nothing had to be opened");
    assert!(again.recipes.iter().all(|report| report.digest.is_some()));

    // One texture is damaged, one is gone, one has no stamp, and one has another recipe.
    let mut damaged = first["brick_0.png"].clone();
    damaged[100] ^= 1;
    fs::write(place.path("out/brick_0.png"), damaged).expect("the file can be written");
    fs::remove_file(place.path("out/walls/brick_1.png")).expect("the file exists");
    fs::write(place.path("out/brick_2.baked"), "{").expect("the file can be written");
    place.write("walls/brick_3.discon.ron", &small("brick", 33).to_ron());
    assert_eq!(place.bake(&place.options()).baked, 4);
    let second = files(&place.path("out"));
    let changed: Vec<&String> = first.keys().filter(|name| first[*name] != second[*name]).collect();
    assert_eq!(changed, ["walls/brick_3.baked", "walls/brick_3.png"]);

    let dry = place.bake(&BakeOptions { force: true, dry_run: true, ..place.options() });
    assert_eq!((dry.would_bake, dry.baked), (4, 0));
    assert_eq!(place.bake(&BakeOptions { force: true, ..place.options() }).baked, 4);
    assert_eq!(files(&place.path("out")), second);
}

#[test]
fn a_bad_recipe_is_reported_by_name_and_stops_nobody() {
    let place = Place::new(1);
    place.write("broken.discon.ron", "(class: \"brick\",\n sed: 3)");
    place.write("glass.discon.ron", &small("glass", 0).to_ron());
    place.write("huge.discon.ron", &" ".repeat(2 << 20));
    place.write("short.discon", "DSCN");
    place.write("twin.discon.ron", &small("brick", 0).to_ron());
    place.write("twin.discon", "");
    place.write("zebra.discon.ron", &small("moss", 0).to_ron());
    let report = place.bake(&place.options());
    let bad = ["broken", "glass", "huge", "short", "twin", "twin"].map(|name| (name.to_owned(), Status::Failed));
    let good = ["brick_0", "zebra"].map(|name| (name.to_owned(), Status::Baked));
    let expected: Vec<_> = good[..1].iter().chain(&bad).chain(&good[1..]).cloned().collect();
    assert_eq!(statuses(&report), expected);
    for (at, parts) in [
        (1, ["broken.discon.ron", "2:", "sed"]),
        (2, ["glass.discon.ron", "\"glass\"", "brick, moss"]),
        (3, ["huge.discon.ron", "2097152 bytes", "1048576"]),
        (4, ["short.discon", "offset 4", "version"]),
        (5, ["twin.discon", "twin.discon.ron", "rename"]),
    ] {
        let reason = report.recipes[at].reason.as_deref().unwrap_or_default();
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
    let json = report.to_json().expect("all paths are text");
    assert!(json.contains("\"status\": \"failed\"") && json.contains("\"failed\": 6"), "{json}");
}

#[test]
fn maps_are_baked_beside_the_texture_and_labelled_as_derived() {
    let place = Place::new(1);
    assert_eq!(place.bake(&place.options()).baked, 1);
    let options = BakeOptions { maps: true, ..place.options() };
    assert_eq!(place.bake(&options).baked, 1, "the maps are missing");
    assert_eq!(place.bake(&options).up_to_date, 1);
    assert_eq!(place.bake(&place.options()).up_to_date, 1, "without maps there is nothing to do either");
    let report = place.bake(&options).recipes.remove(0);
    let found: Vec<_> = report.files.iter().map(|file| (file.path.as_str(), file.derived)).collect();
    let expected = [("brick_0.png", false), ("brick_0_normal.png", true), ("brick_0_orm.png", true)];
    assert_eq!(found[..3], expected);
    assert_eq!(found[3], ("brick_0_height.png", true));
    for file in &report.files {
        let picture = image::open(place.path("out").join(&file.path)).expect("the file is a picture").into_rgb8();
        assert_eq!(picture.dimensions(), (64, 64));
        let mean = |channel: usize| picture.pixels().map(|pixel| f64::from(pixel.0[channel])).sum::<f64>() / 4096.0;
        match file.kind {
            FileKind::Normal => assert!(mean(2) > 200.0, "directions point out of the surface"),
            FileKind::OcclusionRoughnessMetallic => assert_eq!(mean(2), 0.0, "nothing is metallic by default"),
            FileKind::Height => assert_eq!(mean(0), mean(1), "heights are grey"),
            FileKind::Colour => {}
        }
    }
}

#[test]
fn the_program_says_by_its_exit_code_how_it_ended() {
    let place = Place::new(2);
    let run = |arguments: &[&str]| {
        let output = command(&place, arguments).output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let report = place.path("report.json");
    let (code, said) = run(&["--report", &report.to_string_lossy()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 baked (processor)"), "{said}");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(report).expect("the report was written")).expect("the report is JSON");
    assert_eq!(json["baked"], 2);
    assert_eq!(json["recipes"][1]["status"], "baked");

    // A report that cannot be written changes nothing of the bake.
    let (code, said) = run(&["--force", "--report", &place.path("out/brick_0.png/report.json").to_string_lossy()]);
    assert_eq!(code, Some(3), "{said}");
    let parts = ["2 baked (processor)", "report could not be written", "brick_0.png/report.json"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");

    place.write("broken.discon.ron", "(");
    let (code, said) = run(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("broken.discon.ron") && said.contains("2 up to date, 1 failed"), "{said}");
    for (wrong, part) in [
        (&["--shard", "3/2"][..], "I from 1 to N"),
        (&["no/such/file.discon"], "no/such/file.discon"),
        (&["Cargo.toml"], "Cargo.toml is not a recipe"),
        (&["--model", "no/such/model"], "the argument"),
    ] {
        let (code, said) = run(wrong);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_bake_that_is_killed_leaves_whole_files_and_goes_on() {
    let place = Place::new(40);
    let expected = {
        place.bake(&BakeOptions::new(place.path("expected")));
        files(&place.path("expected"))
    };
    let mut child = command(&place, &[]).spawn().expect("the program starts");
    let start = std::time::Instant::now();
    while files(&place.path("out")).len() < 5 && start.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("the program runs or has ended");
    child.wait().expect("the program has ended");
    for (name, content) in files(&place.path("out")) {
        // Names of unfinished files begin with a dot.
        if !name.rsplit('/').next().unwrap_or_default().starts_with('.') {
            assert_eq!(Some(&content), expected.get(&name), "{name} is whole");
        }
    }
    let report = place.bake(&place.options());
    assert_eq!((report.baked + report.up_to_date, report.failed), (40, 0));
    assert!(report.up_to_date > 0, "what was finished is not made again");
    let found = files(&place.path("out"));
    assert!(expected.iter().all(|(name, content)| found.get(name) == Some(content)));
}
