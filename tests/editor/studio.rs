//! A whole app with the editor, without a window, to be asked what its state and its images are.

use super::common;
use bevy::app::PluginGroup;
use bevy::image::Image;
use bevy::prelude::*;
use bevy::render::gpu_readback::{Readback, ReadbackComplete};
use bevy::render::pipelined_rendering::PipelinedRenderingPlugin;
use bevy::window::ExitCondition;
use bevy_discon::editor::{DisconEditorPlugin, EditorState, PanelPlace};
use bevy_discon::model::{Model, ModelConfig};
use bevy_discon::prelude::*;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wall-clock limit of every wait.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// One at a time: each opens a device of its own.
static ALONE: Mutex<()> = Mutex::new(());

pub struct Studio(pub App, #[expect(dead_code, reason = "held until the app is gone")] MutexGuard<'static, ()>);

/// Pixels that came from the GPU.
#[derive(Resource, Default)]
pub struct Pixels(Option<Vec<u8>>);

impl Studio {
    /// An app with its assets in `folder`; none if GPU tests are turned off.
    pub fn open(folder: &Path, place: PanelPlace) -> Option<Self> {
        common::gpu()?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut model =
            Model::new(&ModelConfig::tiny(&["brick", "moss"]), None, 1).expect("the configuration is sound");
        common::randomise(&mut model);
        let assets = AssetPlugin { file_path: folder.to_string_lossy().into_owned(), ..default() };
        let window = WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() };
        let plugins = DefaultPlugins.build().set(assets).set(window);
        let plugins = plugins.disable::<bevy::winit::WinitPlugin>().disable::<PipelinedRenderingPlugin>();
        let mut app = App::new();
        app.add_plugins((
            plugins.disable::<bevy::log::LogPlugin>(),
            DisconPlugin { model: ModelSource::Loaded(Arc::new(model)), ..default() },
            DisconEditorPlugin {
                recipe: recipe(0),
                preset_folder: folder.join("recipes"),
                export_folder: folder.join("textures"),
                place,
            },
        ));
        app.init_resource::<Pixels>();
        app.finish();
        app.cleanup();
        Some(Self(app, alone))
    }

    pub fn state(&mut self) -> Mut<'_, EditorState> {
        self.0.world_mut().resource_mut::<EditorState>()
    }

    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut World) -> bool) {
        let start = Instant::now();
        while !holds(self.0.world_mut()) {
            let notice = &self.0.world().resource::<EditorState>().notice;
            assert!(start.elapsed() < PATIENCE, "waited too long for: {what}; {notice:?}");
            self.0.update();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn until_ready(&mut self) {
        self.until("the picture", |world| {
            matches!(world.resource::<EditorState>().picture.state, Some(TextureState::Ready(_)))
        });
    }

    /// What an image shows now.
    pub fn pixels(&mut self, image: &Handle<Image>) -> Vec<u8> {
        self.0.world_mut().resource_mut::<Pixels>().0 = None;
        let keep = |event: On<ReadbackComplete>, mut pixels: ResMut<Pixels>| pixels.0 = Some(event.data.clone());
        let reading = self.0.world_mut().spawn(Readback::texture(image.clone())).observe(keep).id();
        self.until("the pixels", |world| world.resource::<Pixels>().0.is_some());
        self.0.world_mut().despawn(reading);
        self.0.world_mut().resource_mut::<Pixels>().0.take().expect("they have come")
    }
}

pub fn recipe(seed: u64) -> Recipe {
    Recipe::new("brick").with_size(64, 64).with_seed(seed)
}
