//! Scene files and inspectors: are all types known to reflection, and do recipes and paths in scenes become textures?

use super::game::*;
use bevy::reflect::{ReflectDeserialize, ReflectSerialize, TypeInfo};
use bevy::world_serialization::{DynamicWorld, DynamicWorldBuilder, DynamicWorldRoot, WorldSerializationPlugin};
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

/// A file as Bevy writes it, of one entity.
const SCENE: &str = r#"(
  resources: {},
  entities: {
    4294967290: (
      components: {
        "plugin::scenes::Poster": (texture: Path("discon://brick?seed=7&size=64x64")),
        "bevy_discon::request::entities::GenerateTexture": (recipe: (class: "brick", seed: 8, size: (64, 64))),
      },
    ),
  },
)"#;

/// The only entity with a poster among those that a scene has spawned.
fn poster(game: &mut Game, scene: Entity) -> Option<Entity> {
    let world = game.0.world_mut();
    let mut posters = world.query_filtered::<(Entity, &ChildOf), With<Poster>>();
    posters.iter(world).find(|(_, parent)| parent.parent() == scene).map(|(entity, _)| entity)
}

/// Spawns a scene file and waits for its poster.
fn open(game: &mut Game, path: &'static str) -> Entity {
    let scene: Handle<DynamicWorld> = game.0.world().resource::<AssetServer>().load(path);
    let scene = game.0.world_mut().spawn(DynamicWorldRoot(scene)).id();
    let start = Instant::now();
    loop {
        game.frames(1);
        if let Some(found) = poster(game, scene) {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{path} is not spawned");
    }
}

#[test]
fn paths_and_requests_in_a_scene_file_become_textures_and_are_written_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("room.scn.ron"), SCENE).expect("the folder can be written");
    let Some(mut game) = Game::furnished(folder.path(), |app| _ = app.add_plugins(WorldSerializationPlugin)) else {
        return;
    };
    game.0.register_type::<Poster>();
    let entity = open(&mut game, "room.scn.ron");
    let texture = game.0.world().get::<Poster>(entity).expect("the scene has it").texture.clone();
    let asked = game.texture_of(entity);
    game.until("both textures are ready", |game| game.is_ready(&texture) && game.is_ready(&asked));
    assert_eq!(rgb(&game.picture(&texture)), expected(&recipe(7)));
    assert_eq!(rgb(&game.picture(&asked)), expected(&recipe(8)));
    // What is written is read again.
    let world = game.0.world();
    let request = world.get::<GenerateTexture>(entity).expect("the request stays").clone();
    let registry = world.resource::<AppTypeRegistry>().clone();
    let written = DynamicWorldBuilder::from_world(world, &registry.read())
        .allow_component::<Poster>()
        .allow_component::<GenerateTexture>()
        .extract_entity(entity)
        .build();
    let text = written.serialize(&registry.read()).expect("it can be written");
    std::fs::write(folder.path().join("again.scn.ron"), text).expect("the folder can be written");
    let again = open(&mut game, "again.scn.ron");
    assert_eq!(game.0.world().get::<GenerateTexture>(again), Some(&request));
    assert_eq!(game.texture_of(again), asked, "an equal request");
    assert_eq!(game.0.world().get::<Poster>(again).map(|poster| &poster.texture), Some(&texture));
}
