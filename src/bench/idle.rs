//! What the plugin costs while nothing happens, and allocations of its node while it works.

use super::game::Game;
use super::statistics::{Summary, significant};
use super::table::Table;
use super::worlds::{Frame, single_threaded};
use super::{BenchError, Options, allocations, scene};
use crate::render::Node;
use crate::request::DisconSettings;
use bevy::app::{App, SubApp};
use bevy::prelude::*;
use bevy::render::RenderApp;
use bevy::render::renderer::RenderGraph;
use std::collections::BTreeMap;

/// Microseconds a frame with the idle plugin and without it.
///
/// # Errors
/// See [`BenchError`].
pub fn cost(options: &Options) -> Result<String, BenchError> {
    let mut table = Table::new(&[
        "idle",
        "main world µs: with",
        "without",
        "plugin",
        "extract µs: with",
        "without",
        "plugin",
        "render world µs: with",
        "without",
        "plugin",
    ]);
    // Beside many systems too: those of others must not have to wait for the plugin's.
    for (name, pbr, single) in [
        ("systems on all threads", false, false),
        ("systems on one thread", false, true),
        ("beside PBR, on all threads", true, false),
        ("beside PBR, on one thread", true, true),
    ] {
        let scene = |app: &mut App| {
            if pbr {
                scene::add_renderer(app);
            }
        };
        let mut with = Game::unheard(options, scene);
        let mut without = Game::without_plugin(scene);
        with.until_prepared()?;
        if single {
            single_threaded(&mut with.app);
            single_threaded(&mut without.app);
        }
        let times = compare(options, &mut with, &mut without);
        let cells = times.iter().flat_map(|[with, without]| {
            let plugin = Summary::of(&with.iter().zip(without).map(|(a, b)| a - b).collect::<Vec<_>>());
            [Summary::of(with).text(1e6), Summary::of(without).text(1e6), plugin.text(1e6)]
        });
        table.row(std::iter::once(name.to_string()).chain(cells));
    }
    Ok(format!(
        "### The idle plugin\n\nMedians over batches of frames in turn; wall time on an app that has nothing else to do.\n\n{table}\n"
    ))
}

/// Seconds of main world, hand-over and render world, with and without the plugin: the median of each batch.
fn compare(options: &Options, with: &mut Game, without: &mut Game) -> [[Vec<f64>; 2]; 3] {
    let mut found: [[Vec<f64>; 2]; 3] = Default::default();
    (0..100).for_each(|_| _ = (with.step(), without.step()));
    for _ in 0..options.pick(5, 40) {
        for (side, game) in [&mut *with, &mut *without].into_iter().enumerate() {
            let frames: Vec<Frame> = (0..options.pick(20, 100)).map(|_| game.step()).collect();
            let parts: [fn(&Frame) -> f64; 3] = [|f| f.main.wall, |f| f.extract.wall, |f| f.render.wall];
            for (part, of) in parts.into_iter().enumerate() {
                let seconds: Vec<f64> = frames.iter().map(of).collect();
                found[part][side].push(Summary::of(&seconds).median);
            }
        }
    }
    found
}

/// Allocations of one frame in the node.
#[derive(Resource, Default)]
struct InNode {
    start: u64,
    frames: Vec<u64>,
    traced: bool,
}

/// Counts around the node. Its systems must run on one thread.
fn watch(app: &mut SubApp) {
    app.init_resource::<InNode>();
    app.add_systems(
        RenderGraph,
        (
            (|mut node: ResMut<InNode>| {
                allocations::trace(node.traced);
                node.start = allocations::of_this_thread();
            })
            .before(Node),
            (|mut node: ResMut<InNode>| {
                let count = allocations::of_this_thread() - node.start;
                allocations::trace(false);
                node.frames.push(count);
            })
            .after(Node),
        ),
    );
}

/// Allocations per frame of the node: idle and at work, and where they come from.
///
/// # Errors
/// See [`BenchError`].
pub fn node_allocations(options: &Options) -> Result<String, BenchError> {
    let settings = DisconSettings { memory_cache_bytes: 0, ..DisconSettings::default() };
    let mut game = Game::new(options, settings, |_| {});
    if let Some(render_app) = game.app.get_sub_app_mut(RenderApp) {
        watch(render_app);
    }
    single_threaded(&mut game.app);
    game.until_prepared()?;
    let count = |game: &mut Game, frames: usize| -> Vec<f64> {
        node(game).frames = Vec::with_capacity(frames);
        (0..frames).for_each(|_| _ = game.step_to_screen());
        node(game).frames.iter().map(|count| *count as f64).collect()
    };
    let idle = count(&mut game, 100);
    let image = game.request(options.recipe(7));
    game.until("the work to start", |game| _ = game.step_to_screen(), |game| !game.heard().gpu_ms.is_empty())?;
    // Until the controller has settled and every timer has been used.
    count(&mut game, 40);
    let working = count(&mut game, options.pick(10, 100));
    node(&mut game).traced = true;
    allocations::take_traces();
    let traced = options.pick(2, 10);
    count(&mut game, traced);
    let mut sites: BTreeMap<allocations::Site, usize> = BTreeMap::new();
    allocations::take_traces().into_iter().for_each(|site| *sites.entry(site).or_default() += 1);
    drop(image);
    let mut table = Table::new(&["from", "in", "per frame"]);
    for (site, count) in &sites {
        let from = if site.graphics { "wgpu and the driver" } else { "this crate" };
        table.row([from.to_string(), format!("`{}`", site.function), significant(*count as f64 / traced as f64)]);
    }
    let own = sites.iter().filter(|(site, _)| !site.graphics).map(|(_, count)| *count).sum::<usize>();
    Ok(format!(
        "### Allocations of the node\n\nPer frame: idle {}, while a texture is generated {}; of those {} by this crate's own code, the \
         rest inside wgpu and the driver.\n\n{table}\n",
        Summary::of(&idle).text(1.0),
        Summary::of(&working).text(1.0),
        significant(own as f64 / traced as f64),
    ))
}

fn node(game: &mut Game) -> Mut<'_, InNode> {
    game.app.sub_app_mut(RenderApp).world_mut().resource_mut::<InNode>()
}
