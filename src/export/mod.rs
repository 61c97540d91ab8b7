//! Textures and their derived maps as files: PNG, or KTX2 with BC7 blocks and mip levels. Feature `export`.
//!
//! Channels are packed as glTF has them: base colour in sRGB; directions with y up; occlusion, roughness and metallic
//! in red, green and blue; height in all three. The maps are derived from the colours, not made by the model.

mod ktx2;

pub use crate::reference::maps::Picture;

use crate::files::write_atomically;
use crate::reference::maps::{Level, derive, levels};
use crate::sampling::{MapKind, MapRules};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// The texture itself.
    Colour,
    /// Directions, y up (OpenGL).
    Normal,
    /// Occlusion, roughness and metallic in red, green and blue, as glTF packs them.
    OcclusionRoughnessMetallic,
    /// Height, 1 is the top.
    Height,
}

impl FileKind {
    /// The texture, then its maps.
    pub const ALL: [Self; 4] = [Self::Colour, Self::Normal, Self::OcclusionRoughnessMetallic, Self::Height];

    /// End of the file's name before the extension.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Colour => "",
            Self::Normal => "_normal",
            Self::OcclusionRoughnessMetallic => "_orm",
            Self::Height => "_height",
        }
    }

    /// The map; none for the texture itself.
    pub fn map(self) -> Option<MapKind> {
        match self {
            Self::Colour => None,
            Self::Normal => Some(MapKind::Normal),
            Self::OcclusionRoughnessMetallic => Some(MapKind::OcclusionRoughnessMetallic),
            Self::Height => Some(MapKind::Height),
        }
    }
}

/// How files are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum FileFormat {
    /// Lossless RGB, without mip levels.
    #[default]
    Png,
    /// BC7 blocks with all mip levels, as GPUs read them: a quarter of the memory of RGBA. Bevy loads it with the
    /// feature `ktx2`. A second of a processor for 256x256 with maps, about.
    Ktx2,
}

impl FileFormat {
    /// Extension of the files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Ktx2 => "ktx2",
        }
    }
}

/// Name of a file of a texture: `NAME.png`, `NAME_normal.ktx2` and so on.
pub fn file_name(name: &str, kind: FileKind, format: FileFormat) -> String {
    format!("{name}{}.{}", kind.suffix(), format.extension())
}

/// One file of a texture: the picture, or a map that is derived from it by `rules`.
///
/// # Errors
/// A picture whose bytes do not fit its size.
pub fn encode(
    picture: Picture<'_>,
    rules: &MapRules,
    kind: FileKind,
    format: FileFormat,
) -> Result<Vec<u8>, ExportError> {
    let (width, height) = picture.size;
    let (found, expected) = (picture.pixels.len(), 3 * width * height);
    if found != expected || expected == 0 {
        return Err(ExportError::Size { found, width, height, expected });
    }
    let pixels = match kind.map() {
        None => picture.pixels.to_vec(),
        Some(map) => derive(picture, map, rules),
    };
    match format {
        FileFormat::Png => png(&pixels, picture.size),
        FileFormat::Ktx2 => ktx2::encode(&levels(pixels, picture.size, kind.map()), kind == FileKind::Colour),
    }
}

/// Writes a texture and its maps into a folder, which is made if it is missing; the files.
///
/// # Errors
/// The file that could not be written, and what the system said. Files before it are written.
pub fn write_set(
    folder: &Path,
    name: &str,
    picture: Picture<'_>,
    rules: &MapRules,
    format: FileFormat,
) -> Result<Vec<PathBuf>, ExportError> {
    let write = |kind: FileKind| {
        let path = folder.join(file_name(name, kind, format));
        let bytes = encode(picture, rules, kind, format)?;
        match write_atomically(&path, &bytes) {
            Ok(()) => Ok(path),
            Err(source) => Err(ExportError::Write { path, source }),
        }
    };
    FileKind::ALL.into_iter().map(write).collect()
}

/// A texture that cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The picture is not whole.
    #[error("the picture has {found} bytes, expected {expected} for RGB of {width}x{height} pixels")]
    Size {
        /// Its bytes.
        found: usize,
        /// Its width.
        width: usize,
        /// Its height.
        height: usize,
        /// Bytes of such a picture.
        expected: usize,
    },
    /// An encoder refused the picture.
    #[error("the picture cannot be encoded as {format}: {message}")]
    Encode {
        /// The format.
        format: &'static str,
        /// What the encoder said.
        message: String,
    },
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn png(pixels: &[u8], (width, height): (usize, usize)) -> Result<Vec<u8>, ExportError> {
    let mut bytes = Vec::new();
    image::write_buffer_with_format(
        &mut std::io::Cursor::new(&mut bytes),
        pixels,
        width as u32,
        height as u32,
        image::ExtendedColorType::Rgb8,
        image::ImageFormat::Png,
    )
    .map_err(|error| ExportError::Encode { format: "PNG", message: error.to_string() })?;
    Ok(bytes)
}
