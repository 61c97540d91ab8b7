//! Maps that are derived from generated textures, and materials made of them.

use super::game::*;
use bevy_discon::model::Wrap;
use bevy_discon::reference::maps::{Picture, derive};

const RULES: MapRules = MapRules { relief: 0.05, occlusion: 0.7, roughness: 0.55, wear: 0.5, metallic: 0.25 };

fn off(found: &[u8], base: &[u8], kind: MapKind, wrap: Wrap) -> Option<u8> {
    off_by(found, base, kind, wrap, &RULES)
}

fn off_by(found: &[u8], base: &[u8], kind: MapKind, wrap: Wrap, rules: &MapRules) -> Option<u8> {
    let expected = derive(Picture { pixels: base, size: (64, 64), wrap }, kind, rules);
    assert_eq!(found.len(), expected.len());
    found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max()
}

#[test]
fn maps_are_neutral_at_first_and_follow_the_texture() {
    let Some(mut game) = Game::new(DisconSettings::default().with_budget_ms(0.1)) else { return };
    let mut recipe = recipe(80);
    recipe.tiling = Tiling::X;
    let request = GenerateTexture::new(recipe.clone()).with_detail(TextureDetail::Coarse);
    let ask = move |mut generator: TextureGenerator| {
        let base = generator.request(request.clone());
        (generator.derive_maps(&base, &RULES), generator.derive_maps(&base, &RULES), base)
    };
    let (maps, same, base) = game.0.world_mut().run_system_once_with_result(ask);
    assert_eq!(maps, same, "equal questions have one answer");
    let kinds = [
        (maps.normal.clone(), MapKind::Normal),
        (maps.occlusion_roughness_metallic.clone(), MapKind::OcclusionRoughnessMetallic),
        (maps.height.clone(), MapKind::Height),
    ];
    game.until("the maps exist", |game| {
        let images = game.0.sub_app(RenderApp).world().resource::<RenderAssets<GpuImage>>();
        kinds.iter().all(|(map, _)| images.get(map).is_some())
    });
    for (map, kind) in &kinds {
        let neutral = RULES.neutral(*kind);
        assert!(game.picture(map).chunks_exact(4).all(|pixel| pixel == neutral), "{kind:?}");
    }
    let wrap = Wrap { x: true, y: false };
    for full in [false, true] {
        game.until("the picture", |game| if full { game.is_ready(&base) } else { game.store().is_coarse(&base) });
        game.frames(4);
        let picture = rgb(&game.picture(&base));
        for (map, kind) in &kinds {
            let found = rgb(&game.picture(map));
            // Roots of a driver may cross the border between two bytes.
            assert!(off(&found, &picture, *kind, wrap) <= Some(1), "{kind:?}, full {full}");
            assert!(game.pixels(map, 6).expect("the map exists")[..3] != [0; 3], "mip levels are filled");
        }
        let id = base.id();
        game.0.world_mut().run_system_once_with_result(move |mut generator: TextureGenerator| generator.refine(id));
    }
    let late = game.0.world_mut().run_system_once_with_result({
        let base = base.clone();
        let rules = MapRules { relief: -0.05, ..RULES };
        move |mut generator: TextureGenerator| generator.derive_map(&base, MapKind::Height, &rules)
    });
    assert_ne!(late, maps.height, "other rules give another map");
    game.frames(6);
    let (up, down) = (game.picture(&maps.height), game.picture(&late));
    let sums = up.chunks_exact(4).zip(down.chunks_exact(4)).map(|(a, b)| u16::from(a[0]) + u16::from(b[0]));
    assert!(sums.into_iter().all(|sum| (254..=256).contains(&sum)), "a map of a finished texture is derived at once");
}

#[test]
fn maps_of_a_file_that_is_reloaded_with_another_size_have_that_size() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |recipe: &Recipe| {
        std::fs::write(folder.path().join("a.discon.ron"), recipe.to_ron()).expect("the folder can be written");
    };
    write(&recipe(82));
    let Some(mut game) = Game::with_assets(folder.path()) else { return };
    let base: Handle<Image> = game.0.world().resource::<AssetServer>().load("a.discon.ron");
    game.until("the texture is ready", |game| game.is_ready(&base));
    let map = game.0.world_mut().run_system_once_with_result({
        let base = base.clone();
        move |mut generator: TextureGenerator| generator.derive_map(&base, MapKind::Normal, &RULES)
    });
    let changed = recipe(83).with_size(128, 64);
    write(&changed);
    game.0.world().resource::<AssetServer>().reload("a.discon.ron");
    game.until("the new picture", |game| game.is_ready(&base) && game.store().recipe(&base) == Some(&changed));
    game.frames(6);
    let (picture, found) = (rgb(&game.picture(&base)), rgb(&game.picture(&map)));
    let whole = derive(Picture { pixels: &picture, size: (128, 64), wrap: Wrap::BOTH }, MapKind::Normal, &RULES);
    let worst = found.iter().zip(&whole).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(found.len() == whole.len() && worst <= Some(1), "off by {worst:?}");
}

#[cfg(feature = "material")]
#[test]
fn an_entity_with_a_request_and_a_material_is_dressed_in_the_same_frame() {
    let Some(mut game) = Game::new(DisconSettings::default()) else { return };
    game.0.init_asset::<StandardMaterial>();
    let look = DisconMaterial { parallax: true, ..DisconMaterial::new(RULES) };
    let entity = game.0.world_mut().spawn((GenerateTexture::new(recipe(81)), look)).id();
    game.0.world_mut().flush();
    let world = game.0.world();
    let handle = world.get::<MeshMaterial3d<StandardMaterial>>(entity).expect("it has a material").0.clone();
    let material = world.resource::<Assets<StandardMaterial>>().get(&handle).expect("the material exists").clone();
    let base = game.texture_of(entity);
    assert_eq!(material.base_color_texture, Some(base.clone()));
    assert_eq!(material.occlusion_texture, material.metallic_roughness_texture, "packed as glTF does");
    assert_eq!((material.perceptual_roughness, material.metallic), (1.0, 1.0), "the map has the values");
    assert_eq!(material.parallax_depth_scale, RULES.relief);
    let map = |map: &Option<Handle<Image>>| map.clone().expect("the material has it");
    let maps = [
        (map(&material.normal_map_texture), MapKind::Normal, RULES),
        (map(&material.occlusion_texture), MapKind::OcclusionRoughnessMetallic, RULES),
        // Bevy wants depth: heights upside down.
        (map(&material.depth_map), MapKind::Height, MapRules { relief: -RULES.relief, ..RULES }),
    ];
    game.until("the texture is ready", |game| game.is_ready(&base));
    game.frames(4);
    let picture = rgb(&game.picture(&base));
    for (map, kind, rules) in maps {
        let found = rgb(&game.picture(&map));
        assert!(off_by(&found, &picture, kind, Wrap::BOTH, &rules) <= Some(1), "{kind:?}");
        assert!(found.chunks_exact(3).any(|pixel| pixel != &rules.neutral(kind)[..3]), "{kind:?} is filled");
    }
    let plain = game.0.world_mut().spawn((GenerateTexture::new(recipe(81)), DisconMaterial::new(RULES))).id();
    game.0.world_mut().flush();
    let world = game.0.world();
    let handle = world.get::<MeshMaterial3d<StandardMaterial>>(plain).expect("it has a material");
    let material = world.resource::<Assets<StandardMaterial>>().get(&handle.0).expect("the material exists");
    assert_eq!(material.depth_map, None, "without parallax nothing reads heights");
}
