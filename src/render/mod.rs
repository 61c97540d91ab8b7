//! The render world's side of the plugin: jobs become compute passes, a few milliseconds in each frame.
//!
//! | system | schedule | does |
//! |---|---|---|
//! | `restart` | `RenderStartup` | new state for a new device |
//! | `extract_commands` | `ExtractSchedule` | takes what the main world asks for |
//! | `prepare_model` | `Render`, `PrepareResources` | kernels and weights, on a task thread |
//! | `continue_edits` | the same | lets edits go on from kept latents |
//! | `feed_surfaces` | the same | the next work of every surface |
//! | `prepare_slots` | the same | buffers for the next shape of texture, on a task thread |
//! | `clear_textures` | the same | the neutral colour in new textures |
//! | `show_pictures` | the same | pictures that were made on the processor |
//! | `run_jobs` | `RenderGraph`, before all cameras | dispatches within the budget |
//!
//! Textures of equal shape that wait together run as one batch (`batch.rs`, `member.rs`): they start, show their coarse
//! pictures and end together, and each may leave at any time. Progress is that of the batch, and the budget cuts its
//! dispatches like others.
//!
//! `run_jobs` submits its own command buffers, before those of the frame: they are bounded and timed one by one,
//! cameras of the same frame see their results, and nothing depends on `CorePipelinePlugin`, which submits what others
//! record.

mod active;
mod batch;
mod budget;
mod clear;
mod device_task;
mod extract;
mod kept;
mod layers;
mod member;
mod memory;
mod pictures;
mod prepare;
mod read_back;
mod run;
mod slots;
mod surfaces;
mod timing;

use crate::request::link::{Report, ReportSender};
use bevy::app::SubApp;
use bevy::prelude::*;
use bevy::render::renderer::{RenderAdapterInfo, RenderDevice, RenderGraph, RenderGraphSystems, RenderQueue};
use bevy::render::{ExtractSchedule, Render, RenderStartup, RenderSystems};

/// The node: what spends the budget.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node;

/// Whether kernels and weights of a model are on the GPU.
#[cfg(all(feature = "bench", feature = "material"))]
pub fn is_prepared(render_world: &World) -> bool {
    render_world.get_resource::<prepare::ModelOnGpu>().is_some_and(|model| model.get().is_some())
}

/// How often a device was set up.
#[derive(Resource, Default)]
struct Devices(u32);

/// Adds the systems to the render world.
pub fn build(render_app: &mut SubApp, sender: ReportSender) {
    render_app
        .insert_resource(sender)
        .init_resource::<Devices>()
        .init_resource::<extract::RenderSettings>()
        .add_systems(RenderStartup, restart)
        .add_systems(ExtractSchedule, extract::extract_commands)
        .add_systems(
            Render,
            (
                prepare::prepare_model,
                kept::continue_edits,
                surfaces::feed_surfaces,
                slots::prepare_slots,
                clear::clear_textures,
                clear::show_pictures,
            )
                .chain()
                .in_set(RenderSystems::PrepareResources)
                .run_if(
                    prepare::has_work
                        .or_else(|queued: Res<extract::Queued>| !queued.clear.is_empty() || !queued.shown.is_empty())
                        .or_else(|surfaces: Res<surfaces::Surfaces>| surfaces.want_work()),
                ),
        )
        .configure_sets(RenderGraph, Node.after(RenderGraphSystems::Begin).before(RenderGraphSystems::Render))
        .add_systems(RenderGraph, run::run_jobs.in_set(Node).run_if(run::has_work));
}

/// Starts from nothing on a new device.
fn restart(
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    info: Res<RenderAdapterInfo>,
    sender: Res<ReportSender>,
    mut devices: ResMut<Devices>,
    mut commands: Commands,
) {
    if devices.0 > 0 {
        sender.send(Report::DeviceReplaced);
    }
    devices.0 += 1;
    commands.insert_resource(extract::Queued::default());
    commands.insert_resource(prepare::ModelOnGpu::new(device.wgpu_device(), &info));
    commands.insert_resource(slots::Slots::default());
    commands.insert_resource(kept::KeptStates::default());
    commands.insert_resource(clear::Colours::default());
    commands.insert_resource(surfaces::Surfaces::default());
    commands.insert_resource(active::Active::default());
    commands.insert_resource(memory::Shortage::default());
    commands.insert_resource(run::Finishing::default());
    commands.insert_resource(budget::Controller::default());
    commands.insert_resource(timing::Timer::new(device.wgpu_device(), &queue));
}
