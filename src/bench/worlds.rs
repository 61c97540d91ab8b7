//! The worlds of an app, run one after the other so that each can be timed.

use super::clock::{Times, timed_here};
use bevy::ecs::schedule::{Schedules, SingleThreadedExecutor};
use bevy::prelude::*;
use bevy::render::RenderApp;

/// Times of one frame, of the thread that runs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    /// All schedules of the main world.
    pub main: Times,
    /// The hand-over to the render world, for which both wait.
    pub extract: Times,
    /// All schedules of the render world.
    pub render: Times,
}

/// What `App::update` does, timed.
pub fn step(app: &mut App) -> Frame {
    let apps = app.sub_apps_mut();
    let ((), main) = timed_here(|| apps.main.run_default_schedule());
    let mut frame = Frame { main, ..Frame::default() };
    for sub_app in apps.sub_apps.values_mut() {
        let ((), extract) = timed_here(|| sub_app.extract(apps.main.world_mut()));
        let ((), render) = timed_here(|| sub_app.update());
        for (sum, times) in [(&mut frame.extract, extract), (&mut frame.render, render)] {
            sum.wall += times.wall;
            sum.cpu += times.cpu;
        }
    }
    apps.main.world_mut().clear_trackers();
    frame
}

/// Lets every system run on the thread that calls [`step`], so that the times of this thread are those of all systems. Tasks that
/// systems start still run elsewhere.
pub fn single_threaded(app: &mut App) {
    let change = |world: &mut World| {
        if let Some(mut schedules) = world.get_resource_mut::<Schedules>() {
            for (_, schedule) in schedules.iter_mut() {
                schedule.set_executor(SingleThreadedExecutor::new());
            }
        }
    };
    change(app.world_mut());
    if let Some(render_app) = app.get_sub_app_mut(RenderApp) {
        change(render_app.world_mut());
    }
}
