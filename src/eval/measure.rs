//! All measures of a set of textures against one real set.

use super::classifier::told_apart;
use super::coverage::coverage;
use super::descriptor::describe;
use super::features::Scale;
use super::generate::{Sample, relative_latents};
use super::kid::kid;
use super::metrics::{Picture, border_ratio, detail_energy, seam_ratio};
use super::nearest::{Pair, nearest, share_of_near};
use super::outliers::{LatentGrid, Region};
use super::real::{self, Crop, Place};
use super::wasserstein::sliced_wasserstein;
use crate::model::Model;
use crate::train::dataset::Dataset;
use crate::train::rng::Rng;
use crate::train::workers::Workers;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// Side in pixels of the cut-outs that are compared.
pub const SIDE: usize = 128;
/// Whole pictures whose latents show where real ones lie.
const LATENT_PICTURES: usize = 240;

/// What was measured of one set; NaN where a set is too small or has no such thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Numbers {
    /// Textures.
    pub count: usize,
    /// Kernel distance x 1000, see [`super::kid`]; lower is better, 0 for equal distributions.
    pub kid: f64,
    /// Its standard error.
    pub kid_error: f64,
    /// See [`super::coverage`]; higher is better, 0..=1.
    pub precision: f64,
    /// See [`super::coverage`]; higher is better, 0..=1.
    pub recall: f64,
    /// Classifier accuracy in percent, see [`super::classifier`]; lower is better, 50 is best.
    pub told_apart: f64,
    /// Sliced Wasserstein distance x 1000 by level, finest first, see [`super::wasserstein`]; lower is better.
    pub wasserstein: [f64; 3],
    /// Detail of the set over that of the real set by level, finest first; 1 is best.
    pub sharpness: [f64; 3],
    /// Mean seam ratio along x and y, 1 is best; see [`seam_ratio`].
    pub seam: [f64; 2],
    /// Mean gradient at token borders over that between; 1 is best; see [`border_ratio`].
    pub border: f64,
    /// Percentage of latent neighbourhoods where no real ones lie, see [`super::outliers`]; 0.1 for real ones.
    pub outliers: f64,
    /// Percentage of textures nearer to a training picture than all but 5 % of pictures kept out of training are.
    pub near: f64,
}

/// The real set, and what is derived from it once.
pub struct Reference {
    /// Class names.
    pub classes: Vec<String>,
    real: Vec<Crop>,
    features: DMatrix<f64>,
    scale: Scale,
    validation: Vec<Crop>,
    gallery: Vec<Place>,
    gallery_features: DMatrix<f64>,
    expected: Vec<Pair>,
    region: Option<Region>,
}

/// Textures to be measured, with their class as an index of [`Reference::classes`].
pub struct Set {
    classes: Vec<usize>,
    textures: Vec<Picture>,
    /// Empty if the textures are compared whole.
    crops: Vec<Picture>,
    features: DMatrix<f64>,
    latents: Vec<LatentGrid>,
}

fn descriptions(workers: &Workers, pictures: &[&Picture]) -> Vec<Vec<f32>> {
    workers.map(pictures.len(), |index| describe(pictures[index]))
}

fn pictures(crops: &[Crop]) -> Vec<&Picture> {
    crops.iter().map(|crop| &crop.picture).collect()
}

impl Reference {
    /// Draws `count` real cut-outs per class and describes all training pictures.
    pub fn new(data: &Dataset, workers: &Workers, count: usize) -> Self {
        let real = real::training_crops(data, count, SIDE, 1);
        let rows = descriptions(workers, &pictures(&real));
        let scale = Scale::of(&rows);
        let features = scale.apply(&rows);
        let validation = real::validation_crops(data, SIDE);
        let gallery = real::gallery(data, SIDE);
        let described = workers.map(gallery.len(), |index| describe(&gallery[index].picture(data, SIDE)));
        let gallery_features = scale.apply(&described);
        let held = scale.apply(&descriptions(workers, &pictures(&validation)));
        let expected = nearest(&held, &gallery_features);
        let classes = data.classes.clone();
        Self { classes, real, features, scale, validation, gallery, gallery_features, expected, region: None }
    }

    /// Learns where real latents of a model lie; without it there are no outliers.
    #[must_use]
    pub fn with_latents(mut self, model: &Model, data: &Dataset, workers: &Workers) -> Self {
        let whole = real::whole_pictures(data, LATENT_PICTURES, 1);
        let grids = workers.map(whole.len(), |index| relative_latents(model, &whole[index].0, whole[index].1));
        self.region = Region::of(&grids);
        self
    }

    /// Describes textures of at least [`SIDE`] pixels; from larger ones a random cut-out is compared.
    pub fn set(&self, workers: &Workers, samples: Vec<(usize, Sample)>) -> Set {
        let mut set = Set {
            classes: Vec::new(),
            textures: Vec::new(),
            crops: Vec::new(),
            features: DMatrix::zeros(0, 0),
            latents: Vec::new(),
        };
        let mut rng = Rng::new(&[0xc407]);
        for (class, sample) in samples {
            let (width, height) = (sample.picture.width, sample.picture.height);
            set.classes.push(class);
            if width > SIDE || height > SIDE {
                set.crops.push(sample.picture.cut(rng.below(width), rng.below(height), SIDE));
            }
            set.textures.push(sample.picture);
            set.latents.push(sample.latents);
        }
        let crops: Vec<&Picture> = (0..set.classes.len()).map(|index| set.crop(index)).collect();
        let rows = descriptions(workers, &crops);
        set.features = self.scale.apply(&rows);
        set
    }

    /// Measures the textures of one class, or all.
    pub fn measure(&self, set: &Set, class: Option<usize>) -> Numbers {
        let rows: Vec<usize> =
            (0..set.classes.len()).filter(|row| class.is_none_or(|c| set.classes[*row] == c)).collect();
        let crops: Vec<&Picture> = rows.iter().map(|row| set.crop(*row)).collect();
        let mut numbers = self.compare(&crops, &set.features.select_rows(&rows), &rows, self.rows(class));
        let textures = || rows.iter().map(|row| &set.textures[*row]);
        numbers.seam = [0, 1].map(|axis| mean(textures().filter_map(|texture| seam_ratio(texture)[axis])));
        let latents: Vec<&LatentGrid> = rows.iter().map(|row| &set.latents[*row]).collect();
        numbers.outliers = self.region.as_ref().map_or(f64::NAN, |region| region.percent_outside(&latents));
        numbers
    }

    /// The same of the pictures that were kept out of training: what a perfect model would get.
    pub fn measure_validation(&self, workers: &Workers) -> Numbers {
        let features = self.scale.apply(&descriptions(workers, &pictures(&self.validation)));
        let owners: Vec<usize> = self.validation.iter().map(|crop| crop.texture).collect();
        self.compare(&pictures(&self.validation), &features, &owners, self.rows_like_validation())
    }

    /// Real cut-outs of one class, or all.
    fn rows(&self, class: Option<usize>) -> Vec<usize> {
        (0..self.real.len()).filter(|row| class.is_none_or(|class| self.real[*row].class == class)).collect()
    }

    /// As many real cut-outs as possible with the classes in the shares that they have among the validation pictures, or
    /// the difference of the shares would be measured.
    fn rows_like_validation(&self) -> Vec<usize> {
        let rows: Vec<Vec<usize>> = (0..self.classes.len()).map(|class| self.rows(Some(class))).collect();
        let kept = |class: usize| self.validation.iter().filter(|crop| crop.class == class).count() as f64;
        let counts: Vec<f64> = (0..self.classes.len()).map(kept).collect();
        let ratios = counts.iter().zip(&rows).filter(|(count, _)| **count > 0.0);
        let ratio = ratios.map(|(count, rows)| rows.len() as f64 / count).fold(f64::INFINITY, f64::min);
        let chosen = rows.iter().zip(&counts).filter(|(_, count)| **count > 0.0);
        chosen.flat_map(|(rows, count)| rows[..((ratio * count) as usize).min(rows.len())].to_vec()).collect()
    }

    /// Against some of the real cut-outs.
    fn compare(&self, crops: &[&Picture], features: &DMatrix<f64>, owners: &[usize], rows: Vec<usize>) -> Numbers {
        let real: Vec<&Picture> = rows.iter().map(|row| &self.real[*row].picture).collect();
        let real_owners: Vec<usize> = rows.iter().map(|row| self.real[*row].texture).collect();
        let real_features = self.features.select_rows(&rows);
        let distance = kid(&real_features, features);
        let near = coverage(&real_features, features);
        let energy = |set: &[&Picture]| -> [f64; 3] {
            let found: Vec<[f64; 3]> = set.iter().map(|picture| detail_energy(picture)).collect();
            [0, 1, 2].map(|level| mean(found.iter().map(|energy| energy[level])))
        };
        let (energy_real, energy_here) = (energy(&real), energy(crops));
        Numbers {
            count: crops.len(),
            kid: distance.value,
            kid_error: distance.error,
            precision: near.precision,
            recall: near.recall,
            told_apart: told_apart(&real_features, features, &real_owners, owners),
            wasserstein: sliced_wasserstein(&real, crops),
            sharpness: [0, 1, 2].map(|level| energy_here[level] / energy_real[level]),
            seam: [f64::NAN; 2],
            border: mean(crops.iter().filter_map(|crop| border_ratio(crop))),
            outliers: f64::NAN,
            near: share_of_near(&nearest(features, &self.gallery_features), &self.expected),
        }
    }

    /// The nearest training picture of every texture.
    pub fn nearest(&self, set: &Set) -> Vec<Pair> {
        nearest(&set.features, &self.gallery_features)
    }

    /// The training picture that [`Reference::nearest`] points at.
    pub fn place(&self, pair: &Pair) -> Place {
        self.gallery[pair.picture]
    }
}

impl Set {
    /// The cut-out of a texture that was compared.
    pub fn crop(&self, index: usize) -> &Picture {
        self.crops.get(index).unwrap_or(&self.textures[index])
    }

    /// Textures of a class.
    pub fn textures(&self, class: usize) -> Vec<Picture> {
        (0..self.classes.len())
            .filter(|row| self.classes[*row] == class)
            .map(|row| self.textures[row].clone())
            .collect()
    }

    /// Class and number within the class of a texture.
    pub fn place(&self, index: usize) -> (usize, usize) {
        let class = self.classes[index];
        (class, self.classes[..index].iter().filter(|other| **other == class).count())
    }
}

/// Mean of numbers; NaN for none.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}
