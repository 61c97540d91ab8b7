//! The room and what stands in it.

use crate::options::Options;
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::math::Affine2;
use bevy::prelude::*;
use bevy_discon::prelude::*;
use std::f32::consts::PI;

const HALF_WIDTH: f32 = 6.0;
const HALF_DEPTH: f32 = 5.0;
const HEIGHT: f32 = 4.6;

/// Seeds of the first look, chosen by eye among the first ten of the bundled model, as one does for a scene; 1 for
/// others.
const CHOSEN: [(&str, u64); 15] = [
    ("bark", 6),
    ("brick", 7),
    ("fabric", 9),
    ("grass", 3),
    ("lava", 4),
    ("marble", 5),
    ("metal", 6),
    ("paving", 8),
    ("rock", 9),
    ("roof_tiles", 8),
    ("rust", 9),
    ("scifi_panel", 5),
    ("stone_wall", 8),
    ("tiles", 9),
    ("wood_planks", 9),
];

/// A surface that is generated: its class, and its number in the room.
#[derive(Component)]
pub struct Surface {
    class: String,
    number: u64,
}

/// Lights and camera. They are there before the model is.
pub fn light_room(mut commands: Commands) {
    // A court without a roof, at dusk.
    commands.insert_resource(ClearColor(Color::srgb(0.1, 0.14, 0.22)));
    commands.insert_resource(GlobalAmbientLight { color: Color::srgb(0.9, 0.93, 1.0), brightness: 300.0, ..default() });
    commands.spawn((
        Camera3d::default(),
        Projection::from(PerspectiveProjection { fov: 38.0_f32.to_radians(), ..default() }),
        Tonemapping::AcesFitted,
        Transform::from_xyz(0.9, 3.6, 11.2).looking_at(Vec3::new(0.0, 1.5, -1.0), Vec3::Y),
    ));
    // The last daylight, from the left and behind the camera.
    commands.spawn((
        DirectionalLight {
            color: Color::srgb(0.8, 0.88, 1.0),
            illuminance: 3_800.0,
            shadow_maps_enabled: true,
            ..default()
        },
        Transform::from_xyz(-5.0, 8.0, 7.0).looking_at(Vec3::ZERO, Vec3::Y),
    ));
    // A lamp near the camera brightens the floor.
    commands.spawn((
        PointLight { color: Color::srgb(1.0, 0.9, 0.78), intensity: 500_000.0, range: 20.0, ..default() },
        Transform::from_xyz(2.5, 4.5, 7.5),
    ));
    // Warm spots on the exhibits.
    for x in [-3.4, 0.0, 3.4] {
        commands.spawn((
            SpotLight {
                color: Color::srgb(1.0, 0.78, 0.52),
                intensity: 2_600_000.0,
                range: 18.0,
                outer_angle: 0.8,
                inner_angle: 0.35,
                shadow_maps_enabled: true,
                ..default()
            },
            Transform::from_xyz(x * 1.1, 6.0, 4.6).looking_at(Vec3::new(x, 0.9, -1.4), Vec3::Y),
        ));
    }
}

/// One thing in the room.
struct Thing {
    class: &'static str,
    mesh: Mesh,
    /// Repeats of the texture along both directions of the mesh's coordinates; whole numbers where a mesh closes.
    repeats: Vec2,
    place: Transform,
}

fn thing(class: &'static str, mesh: impl Into<Mesh>, repeats: (f32, f32), place: Transform) -> Thing {
    Thing { class, mesh: mesh.into(), repeats: repeats.into(), place }
}

/// Walls, floor and columns: a texture covers about 2.4 metres.
fn room() -> Vec<Thing> {
    let wall = |width: f32| Plane3d::new(Vec3::Z, Vec2::new(width, HEIGHT / 2.0));
    let middle = HEIGHT / 2.0;
    let mut things = vec![
        thing(
            "wood_planks",
            Plane3d::new(Vec3::Y, Vec2::new(HALF_WIDTH, HALF_DEPTH)),
            (5.0, 4.2),
            Transform::default(),
        ),
        thing("brick", wall(HALF_WIDTH), (5.0, 1.9), Transform::from_xyz(0.0, middle, -HALF_DEPTH)),
        thing(
            "stone_wall",
            wall(HALF_DEPTH),
            (4.2, 1.9),
            Transform::from_xyz(-HALF_WIDTH, middle, 0.0).with_rotation(Quat::from_rotation_y(PI / 2.0)),
        ),
        thing(
            "tiles",
            wall(HALF_DEPTH),
            (4.2, 1.9),
            Transform::from_xyz(HALF_WIDTH, middle, 0.0).with_rotation(Quat::from_rotation_y(-PI / 2.0)),
        ),
    ];
    for x in [-HALF_WIDTH + 0.5, -1.9, 1.9, HALF_WIDTH - 0.5] {
        let place = Transform::from_xyz(x, middle, -HALF_DEPTH + 0.5);
        things.push(thing("marble", Cylinder::new(0.3, HEIGHT), (1.0, 2.0), place));
    }
    things
}

/// Exhibits on plinths.
fn exhibits() -> Vec<Thing> {
    let ball = || Sphere::new(0.64).mesh().uv(48, 32);
    let at = |x: f32, z: f32, y: f32| Transform::from_xyz(x, y, z);
    let turned = |place: Transform, angle: f32| place.with_rotation(Quat::from_rotation_y(angle));
    // The poles of Bevy's sphere lie on its z axis.
    let upright = |place: Transform| place.with_rotation(Quat::from_rotation_x(-PI / 2.0));
    let (back, front) = (-2.4, 1.7);
    let mut things = vec![
        thing("rust", ball(), (2.0, 1.0), upright(at(-4.3, back, 2.24))),
        thing("scifi_panel", Cuboid::from_length(1.15), (1.0, 1.0), turned(at(-1.45, back, 2.18), 0.5)),
        thing("lava", ball(), (2.0, 1.0), upright(at(1.45, back, 2.24))),
        thing(
            "metal",
            Torus::new(0.26, 0.76),
            (4.0, 1.0),
            at(4.3, back, 2.36).with_rotation(Quat::from_rotation_x(1.2)),
        ),
        thing("bark", Cylinder::new(0.46, 1.25), (2.0, 1.0), at(-3.2, front, 1.13)),
        thing("grass", ball(), (2.0, 1.0), upright(at(-1.07, front, 1.14))),
        thing("rock", ball(), (2.0, 1.0), upright(at(1.07, front, 1.14))),
        thing("fabric", Cuboid::from_length(1.05), (1.0, 1.0), turned(at(3.2, front, 1.03), -0.6)),
    ];
    let plinths = [-4.3, -1.45, 1.45, 4.3].map(|x| (x, back, 1.6)).into_iter();
    for (x, z, height) in plinths.chain([-3.2, -1.07, 1.07, 3.2].map(|x| (x, front, 0.5))) {
        let place = at(x, z, height / 2.0);
        things.push(thing("concrete", Cuboid::new(1.0, height, 1.0), (0.5, 0.5 * height), place));
    }
    things
}

/// The look of a class beyond its colour.
fn material(class: &str) -> StandardMaterial {
    let (roughness, metallic, reflectance) = match class {
        "metal" => (0.38, 0.75, 0.6),
        "scifi_panel" => (0.45, 0.5, 0.5),
        "rust" => (0.8, 0.25, 0.4),
        "marble" | "tiles" => (0.22, 0.0, 0.5),
        "wood_planks" | "lava" => (0.55, 0.0, 0.4),
        _ => (0.9, 0.0, 0.25),
    };
    StandardMaterial { perceptual_roughness: roughness, metallic, reflectance, ..default() }
}

/// Puts everything in place as soon as the classes of the model are known.
pub fn furnish(
    model: Res<DisconModel>,
    options: Res<Options>,
    mut textures: TextureGenerator,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) -> Result {
    for (number, thing) in (0..).zip(room().into_iter().chain(exhibits())) {
        let known = model.classes().iter().any(|class| class == thing.class);
        // A model with other classes furnishes the room too.
        let class = if known { Some(thing.class) } else { model.class(number) };
        let Some(class) = class.map(ToString::to_string) else { return Ok(()) };
        let texture = textures.generate(recipe(&class, 0, &options));
        let material = materials.add(StandardMaterial {
            normal_map_texture: Some(relief(&texture, thing.class, &mut textures)),
            base_color_texture: Some(texture),
            uv_transform: Affine2::from_scale(thing.repeats),
            ..material(thing.class)
        });
        commands.spawn((
            // Normal maps need tangents.
            Mesh3d(meshes.add(thing.mesh.with_generated_tangents()?)),
            MeshMaterial3d(material),
            thing.place,
            Surface { class, number: 0 },
        ));
    }
    Ok(())
}

/// The normal map of a texture, derived on the GPU: filled when the texture is, and as seamless.
fn relief(texture: &Handle<Image>, class: &str, textures: &mut TextureGenerator) -> Handle<Image> {
    let relief = match class {
        "bark" | "brick" | "rock" | "stone_wall" => 0.03,
        "grass" | "rust" | "scifi_panel" => 0.02,
        "lava" | "marble" => 0.0,
        _ => 0.01,
    };
    textures.derive_map(texture, MapKind::Normal, &MapRules { relief, ..default() })
}

/// Equal for all surfaces of a class, so that they share one texture.
fn recipe(class: &str, number: u64, options: &Options) -> Recipe {
    let chosen = CHOSEN.iter().find(|(of, _)| *of == class).map_or(1, |(_, seed)| *seed);
    let seed = chosen.wrapping_add(options.seed).wrapping_add(number).wrapping_sub(1);
    Recipe::new(class).with_size(options.size, options.size).with_seed(seed)
}

/// Space: new textures, each shown from the first frame on and filled when its turn comes.
pub fn next_seed(
    keys: Res<ButtonInput<KeyCode>>,
    options: Res<Options>,
    mut surfaces: Query<(&mut Surface, &MeshMaterial3d<StandardMaterial>)>,
    mut textures: TextureGenerator,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    if !keys.just_pressed(KeyCode::Space) {
        return;
    }
    for (mut surface, material) in &mut surfaces {
        surface.number += 1;
        let texture = textures.generate(recipe(&surface.class, surface.number, &options));
        let relief = relief(&texture, &surface.class, &mut textures);
        if let Some(mut material) = materials.get_mut(&material.0) {
            material.normal_map_texture = Some(relief);
            material.base_color_texture = Some(texture);
            material.emissive_texture = None;
            material.emissive = LinearRgba::BLACK;
        }
    }
}

/// Lava glows, once it is lava.
pub fn glow(
    mut ready: MessageReader<TextureReady>,
    surfaces: Query<&MeshMaterial3d<StandardMaterial>, With<Surface>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
) {
    let lava = |ready: &&TextureReady| ready.recipe.class == "lava";
    for ready in ready.read().filter(lava) {
        for material in &surfaces {
            let Some(mut material) = materials.get_mut(&material.0) else { continue };
            let texture = material.base_color_texture.clone().filter(|texture| texture.id() == ready.image);
            if texture.is_some() {
                material.emissive_texture = texture;
                material.emissive = LinearRgba::rgb(1.5, 0.9, 0.6);
            }
        }
    }
}
