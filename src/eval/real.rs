//! Real pictures to compare with, prepared as training sees them.

use super::metrics::Picture;
use crate::model::Wrap;
use crate::train::TrainError;
use crate::train::dataset::{DataOptions, Dataset, Texture};
use crate::train::images::{Flip, Version};
use crate::train::rng::Rng;
use std::path::Path;

/// A cut-out of a real picture.
#[derive(Clone, Debug)]
pub struct Crop {
    /// Index into [`Dataset::textures`].
    pub texture: usize,
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// The cut-out.
    pub picture: Picture,
}

/// A place in the training pictures; the pixels are cut when they are needed, all at once would fill the memory.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Index into [`Dataset::textures`].
    pub texture: usize,
    version: usize,
    at: usize,
}

impl Place {
    /// The pixels.
    pub fn picture(&self, data: &Dataset, side: usize) -> Picture {
        let version = &data.textures[self.texture].versions[self.version];
        crop(version, (self.at, self.at), side, Flip::default())
    }
}

/// Reads the pictures of those `classes` that are folders of `data`.
///
/// # Errors
/// A folder that cannot be read, or without pictures of these classes.
pub fn load(
    data: &Path,
    classes: &[String],
    threads: usize,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Dataset, TrainError> {
    let found: Vec<String> = classes.iter().filter(|class| data.join(class).is_dir()).cloned().collect();
    if found.is_empty() {
        return Err(TrainError::Data {
            folder: data.into(),
            found: "none of these folders".into(),
            expected: format!("a folder for one or more of the model's classes: {}", classes.join(", ")),
        });
    }
    Dataset::load(&DataOptions { folder: data.into(), classes: found, min_class_images: 1, threads }, progress)
}

fn large_enough(texture: &Texture, side: usize) -> Vec<&Version> {
    texture.versions.iter().filter(|version| version.side >= side).collect()
}

fn crop(version: &Version, at: (usize, usize), side: usize, flip: Flip) -> Picture {
    let values = version.crop(at, side, flip).iter().map(|value| 0.5 * value + 0.5).collect();
    Picture { width: side, height: side, values }
}

/// `count` cut-outs of training pictures of each class, drawn as training draws them.
pub fn training_crops(data: &Dataset, count: usize, side: usize, seed: u64) -> Vec<Crop> {
    let mut crops = Vec::new();
    let mut open = vec![count; data.classes.len()];
    for (class, open) in open.iter_mut().enumerate() {
        if !data.training().any(|(_, texture)| texture.class == class) {
            *open = 0;
        }
    }
    let mut rng = Rng::new(&[seed, 0x4ea1]);
    while open.iter().any(|open| *open > 0) {
        let texture = data.draw(&mut rng);
        let class = data.textures[texture].class;
        let versions = large_enough(&data.textures[texture], side);
        if open[class] == 0 || versions.is_empty() {
            // A class whose pictures are all too small would never fill.
            if versions.is_empty() && data.training().all(|(_, t)| t.class != class || large_enough(t, side).is_empty())
            {
                open[class] = 0;
            }
            continue;
        }
        open[class] -= 1;
        let version = versions[rng.below(versions.len())];
        let free = if version.wraps { version.side } else { version.side - side + 1 };
        let at = (rng.below(free), rng.below(free));
        crops.push(Crop { texture, class, picture: crop(version, at, side, Flip::ALL[rng.below(4)]) });
    }
    crops
}

/// The middle of every version of the pictures that are kept out of training; empty if none are.
pub fn validation_crops(data: &Dataset, side: usize) -> Vec<Crop> {
    let kept = data.textures.iter().enumerate().filter(|(_, texture)| texture.validation);
    kept.flat_map(|(index, texture)| {
        large_enough(texture, side).into_iter().map(move |version| {
            let at = (version.side - side) / 2;
            Crop { texture: index, class: texture.class, picture: crop(version, (at, at), side, Flip::default()) }
        })
    })
    .collect()
}

/// All training pictures: each version whole if it has the size, and two corners of a larger one.
pub fn gallery(data: &Dataset, side: usize) -> Vec<Place> {
    let mut places = Vec::new();
    for (texture, entry) in data.training() {
        let versions = entry.versions.iter().enumerate().filter(|(_, version)| version.side >= side);
        for (version, found) in versions {
            let last = found.side - side;
            let corners = if last == 0 { vec![0] } else { vec![0, last] };
            places.extend(corners.into_iter().map(|at| Place { texture, version, at }));
        }
    }
    places
}

/// `count` whole training pictures at their smallest scale, with their border rule.
pub fn whole_pictures(data: &Dataset, count: usize, seed: u64) -> Vec<(Picture, Wrap)> {
    let mut rng = Rng::new(&[seed, 0x3401e]);
    (0..count)
        .filter_map(|_| {
            let texture = &data.textures[data.draw(&mut rng)];
            let version = texture.versions.iter().min_by_key(|version| version.side)?;
            let wrap = if version.wraps { Wrap::BOTH } else { Wrap::NONE };
            Some((crop(version, (0, 0), version.side, Flip::default()), wrap))
        })
        .collect()
}

/// The middle of the finest version of pictures kept for validation, crisp or soft ones: what a tokenizer must rebuild.
pub fn to_rebuild(data: &Dataset, sharp: bool, count: usize, side: usize) -> Vec<Picture> {
    let kept = data.validation();
    let kind: Vec<&Texture> = kept.into_iter().filter(|texture| texture.sharp == sharp).collect();
    let step = kind.len().div_ceil(count).max(1);
    kind.iter()
        .step_by(step)
        .filter_map(|texture| texture.versions.iter().rfind(|version| version.side >= side))
        .map(|version| {
            let at = (version.side - side) / 2;
            crop(version, (at, at), side, Flip::default())
        })
        .collect()
}
