//! Scene files and inspectors: are all types known to reflection, and do recipes and paths in scenes become textures?

use super::game::*;
use bevy::asset::HandleDeserializeProcessor;
use bevy::reflect::serde::{ReflectDeserializer, ReflectSerializer};
use bevy::reflect::{PartialReflect, ReflectDeserialize, ReflectSerialize, TypeInfo};
use serde::de::DeserializeSeed;
use std::any::TypeId;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Something of a game that has a texture, as its scenes name it.
#[derive(Component, Debug, Reflect)]
#[reflect(Component)]
struct Poster {
    texture: Handle<Image>,
}

/// Names of the types of a folder of sources that derive `Reflect`.
fn reflected_types(folder: PathBuf, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("the folder exists").flatten() {
        if entry.path().is_dir() {
            reflected_types(entry.path(), found);
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("the file is text");
        let mut lines = text.lines();
        while lines.by_ref().any(|line| line.contains("derive(") && line.contains("Reflect")) {
            let name = lines.by_ref().find_map(|line| {
                let line = line.trim_start_matches("pub ");
                line.strip_prefix("struct ").or(line.strip_prefix("enum "))
            });
            let name = name.expect("a type follows its attributes");
            found.insert(name.chars().take_while(|c| c.is_alphanumeric()).collect());
        }
    }
}

#[test]
fn every_reflected_type_of_the_plugin_is_registered_also_without_an_asset_server() {
    let mut app = App::new();
    app.add_plugins(DisconPlugin { model: ModelSource::Loaded(model()), ..default() });
    let registry = app.world().resource::<AppTypeRegistry>().read();
    let ours = registry.iter().filter(|registered| registered.type_info().type_path().starts_with("bevy_discon::"));
    let known: BTreeSet<String> =
        ours.map(|registered| registered.type_info().type_path_table().short_path().into()).collect();
    let mut expected = BTreeSet::new();
    for folder in ["src/request", "src/sampling"] {
        reflected_types(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut expected);
    }
    let missing: Vec<_> = expected.difference(&known).collect();
    assert!(missing.is_empty() && expected.len() > 25, "{missing:?} of {} are not registered", expected.len());
    // Of what an inspector opens, nothing is closed.
    for registered in registry.iter().filter(|registered| registered.type_info().type_path().contains("bevy_discon")) {
        if let TypeInfo::Struct(info) = registered.type_info() {
            let closed = info.iter().find(|field| registry.get(field.type_id()).is_none());
            assert!(closed.is_none(), "{}: {closed:?} is not registered", info.type_path());
        }
    }
    for id in [TypeId::of::<Recipe>(), TypeId::of::<MapRules>()] {
        let (written, read) =
            (registry.get_type_data::<ReflectSerialize>(id), registry.get_type_data::<ReflectDeserialize>(id));
        assert!(written.is_some() && read.is_some(), "scenes need not name every field");
    }
}

/// Spawns an entity of a scene: each text is a component by its type path, read as Bevy reads it.
fn spawn(game: &mut Game, components: &[&str]) -> Entity {
    let registry = game.0.world().resource::<AppTypeRegistry>().clone();
    let mut server = game.0.world().resource::<AssetServer>().clone();
    let mut entity = game.0.world_mut().spawn_empty();
    let registry = registry.read();
    for text in components {
        let mut handles = HandleDeserializeProcessor { load_from_path: &mut server };
        let reader = ReflectDeserializer::with_processor(&registry, &mut handles);
        let mut text = ron::Deserializer::from_str(text).expect("the text is RON");
        let value: Box<dyn PartialReflect> = reader.deserialize(&mut text).expect("the text is a component");
        let info = value.get_represented_type_info().expect("its type is known");
        let data = registry.get_type_data::<ReflectComponent>(info.type_id()).expect("it is a component");
        data.insert(&mut entity, value.as_partial_reflect(), &registry);
    }
    let entity = entity.id();
    game.0.world_mut().flush();
    entity
}

#[test]
fn paths_and_requests_in_a_scene_become_textures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    game.0.register_type::<Poster>();
    let path = "{\"plugin::scenes::Poster\": (texture: Path(\"discon://brick?seed=7&size=64x64\"))}";
    let request = "{\"bevy_discon::request::entities::GenerateTexture\": \
                   (recipe: (class: \"brick\", seed: 8, size: (64, 64)))}";
    let entity = spawn(&mut game, &[path, request]);
    let poster = game.0.world().get::<Poster>(entity).expect("the scene has it").texture.clone();
    let asked = game.texture_of(entity);
    game.until("both textures are ready", |game| game.is_ready(&poster) && game.is_ready(&asked));
    assert_eq!(rgb(&game.picture(&poster)), expected(&recipe(7)));
    assert_eq!(rgb(&game.picture(&asked)), expected(&recipe(8)));
    // What is written is read again.
    let world = game.0.world();
    let registry = world.resource::<AppTypeRegistry>().clone();
    let component = world.get::<GenerateTexture>(entity).expect("the request stays").clone();
    let text = ron::to_string(&ReflectSerializer::new(&component, &registry.read())).expect("it can be written");
    let again = spawn(&mut game, &[&text]);
    assert_eq!(game.0.world().get::<GenerateTexture>(again), Some(&component));
    assert_eq!(game.texture_of(again), asked, "an equal request");
}
