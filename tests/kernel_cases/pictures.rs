//! Pictures: borders of tokens, bytes and mip levels, by kernels and by their CPU twins.

use super::{Bench, Case, GRID, WRAPS, common, input};
use bevy_discon::gpu::{GpuWeights, ImageTarget, JobSlot, Recorder};
use bevy_discon::model::{Grid, Model, ModelConfig, Ops, Wrap};
use bevy_discon::sampling::SampleOps;
use std::sync::Arc;

struct BorderCase {
    grid: Grid,
}

impl Case for BorderCase {
    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let pixels = input(ops, 6, [self.grid.rows(), 3]);
        let steps = ops.border_steps(&pixels, self.grid);
        ops.smooth_borders(&pixels, &steps, self.grid)
    }
}

#[test]
fn borders_of_tokens_are_smoothed_as_by_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for wrap in WRAPS {
        for [items, height, width] in [[1, 16, 16], [2, 16, 48], [1, 48, 32]] {
            let grid = Grid { items, height, width, wrap };
            bench.check(&format!("border_steps and smooth_borders {grid:?}"), 2e-6, BorderCase { grid });
        }
    }
}

#[test]
fn pictures_and_mip_levels_equal_the_reference() {
    let Some(bench) = Bench::get() else { return };
    let model = Model::new(&ModelConfig::tiny(&["a"]), None, 1).expect("the tiny preset is valid");
    let weights = GpuWeights::upload(bench.gpu.device(), bench.gpu.queue(), &model).expect("weights fit");
    for (height, width) in [(16, 16), (80, 112), (48, 64)] {
        for pipelines in &bench.pipelines {
            let grid = Grid { items: 1, height, width, wrap: Wrap::BOTH };
            let values: Vec<f32> = common::numbers(3, 3 * height * width).iter().map(|value| 1.1 * value).collect();
            let mut recorder = Recorder::new(&model, GRID, pipelines.variant());
            let pixels = recorder.constant(&values, [height * width, 3]);
            // A picture must be the result of a dispatch.
            let zeros = recorder.constant(&[0.0; 3], [1, 3]);
            let pixels = recorder.broadcast_sum(&pixels, &zeros, height * width);
            recorder.write_image(&pixels, grid);
            let device = bench.gpu.device();
            let slot = JobSlot::new(device, pipelines, &weights, Arc::new(recorder.finish())).expect("buffers fit");
            let texture = bench.gpu.texture(width as u32, height as u32);
            let target = ImageTarget::new(device, pipelines, &slot, &texture).expect("the texture fits");
            bench.gpu.submit(|pass| {
                slot.encode(pass, 0..1);
                target.encode(pass);
            });
            let mut level = bevy_discon::reference::sample::write_image(&values);
            assert_eq!(
                bench.gpu.read_texture(&texture).expect("the device works"),
                level,
                "write_image {width}x{height}"
            );
            let (mut w, mut h) = (width, height);
            for index in 1..texture.mip_level_count() {
                level = downsample(&level, w, h);
                (w, h) = ((w / 2).max(1), (h / 2).max(1));
                let found = bench.gpu.read_level(&texture, index).expect("the device works");
                let worst = level.iter().zip(&found).map(|(a, b)| a.abs_diff(*b)).max();
                // Powers of a driver are less exact than those of the host; each level is made from bytes.
                assert!(worst <= Some(1), "downsample to level {index} of {width}x{height}: off by {worst:?}");
                level = found;
            }
        }
    }
}

/// Area average in linear light, in f64: the twin of the kernel of this name.
fn downsample(level: &[u8], width: usize, height: usize) -> Vec<u8> {
    let decode = |byte: u8| {
        let v = f64::from(byte) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let encode = |v: f64| if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    let (w, h) = ((width / 2).max(1), (height / 2).max(1));
    // Share of each finer pixel along one axis.
    let shares = |at: usize, length: usize, coarse: usize| {
        let scale = length as f64 / coarse as f64;
        let (low, high) = (at as f64 * scale, (at + 1) as f64 * scale);
        (0..length)
            .map(move |i| (i, (high.min((i + 1) as f64) - low.max(i as f64)).max(0.0) / scale))
            .filter(|(_, share)| *share > 0.0)
            .collect::<Vec<_>>()
    };
    let mut out = Vec::with_capacity(3 * w * h);
    for y in 0..h {
        for x in 0..w {
            for channel in 0..3 {
                let mut sum = 0.0;
                for (sy, share_y) in shares(y, height, h) {
                    for (sx, share_x) in shares(x, width, w) {
                        sum += share_y * share_x * decode(level[(sy * width + sx) * 3 + channel]);
                    }
                }
                out.push((encode(sum) * 255.0 + 0.5).floor() as u8);
            }
        }
    }
    out
}
