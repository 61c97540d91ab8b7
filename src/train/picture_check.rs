//! Quality of encoder and decoder on validation pictures.

use super::TrainError;
use super::images::Flip;
use super::losses::{detail_energy, psnr};
use super::metrics::write_grid;
use super::params::ParamSet;
use super::rng::Rng;
use super::run::Session;
use super::workers::values;
use crate::model::{Grid, Ops, TOKEN_PIXELS, Wrap};
use burn::tensor::Tensor;

/// Side of a validation crop, and how many of each kind.
const CHECK_CROP: usize = 128;
const CHECK_COUNT: usize = 32;

/// Fixed crops of pictures kept for validation, sharp ones first: `(pixels, sharp)`.
pub fn check_crops(session: &Session) -> Vec<(Vec<f32>, bool)> {
    let mut rng = Rng::new(&[session.options.seed, 0xc4ec]);
    let pictures = session.data.validation();
    let mut crops = Vec::new();
    for sharp in [true, false] {
        let kind: Vec<_> = pictures.iter().filter(|texture| texture.sharp == sharp).collect();
        for index in 0..CHECK_COUNT.min(4 * kind.len()) {
            // The finest version is the hardest: native detail of a crisp source.
            let Some(version) = kind[index % kind.len()].versions.last() else { continue };
            let free = version.side - CHECK_CROP + 1;
            crops.push((version.crop((rng.below(free), rng.below(free)), CHECK_CROP, Flip::default()), sharp));
        }
    }
    crops
}

/// Encodes and decodes with the moving averages; writes originals above reconstructions.
///
/// # Errors
/// A picture that cannot be written.
pub fn check(
    session: &Session,
    set: &ParamSet,
    crops: &[(Vec<f32>, bool)],
) -> Result<Vec<(&'static str, f32)>, TrainError> {
    let start = || {
        let mut ops = session.inference();
        set.upload_average(&mut ops);
        ops
    };
    let found = session.workers.map_with(crops.len(), start, |ops, index| {
        let grid = Grid { items: 1, height: CHECK_CROP, width: CHECK_CROP, wrap: Wrap::NONE };
        let pixels = ops.constant(&crops[index].0, [grid.rows(), 3]);
        let latents: Tensor<2> = session.model.encoder.forward(ops, &pixels, grid);
        values(session.model.decoder.forward(ops, &latents, grid.coarser(TOKEN_PIXELS)))
    });
    let mut quality = [(0.0f32, 0u32); 2];
    let mut energy = [0.0f64; 2];
    for ((expected, sharp), found) in crops.iter().zip(&found) {
        let kind = &mut quality[usize::from(!sharp)];
        *kind = (kind.0 + psnr(found, expected), kind.1 + 1);
        energy[0] += detail_energy(found, CHECK_CROP);
        energy[1] += detail_energy(expected, CHECK_CROP);
    }
    let pairs = crops.iter().zip(&found).step_by((crops.len() / 16).max(1));
    let mut pictures = Vec::new();
    for row in pairs.collect::<Vec<_>>().chunks(8) {
        pictures.extend(row.iter().map(|(crop, _)| crop.0.clone()));
        pictures.resize(pictures.len().next_multiple_of(8), Vec::new());
        pictures.extend(row.iter().map(|(_, found)| (*found).clone()));
        pictures.resize(pictures.len().next_multiple_of(8), Vec::new());
    }
    write_grid(&session.folder().join("tokenizer.png"), &pictures, CHECK_CROP, 8)?;
    let mean = |(sum, count): (f32, u32)| sum / count.max(1) as f32;
    let all = (quality[0].0 + quality[1].0, quality[0].1 + quality[1].1);
    Ok(vec![
        ("psnr", mean(all)),
        ("psnr_sharp", mean(quality[0])),
        ("psnr_soft", mean(quality[1])),
        ("detail_energy", (energy[0] / energy[1].max(1e-12)) as f32),
    ])
}
