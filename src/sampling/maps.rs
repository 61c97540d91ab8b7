//! Rules by which the maps of a material are derived from a picture. A guess, not knowledge of the surface: light is
//! taken for high, so paint and shadows become relief too.

#[cfg(feature = "render")]
use bevy::reflect::{ReflectDeserialize, ReflectSerialize, std_traits::ReflectDefault};
use serde::{Deserialize, Serialize};

/// A map that is derived from a colour picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect))]
pub enum MapKind {
    /// Directions of the surface in tangent space, y up (OpenGL): `0.5 + 0.5 * n` in red, green and blue.
    Normal,
    /// Occlusion in red, perceptual roughness in green, metallic in blue, as glTF packs them.
    OcclusionRoughnessMetallic,
    /// Height in red, green and blue: 1 is the top.
    Height,
}

/// How maps are derived from a picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "render", derive(bevy::reflect::Reflect), reflect(Default, Serialize, Deserialize))]
#[serde(default, deny_unknown_fields)]
pub struct MapRules {
    /// Difference of height between black and white, as a part of the picture's width. Negative values make dark parts
    /// high. Range -0.25..=0.25, default 0.02.
    pub relief: f32,
    /// How dark hollows are. Range 0.0..=1.0, default 0.6.
    pub occlusion: f32,
    /// Perceptual roughness of the surface. Range 0.0..=1.0, default 0.8.
    pub roughness: f32,
    /// How much smoother parts are that stand out, as if worn. Range 0.0..=1.0, default 0.3.
    pub wear: f32,
    /// Metallic, the same everywhere. Range 0.0..=1.0, default 0.0.
    pub metallic: f32,
}

impl Default for MapRules {
    fn default() -> Self {
        Self { relief: 0.02, occlusion: 0.6, roughness: 0.8, wear: 0.3, metallic: 0.0 }
    }
}

impl MapRules {
    /// The rules within their ranges; what is no number has its default.
    #[must_use]
    pub fn clamped(&self) -> Self {
        let default = Self::default();
        let within = |value: f32, low: f32, high: f32, default: f32| {
            if value.is_finite() { value.clamp(low, high) } else { default }
        };
        Self {
            relief: within(self.relief, -0.25, 0.25, default.relief),
            occlusion: within(self.occlusion, 0.0, 1.0, default.occlusion),
            roughness: within(self.roughness, 0.0, 1.0, default.roughness),
            wear: within(self.wear, 0.0, 1.0, default.wear),
            metallic: within(self.metallic, 0.0, 1.0, default.metallic),
        }
    }

    /// What a map shows of a surface that is flat and even: red, green, blue and alpha.
    pub fn neutral(&self, kind: MapKind) -> [u8; 4] {
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        match kind {
            MapKind::Normal => [128, 128, 255, 255],
            MapKind::OcclusionRoughnessMetallic => [255, byte(self.roughness), byte(self.metallic), 255],
            MapKind::Height => [128, 128, 128, 255],
        }
    }

    /// Radius of the surroundings that decide occlusion and wear, in pixels.
    pub fn radius(width: u32) -> u32 {
        (width / 64).max(1)
    }
}
