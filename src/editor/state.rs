//! What the editor knows: plain data, without a window or a GPU.

use super::history::History;
use crate::export::FileFormat;
use crate::model::Model;
use crate::request::TextureState;
use crate::sampling::{Recipe, RecipeError};
use bevy::prelude::*;
use bevy_egui::egui;
use std::path::PathBuf;
use std::sync::Arc;

/// Thumbnails of the gallery.
pub const GALLERY_SEEDS: u64 = 8;

/// What the panel asks the app to do.
#[derive(Clone, Debug, PartialEq)]
pub enum EditorAction {
    /// Generate the picture of this recipe.
    Generate(Recipe),
    /// Generate coarse thumbnails of these recipes, which replace the gallery.
    FillGallery(Vec<Recipe>),
    /// Generate the thumbnail of this number to the end; it becomes the picture.
    Refine(usize),
    /// Read the tokens of the picture into the recipe.
    ReadTokens,
    /// Cancel all unfinished textures of the editor.
    Cancel,
    /// Save the recipe under this name in the folder of presets.
    SavePreset(String),
    /// Load the preset of this name.
    LoadPreset(String),
    /// Export the picture and its derived maps under this name.
    Export(String, FileFormat),
}

/// A texture as the panel shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownTexture {
    /// The image, once egui knows it.
    pub image: Option<egui::TextureId>,
    /// How far it is; none if nobody has asked for it.
    pub state: Option<TextureState>,
}

/// A texture of the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail {
    /// What it shows.
    pub recipe: Recipe,
    /// The texture.
    pub texture: ShownTexture,
}

/// How the picture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditorView {
    /// Flat, this often along both axes: seams would show.
    Tiles(u32),
    /// On a body under a lamp. Needs the feature `material`.
    Lit(Body),
}

/// A body to dress in the texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// A ball.
    Sphere,
    /// A cube.
    Cube,
    /// A plane, seen at an angle.
    Plane,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// It worked.
    Done(String),
    /// It failed for this reason.
    Failed(String),
}

/// The whole state of the editor. A resource: apps may read and change it.
#[derive(Resource, Clone, Debug)]
pub struct EditorState {
    /// The recipe that is edited.
    pub recipe: Recipe,
    /// Its earlier forms.
    pub history: History,
    /// The model, for classes and ranges.
    pub model: Option<Arc<Model>>,
    /// Why there is no model.
    pub model_failure: Option<String>,
    /// Whether every change is generated at once. Default true.
    pub live: bool,
    /// The recipe that was asked for last.
    pub asked: Option<Recipe>,
    /// The picture.
    pub picture: ShownTexture,
    /// The view of it.
    pub view: EditorView,
    /// The picture on a body; none in a build without the feature `material`.
    pub lit: Option<egui::TextureId>,
    /// Whether the app can show bodies; the plugin sets it with the feature `material`.
    pub can_light: bool,
    /// Coarse textures of several seeds.
    pub gallery: Vec<Thumbnail>,
    /// First seed of the next gallery.
    pub gallery_seed: u64,
    /// Token that the painter sets.
    pub brush: u16,
    /// Folder of the presets.
    pub preset_folder: PathBuf,
    /// Names of the presets in it.
    pub presets: Vec<String>,
    /// Name to save under.
    pub preset_name: String,
    /// Folder of exported textures.
    pub export_folder: PathBuf,
    /// How they are encoded.
    pub export_format: FileFormat,
    /// Exports that are not finished.
    pub exporting: usize,
    /// What happened last.
    pub notice: Option<Notice>,
    /// What the app has to do next, in order.
    pub actions: Vec<EditorAction>,
}

impl EditorState {
    /// An editor of `recipe` with presets in `preset_folder`.
    pub fn new(recipe: Recipe, preset_folder: impl Into<PathBuf>) -> Self {
        Self {
            preset_name: recipe.class.clone(),
            recipe,
            history: History::default(),
            model: None,
            model_failure: None,
            live: true,
            asked: None,
            picture: ShownTexture::default(),
            view: EditorView::Tiles(1),
            lit: None,
            can_light: false,
            gallery: Vec::new(),
            gallery_seed: 0,
            brush: 0,
            preset_folder: preset_folder.into(),
            presets: Vec::new(),
            export_folder: PathBuf::new(),
            export_format: FileFormat::default(),
            exporting: 0,
            notice: None,
            actions: Vec::new(),
        }
    }

    /// Classes of the model.
    pub fn classes(&self) -> &[String] {
        self.model.as_ref().map_or(&[], |model| &model.discon.config.classes)
    }

    /// Number of tokens of the model; 0 without one.
    pub fn tokens(&self) -> u16 {
        let tokens = |model: &Arc<Model>| u16::try_from(model.discon.config.mask_token()).unwrap_or(u16::MAX);
        self.model.as_ref().map_or(0, tokens)
    }

    /// Why the recipe cannot be generated.
    pub fn problem(&self) -> Option<RecipeError> {
        match &self.model {
            Some(model) => self.recipe.validate(model).err(),
            None => self.recipe.check_ranges().err(),
        }
    }

    /// Notes an action; one that is the last already is not repeated, since egui may run the panel twice in a frame.
    pub fn ask(&mut self, action: EditorAction) {
        if self.actions.last() != Some(&action) {
            self.actions.push(action);
        }
    }

    /// Asks for the picture of the recipe, if the model can follow it.
    pub fn generate(&mut self) {
        if self.problem().is_none() {
            self.asked = Some(self.recipe.clone());
            self.ask(EditorAction::Generate(self.recipe.clone()));
        }
    }

    /// Asks for thumbnails of the recipe with other seeds, counting on from the last ones.
    pub fn fill_gallery(&mut self) {
        let first = self.gallery_seed;
        self.gallery_seed = first.wrapping_add(GALLERY_SEEDS);
        // Tokens and detail belong to one seed.
        let look = Recipe { tokens: None, detail_seed: None, ..self.recipe.clone() };
        let recipes = (0..GALLERY_SEEDS).map(|number| look.clone().with_seed(first.wrapping_add(number))).collect();
        self.ask(EditorAction::FillGallery(recipes));
    }

    /// Takes the recipe of a thumbnail and asks for its full picture. The panel records the change.
    pub(super) fn pick(&mut self, number: usize) {
        let Some(thumbnail) = self.gallery.get(number) else { return };
        let recipe = thumbnail.recipe.clone();
        self.asked = Some(recipe.clone());
        self.recipe = recipe;
        self.ask(EditorAction::Refine(number));
    }

    /// Changes the recipe as a whole; can be undone.
    pub fn replace(&mut self, recipe: Recipe) {
        if recipe != self.recipe {
            let before = std::mem::replace(&mut self.recipe, recipe);
            self.history.end_group();
            self.history.record(before, None);
        }
    }

    /// New detail for the same structure.
    pub fn vary(&mut self) {
        let last = self.recipe.detail_seed.unwrap_or(self.recipe.seed);
        self.replace(self.recipe.variation(last.wrapping_add(1)));
    }

    /// New structure with the same look.
    pub fn relayout(&mut self) {
        self.replace(self.recipe.relayout(self.recipe.seed.wrapping_add(1)));
    }

    /// Goes back one change.
    pub fn undo(&mut self) {
        if let Some(recipe) = self.history.undo(&self.recipe) {
            self.recipe = recipe;
        }
    }

    /// Goes forward again.
    pub fn redo(&mut self) {
        if let Some(recipe) = self.history.redo(&self.recipe) {
            self.recipe = recipe;
        }
    }
}
