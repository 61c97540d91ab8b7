//! Measuring a model: textures of every class, contact sheets and a table.

pub mod metrics;
pub mod sheet;

use crate::model::{Grid, Model, Wrap};
use crate::native::{self, LOOPS};
use crate::reference::{CpuOps, CpuTensor, GeneratedTexture};
use crate::sampling::{Recipe, RecipeError, plan};
use metrics::{Picture, detail_energy, psnr, seam_ratio, sliced_wasserstein};
use std::path::{Path, PathBuf};

/// What [`evaluate`] measured for one class.
#[derive(Clone, Debug)]
pub struct ClassReport {
    /// Class name.
    pub class: String,
    /// Generated textures, seeds counting up from 0.
    pub textures: Vec<Picture>,
    /// Mean seam ratio along x and y.
    pub seam: [f64; 2],
    /// Sliced Wasserstein distance x 1000 to the class's images on three levels, finest first; NaN without images.
    pub distance: [f64; 3],
    /// Fine detail of the generated set over that of the class's images.
    pub sharpness: f64,
}

/// Generates `count` textures of `size` pixels for each class and measures them against `real` images.
///
/// # Errors
/// If the model cannot follow a recipe of that size.
pub fn evaluate(
    model: &Model,
    count: u64,
    size: u32,
    real: impl Fn(&str) -> Vec<Picture>,
    mut progress: impl FnMut(&str),
) -> Result<Vec<ClassReport>, RecipeError> {
    let mut reports = Vec::new();
    for class in &model.discon.config.classes {
        let mut textures = Vec::new();
        for seed in 0..count {
            progress(class);
            let plan = plan(model, &Recipe::new(class).with_seed(seed).with_size(size, size))?;
            textures.push(picture(&native::generate(model, &plan)));
        }
        let real = real(class);
        let mean =
            |set: &[Picture]| set.iter().map(|image| detail_energy(image)[0]).sum::<f64>() / set.len().max(1) as f64;
        reports.push(ClassReport {
            class: class.clone(),
            seam: mean_seam(&textures),
            distance: [0, 1, 2].map(|level| sliced_wasserstein(&real, &textures, level)),
            sharpness: mean(&textures) / mean(&real),
            textures,
        });
    }
    Ok(reports)
}

/// Mean seam ratio of a set, axis by axis.
pub fn mean_seam(textures: &[Picture]) -> [f64; 2] {
    [0, 1].map(|axis| {
        let ratios: Vec<f64> = textures.iter().filter_map(|texture| seam_ratio(texture)[axis]).collect();
        ratios.iter().sum::<f64>() / ratios.len() as f64
    })
}

/// A generated texture as a picture.
pub fn picture(texture: &GeneratedTexture) -> Picture {
    Picture::from_bytes(texture.width as usize, texture.height as usize, &texture.pixels)
}

/// Encodes and decodes a picture whose sides are multiples of 16, without wrapping; returns it and its PSNR.
pub fn reconstruct(model: &Model, image: &Picture) -> (Picture, f64) {
    let mut ops = CpuOps::new(model).with_loops(LOOPS);
    let grid = Grid { items: 1, height: image.height, width: image.width, wrap: Wrap::NONE };
    let pixels = CpuTensor::new(image.values.iter().map(|value| 2.0 * value - 1.0).collect(), 3);
    let latents = model.discon.encoder.forward(&mut ops, &pixels, grid);
    let decoded = model.discon.decoder.forward(&mut ops, &latents, grid.coarser(16));
    let values = decoded.values.iter().map(|value| (value * 0.5 + 0.5).clamp(0.0, 1.0)).collect();
    let result = Picture { values, ..image.clone() };
    let quality = psnr(image, &result);
    (result, quality)
}

/// The report as a Markdown table.
pub fn markdown(reports: &[ClassReport]) -> String {
    let mut text = String::from(
        "| class | seam x | seam y | SWD fine | SWD middle | SWD coarse | fine detail, generated / real |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        let [x, y] = report.seam;
        let [fine, middle, coarse] = report.distance;
        text.push_str(&format!(
            "| {} | {x:.2} | {y:.2} | {fine:.1} | {middle:.1} | {coarse:.1} | {:.2} |\n",
            report.class, report.sharpness
        ));
    }
    text
}

/// Images of one class of a data folder, scaled to cover `size` pixels and cut to that square.
///
/// Companion maps and files that are not images are left out.
pub fn load_class(data: &Path, class: &str, size: u32) -> Vec<Picture> {
    const COMPANIONS: [&str; 6] = ["_normal", "_roughness", "_height", "_ao", "_metallic", "_orm"];
    let Ok(entries) = std::fs::read_dir(data.join(class)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            !COMPANIONS.iter().any(|companion| stem.ends_with(companion))
        })
        .filter_map(|path| image::open(path).ok())
        .map(|image| {
            let image = image.resize_to_fill(size, size, image::imageops::FilterType::CatmullRom).to_rgb8();
            Picture::from_bytes(size as usize, size as usize, image.as_raw())
        })
        .collect()
}
