//! Maps of a material that are derived from a generated texture.

use super::generator::TextureGenerator;
use super::link::{Command, MapJob, Outbox};
use super::store::{Entry, TextureStore};
use super::target::map_image;
use crate::sampling::{MapKind, MapRules};
use bevy::prelude::*;

/// Maps that are derived from one texture, not made by the model: light is taken for high. Each is valid at once,
/// neutral at first, and follows the texture: derived from its coarse picture, and again from the full one.
#[derive(Clone, Debug, PartialEq, Reflect)]
pub struct DerivedMaps {
    /// Directions in tangent space, y up.
    pub normal: Handle<Image>,
    /// Occlusion in red, perceptual roughness in green, metallic in blue, as glTF packs them.
    pub occlusion_roughness_metallic: Handle<Image>,
    /// Height; 1 is the top.
    pub height: Handle<Image>,
}

/// A map of a texture of the store.
#[derive(Debug)]
pub(super) struct MapEntry {
    pub base: AssetId<Image>,
    pub kind: MapKind,
    pub rules: MapRules,
}

impl TextureGenerator<'_> {
    /// A map that is derived from a generated texture on the GPU, by some loads per pixel and once per picture.
    /// Equal questions give the same image. Of an image that does not come from the generator it stays neutral.
    pub fn derive_map(&mut self, base: &Handle<Image>, kind: MapKind, rules: &MapRules) -> Handle<Image> {
        self.store.derive_map(base.id(), kind, rules.clamped(), &mut self.images, &mut self.outbox)
    }

    /// All maps of a generated texture.
    pub fn derive_maps(&mut self, base: &Handle<Image>, rules: &MapRules) -> DerivedMaps {
        DerivedMaps {
            normal: self.derive_map(base, MapKind::Normal, rules),
            occlusion_roughness_metallic: self.derive_map(base, MapKind::OcclusionRoughnessMetallic, rules),
            height: self.derive_map(base, MapKind::Height, rules),
        }
    }
}

impl TextureStore {
    fn derive_map(
        &mut self,
        base: AssetId<Image>,
        kind: MapKind,
        rules: MapRules,
        images: &mut Assets<Image>,
        outbox: &mut Outbox,
    ) -> Handle<Image> {
        let equal = |map: &MapEntry| map.base == base && map.kind == kind && map.rules == rules;
        let known = self.maps.iter().find(|(_, map)| equal(map)).map(|(image, _)| *image);
        if let Some(handle) = known.and_then(|image| images.get_strong_handle(image)) {
            return handle;
        }
        let entry = self.entries.get(&base);
        let size = entry.map_or((0, 0), |entry| entry.recipe.size);
        let handle = images.add(map_image(size, kind));
        outbox.0.push(Command::Clear(handle.id(), Some(rules.neutral(kind))));
        let map = MapEntry { base, kind, rules };
        if let Some(entry) = entry.filter(|entry| entry.coarse) {
            outbox.0.push(job(handle.id(), &map, entry));
        }
        self.maps.insert(handle.id(), map);
        handle
    }

    /// Derives the maps of a texture whose picture has changed.
    pub(super) fn derive_maps_of(&self, base: AssetId<Image>, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get(&base) else { return };
        let maps = self.maps.iter().filter(|(_, map)| map.base == base);
        outbox.0.extend(maps.map(|(target, map)| job(*target, map, entry)));
    }

    /// True for an image that is a derived map.
    pub fn is_map(&self, image: impl Into<AssetId<Image>>) -> bool {
        self.maps.contains_key(&image.into())
    }

    /// Gives the maps of a texture another size.
    pub(super) fn resize_maps(&self, base: AssetId<Image>, images: &mut Assets<Image>, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get(&base) else { return };
        for (image, map) in self.maps.iter().filter(|(_, map)| map.base == base) {
            // Fails for a map that was dropped in this frame.
            if images.insert(*image, map_image(entry.recipe.size, map.kind)).is_ok() {
                outbox.0.push(Command::Clear(*image, Some(map.rules.neutral(map.kind))));
            }
        }
    }

    /// Forgets a map that no longer exists.
    pub(super) fn forget_map(&mut self, image: AssetId<Image>, outbox: &mut Outbox) {
        if self.maps.remove(&image).is_some() {
            outbox.0.push(Command::Cancel(image));
        }
    }

    /// Shows the neutral values in all maps: their content was lost with the device.
    pub(super) fn clear_maps(&self, outbox: &mut Outbox) {
        let clear =
            |(image, map): (&AssetId<Image>, &MapEntry)| Command::Clear(*image, Some(map.rules.neutral(map.kind)));
        outbox.0.extend(self.maps.iter().map(clear));
    }
}

fn job(target: AssetId<Image>, map: &MapEntry, base: &Entry) -> Command {
    let wrap = base.recipe.tiling.wrap();
    Command::Derive(MapJob { base: map.base, target, kind: map.kind, rules: map.rules, wrap })
}
