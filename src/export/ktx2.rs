//! The container KTX2 2.0 around BC7 blocks. The encoder of the blocks and the parts of the container are libraries';
//! here stands the order of the parts.

use super::{ExportError, Level};
use block_compression::encode::compress_rgba8;
use block_compression::{BC7Settings, CompressionVariant};
use ktx2::{Format, Header, Index, LevelIndex, dfd};

/// Pixels along one side of a block.
const BLOCK: usize = 4;
/// Bytes of a block; levels begin at multiples of it.
const BLOCK_BYTES: usize = 16;

/// A KTX2 file of all levels, the largest first.
pub fn encode(levels: &[Level], srgb: bool) -> Result<Vec<u8>, ExportError> {
    let refused = |message: String| ExportError::Encode { format: "KTX2", message };
    let format = if srgb { Format::BC7_SRGB_BLOCK } else { Format::BC7_UNORM_BLOCK };
    let (descriptor, type_size) = dfd::Basic::from_format(format).map_err(|error| refused(error.to_string()))?;
    let descriptor = dfd::Block::Basic(descriptor).to_vec();
    let writer = writer();
    let dfd_start = Header::LENGTH + levels.len() * LevelIndex::LENGTH;
    let dfd_bytes = 4 + descriptor.len();
    let (width, height) = levels.first().map_or((0, 0), |level| level.size);
    let header = Header {
        format: Some(format),
        type_size,
        pixel_width: width as u32,
        pixel_height: height as u32,
        pixel_depth: 0,
        layer_count: 0,
        face_count: 1,
        level_count: levels.len() as u32,
        supercompression_scheme: None,
        index: Index {
            dfd_byte_offset: dfd_start as u32,
            dfd_byte_length: dfd_bytes as u32,
            kvd_byte_offset: (dfd_start + dfd_bytes) as u32,
            kvd_byte_length: writer.len() as u32,
            sgd_byte_offset: 0,
            sgd_byte_length: 0,
        },
    };
    // The smallest level stands first in the file, and last in the index.
    let mut data = Vec::new();
    let data_start = (dfd_start + dfd_bytes + writer.len()).next_multiple_of(BLOCK_BYTES);
    let mut index = vec![[0; LevelIndex::LENGTH]; levels.len()];
    for (level, entry) in levels.iter().zip(&mut index).rev() {
        let blocks = compress(level);
        let (byte_offset, byte_length) = ((data_start + data.len()) as u64, blocks.len() as u64);
        *entry = LevelIndex { byte_offset, byte_length, uncompressed_byte_length: byte_length }.as_bytes();
        data.extend(blocks);
    }
    let mut file = header.as_bytes().to_vec();
    file.extend(index.concat());
    file.extend((dfd_bytes as u32).to_le_bytes());
    file.extend(descriptor);
    file.extend(writer);
    file.resize(data_start, 0);
    file.extend(data);
    Ok(file)
}

/// BC7 blocks of one level; a level smaller than a block continues with its last pixels.
fn compress(level: &Level) -> Vec<u8> {
    let (width, height) = level.size;
    let (full_width, full_height) = (width.next_multiple_of(BLOCK), height.next_multiple_of(BLOCK));
    let mut rgba = Vec::with_capacity(4 * full_width * full_height);
    for (y, x) in (0..full_height).flat_map(|y| (0..full_width).map(move |x| (y, x))) {
        let start = 3 * (y.min(height - 1) * width + x.min(width - 1));
        rgba.extend(&level.pixels[start..start + 3]);
        rgba.push(255);
    }
    let variant = CompressionVariant::BC7(BC7Settings::opaque_basic());
    let (width, height) = (full_width as u32, full_height as u32);
    let mut blocks = vec![0; variant.blocks_byte_size(width, height)];
    compress_rgba8(variant, &rgba, &mut blocks, width, height, 4 * width);
    blocks
}

/// The entry that names the program that wrote the file, with its length and padding.
fn writer() -> Vec<u8> {
    let entry = concat!("KTXwriter\0bevy_discon ", env!("CARGO_PKG_VERSION"), "\0");
    let mut bytes = (entry.len() as u32).to_le_bytes().to_vec();
    bytes.extend(entry.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
