//! Other formats, lists of allowed recipes, and what is missing.

use super::place::*;
use bevy_discon::bake::{BakeOptions, FileFormat, Shard, Status, curate, find_recipes};
use std::fs;
use std::process::Command;

#[test]
fn compressed_textures_are_baked_with_their_maps_and_kept_up_to_date() {
    let place = Place::new(1);
    let options = BakeOptions { maps: true, format: FileFormat::Ktx2, ..place.options() };
    let report = place.bake(&options).recipes.remove(0);
    assert_eq!(report.status, Status::Baked, "{:?}", report.reason);
    let found: Vec<_> = report.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(found, ["brick_0.ktx2", "brick_0_normal.ktx2", "brick_0_orm.ktx2", "brick_0_height.ktx2"]);
    for name in found {
        let bytes = fs::read(place.path("out").join(name)).expect("the file exists");
        let reader = ktx2::Reader::new(bytes).expect("the file is a container");
        assert_eq!((reader.header().pixel_width, reader.levels().len()), (64, 7), "{name}");
    }
    assert_eq!(place.bake(&options).up_to_date, 1);
    assert_eq!(place.bake(&place.options()).baked, 1, "another format is another file");
}

#[test]
fn recipes_whose_maps_have_the_name_of_another_texture_are_refused_in_every_shard() {
    let place = Place::new(0);
    for name in ["wall", "wall_normal", "floor"] {
        place.write(&format!("{name}.discon.ron"), &small("brick", 1).to_ron());
    }
    let options = BakeOptions { maps: true, ..place.options() };
    let report = place.bake(&options);
    let expected = [("floor", Status::Baked), ("wall", Status::Failed), ("wall_normal", Status::Failed)];
    assert_eq!(statuses(&report), expected.map(|(name, status)| (name.to_owned(), status)));
    for report in &report.recipes[1..] {
        let reason = report.reason.as_deref().unwrap_or_default();
        let parts = ["wall.discon.ron", "wall_normal.discon.ron", "into wall_normal.png", "rename"];
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
    let shards = (1..=8).map(|index| format!("{index}/8").parse::<Shard>().expect("the text is a shard"));
    let failed: usize = shards.map(|shard| place.bake(&BakeOptions { shard, ..options.clone() }).failed).sum();
    assert_eq!(failed, 2, "whether both are in one shard or not");
    // Without maps there are three files of three names.
    assert_eq!(place.bake(&place.options()).failed, 0);
    assert_eq!(place.bake(&place.options()).up_to_date, 3);
}

#[test]
fn recipes_that_are_not_on_the_list_are_refused() {
    let place = Place::new(3);
    let list = curate(&find_recipes(&[place.path("recipes/walls")]).expect("there is one")).expect("it is sound");
    assert_eq!(list.len(), 1);
    let report = place.bake(&BakeOptions { curated: Some(list), ..place.options() });
    let expected = [("brick_0", Status::Failed), ("brick_2", Status::Failed), ("brick_1", Status::Baked)];
    assert_eq!(statuses(&report), expected.map(|(name, status)| (name.to_owned(), status)));
    let reason = report.recipes[0].reason.as_deref().unwrap_or_default();
    let parts = ["brick_0.discon.ron", "not one of the 1 recipes", &small("brick", 0).digest().to_string()];
    assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
}

#[test]
fn the_program_writes_lists_keeps_to_them_and_does_without_an_adapter() {
    let place = Place::new(2);
    let output = |command: &mut Command| {
        let output = command.output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let list = place.path("curated.ron");
    let program = || Command::new(env!("CARGO_BIN_EXE_discon-bake"));
    let (code, said) =
        output(program().arg("curate").arg(place.path("recipes/brick_0.discon.ron")).arg("-o").arg(&list));
    assert_eq!((code, said.contains("1 recipes in")), (Some(0), true), "{said}");
    let (code, said) = output(command(&place, &["--curated"]).arg(&list));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 baked, 1 failed") && said.contains("brick_1.discon.ron"), "{said}");
    fs::write(&list, "{\"12\": \"wall\"}").expect("the folder can be written");
    let (code, said) = output(command(&place, &["--curated"]).arg(&list));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("curated.ron") && said.contains("64 hexadecimal digits"), "{said}");

    // A backend that only another system has.
    let backend = if cfg!(target_os = "linux") { "dx12" } else { "gl" };
    let on = |device: &str| {
        let mut command = command(&place, &["--force", "--device", device]);
        output(command.env("WGPU_BACKEND", backend))
    };
    let (code, said) = on("gpu");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no graphics adapter was found") && said.contains("2 failed"), "{said}");
    let (code, said) = on("auto");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 baked (processor, because there is no GPU"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_named_with_the_reason() {
    let place = Place::new(1);
    fs::write(place.path("file"), "").expect("the folder can be written");
    let report = place.bake(&BakeOptions { maps: true, ..BakeOptions::new(place.path("file/out")) });
    assert_eq!(report.failed, 1);
    let reason = report.recipes[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("file/out/brick_0.png: ") && reason.contains("directory"), "{reason}");
}
