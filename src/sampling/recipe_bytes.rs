//! The binary form of a recipe, `NAME.discon`: small enough for one network packet, tokens included.
//!
//! All numbers are little-endian. Optional parts are there when their bit of `flags` is set.
//!
//! | field | bytes | |
//! |---|---|---|
//! | `magic` | 4 | `DSCN` |
//! | `version` | 1 | [`VERSION`] |
//! | `flags` | 1 | bit 0 detail seed, 1 style, 2 tokens, 3 style seed, 4 style row, 5 blends, 6 edits, 7 layout |
//! | `length` | 2 | of the whole, checksum included |
//! | `class` | 1 + n | length, then UTF-8 |
//! | `seed` | 8 | |
//! | `detail_seed` | 8 | optional |
//! | `size` | 2 x 2 | width, height |
//! | `tiling` | 1 | bit 0 along x, bit 1 along y |
//! | `style` | 4 | optional |
//! | `layout` | 4 | optional |
//! | `settings` | 1 | bits of the values that follow; those that do not are the usual ones of this version |
//! | `layout_share`, `guidance`, `token_guidance`, `token_temperature`, `latent_temperature` | 4 each | bits 0 to 4, f32 |
//! | `token_rounds`, `latent_rounds`, `flow_steps` | 3 x 1 | bit 5 |
//! | `tokens` | 1 + n | optional: bits of a token, then the tokens, first bit lowest; their number follows from `size` |
//! | `style_seed` | 8 | optional |
//! | `style_row` | 2 + 4 n | optional: number of values, then f32 |
//! | `blends` | 1 + .. | optional: their number, then class (as above) and one byte for each token |
//! | `edits` | 1 + .. | optional: their number, then class (empty: none), seed (8) and one bit for each token, first bit lowest |
//! | `checksum` | 8 | first bytes of the BLAKE3 hash of all before |
//!
//! A texture of 256x256 has 256 tokens: 448 bytes for the 2^14 tokens of the bundled model. With usual settings and without
//! style rows, blends and edits it has at most 512 bytes if its class has at most 16, detail seed, style and layout included.

use super::recipe::{Recipe, RecipeError, Tiling};
use super::recipe_bytes_parts as parts;

/// Version of the format; readers refuse others.
pub const VERSION: u8 = 4;
/// Most bytes of a class name.
pub const MAX_CLASS_BYTES: usize = 64;
/// Most bytes of a whole recipe: one of 1024x1024 with tokens of 16 bits needs 8.3 kB; with as many blends, edits and
/// numbers of a style as there may be, 39 kB.
pub const MAX_BYTES: usize = 40_960;

pub(crate) const MAGIC: &[u8; 4] = b"DSCN";
const CHECKSUM_BYTES: usize = 8;
const HAS_DETAIL_SEED: u8 = 1;
const HAS_STYLE: u8 = 2;
const HAS_TOKENS: u8 = 4;
const HAS_LAYOUT: u8 = 128;

impl Recipe {
    /// The binary form, canonical: equal recipes have equal bytes.
    ///
    /// # Errors
    /// A field that is out of the range of every model, or a class name of more than [`MAX_CLASS_BYTES`] bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecipeError> {
        self.check_ranges()?;
        let flag = |has: bool, bit: u8| if has { bit } else { 0 };
        let flags = flag(self.detail_seed.is_some(), HAS_DETAIL_SEED)
            | flag(self.style.is_some(), HAS_STYLE)
            | flag(self.tokens.is_some(), HAS_TOKENS)
            | flag(self.layout.is_some(), HAS_LAYOUT)
            | parts::flags(self);
        let mut bytes = MAGIC.to_vec();
        // The length is known at the end.
        bytes.extend([VERSION, flags, 0, 0, self.class.len() as u8]);
        bytes.extend(self.class.as_bytes());
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.detail_seed.iter().flat_map(|seed| seed.to_le_bytes()));
        for side in [self.size.0, self.size.1] {
            bytes.extend((side as u16).to_le_bytes());
        }
        let wrap = self.tiling.wrap();
        bytes.push(flag(wrap.x, 1) | flag(wrap.y, 2));
        bytes.extend(self.style.iter().flat_map(|style| style.to_le_bytes()));
        bytes.extend(self.layout.iter().flat_map(|layout| layout.to_le_bytes()));
        parts::write_settings(self, &mut bytes);
        if let Some(tokens) = &self.tokens {
            pack(tokens, &mut bytes);
        }
        parts::write(self, &mut bytes);
        let length = (bytes.len() + CHECKSUM_BYTES) as u16;
        bytes[6..8].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        Ok(bytes)
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// The field that is damaged, missing or out of range, and its place in the bytes. Never panics, and allocates
    /// no more than the recipe needs, whatever the bytes are. Classes and tokens are checked against a model by
    /// [`Recipe::validate`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecipeError> {
        let mut reader = Reader { bytes, at: 0, fields: Vec::new() };
        let flags = reader.header()?;
        let class = reader.name("class (length)", "class")?;
        let seed = u64::from_le_bytes(reader.take("seed")?);
        let detail_seed =
            if flags & HAS_DETAIL_SEED > 0 { Some(u64::from_le_bytes(reader.take("detail_seed")?)) } else { None };
        let width = u16::from_le_bytes(reader.take("size.0 (width)")?);
        let height = u16::from_le_bytes(reader.take("size.1 (height)")?);
        let [tiling] = reader.take("tiling")?;
        let tiling = match tiling {
            0 => Tiling::None,
            1 => Tiling::X,
            2 => Tiling::Y,
            3 => Tiling::Both,
            other => return Err(reader.error("tiling", other, "0 to 3")),
        };
        let style = if flags & HAS_STYLE > 0 { Some(u32::from_le_bytes(reader.take("style")?)) } else { None };
        let layout = if flags & HAS_LAYOUT > 0 { Some(u32::from_le_bytes(reader.take("layout")?)) } else { None };
        let (values, rounds) = parts::read_settings(&mut reader)?;
        let [layout_share, guidance, token_guidance, token_temperature, latent_temperature] = values;
        let [token_rounds, latent_rounds, flow_steps] = rounds;
        let mut recipe = Self {
            seed,
            detail_seed,
            size: (width.into(), height.into()),
            tiling,
            style,
            layout,
            layout_share,
            guidance,
            token_guidance,
            token_temperature,
            latent_temperature,
            token_rounds: token_rounds.into(),
            latent_rounds: latent_rounds.into(),
            flow_steps: flow_steps.into(),
            ..Self::new(class)
        };
        // Before the tokens: their number follows from a size that must be sound.
        recipe.check_ranges().map_err(|error| reader.located(error))?;
        if flags & HAS_TOKENS > 0 {
            let (columns, rows) = recipe.token_grid();
            recipe.tokens = Some(reader.tokens(columns * rows)?);
        }
        parts::read(&mut recipe, flags, &mut reader)?;
        recipe.check_ranges().map_err(|error| reader.located(error))?;
        let left = reader.bytes.len() - reader.at;
        if left > 0 {
            return Err(reader.error("end", format!("{left} bytes that no field takes"), "the checksum"));
        }
        Ok(recipe)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut short = [0; CHECKSUM_BYTES];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    short
}

/// Bits that hold every token, at least one.
fn bits_of(tokens: &[u16]) -> u32 {
    let largest = tokens.iter().copied().max().unwrap_or(0);
    (u16::BITS - largest.leading_zeros()).max(1)
}

fn pack(tokens: &[u16], bytes: &mut Vec<u8>) {
    let bits = bits_of(tokens);
    bytes.push(bits as u8);
    let (mut held, mut count) = (0u32, 0);
    for token in tokens {
        held |= u32::from(*token) << count;
        count += bits;
        while count >= 8 {
            bytes.push(held as u8);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        bytes.push(held as u8);
    }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where each field starts, for errors that are found later.
    fields: Vec<(&'static str, usize)>,
}

impl<'a> Reader<'a> {
    /// Checks the frame before anything else is believed; the flags.
    fn header(&mut self) -> Result<u8, RecipeError> {
        if self.bytes.len() > MAX_BYTES {
            return Err(self.error("length", self.bytes.len(), format!("at most {MAX_BYTES} bytes")));
        }
        let magic: [u8; 4] = self.take("magic")?;
        if magic != *MAGIC {
            return Err(self.error("magic", magic.escape_ascii(), "DSCN, the mark of a binary recipe"));
        }
        let [version] = self.take("version")?;
        if version != VERSION {
            return Err(self.error("version", version, format!("{VERSION}")));
        }
        let [flags] = self.take("flags")?;
        let length = usize::from(u16::from_le_bytes(self.take("length")?));
        let fits = length == self.bytes.len() && length >= self.at + CHECKSUM_BYTES;
        if !fits {
            return Err(self.error("length", self.bytes.len(), format!("{length} bytes, as the header says")));
        }
        let (body, found) = self.bytes.split_at(length - CHECKSUM_BYTES);
        if checksum(body) != found {
            self.fields.push(("checksum", body.len()));
            return Err(self.error("checksum", "another", "that of the bytes before it: the recipe is damaged"));
        }
        // No field may reach into the checksum.
        self.bytes = body;
        Ok(flags)
    }

    pub(super) fn name(&mut self, length: &'static str, field: &'static str) -> Result<String, RecipeError> {
        let [length] = self.take(length)?;
        let bytes = self.slice(field, length.into())?;
        let name = std::str::from_utf8(bytes).map(ToString::to_string);
        name.map_err(|_| self.error(field, "no text", "a name in UTF-8"))
    }

    fn tokens(&mut self, count: usize) -> Result<Vec<u16>, RecipeError> {
        let [bits] = self.take("tokens (bits)")?;
        if !(1..=16).contains(&bits) {
            return Err(self.error("tokens (bits)", bits, "1 to 16"));
        }
        let bits = u32::from(bits);
        let packed = self.slice("tokens", (count * bits as usize).div_ceil(8))?;
        let mut packed = packed.iter();
        let (mut held, mut held_bits) = (0u32, 0);
        let mut tokens = Vec::with_capacity(count);
        for _ in 0..count {
            while held_bits < bits {
                held |= u32::from(packed.next().copied().unwrap_or(0)) << held_bits;
                held_bits += 8;
            }
            tokens.push((held & ((1 << bits) - 1)) as u16);
            held >>= bits;
            held_bits -= bits;
        }
        // One recipe has one form, so that hashes of bytes mean something.
        if held != 0 || bits_of(&tokens) != bits {
            return Err(self.error(
                "tokens (bits)",
                bits,
                "the fewest bits that hold all tokens, and zeros after them",
            ));
        }
        Ok(tokens)
    }

    pub(super) fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecipeError> {
        let slice = self.slice(field, N)?;
        let mut out = [0; N];
        out.copy_from_slice(slice);
        Ok(out)
    }

    pub(super) fn slice(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], RecipeError> {
        self.fields.push((field, self.at));
        let left = self.bytes.len().saturating_sub(self.at);
        if left < count {
            return Err(self.error(field, format!("cut off after {left} bytes"), format!("{count} bytes")));
        }
        self.at += count;
        Ok(&self.bytes[self.at - count..self.at])
    }

    pub(super) fn error(&self, field: &'static str, found: impl ToString, expected: impl ToString) -> RecipeError {
        let place = self.fields.iter().rev().find(|(name, _)| *name == field);
        let offset = place.map_or(self.at, |(_, offset)| *offset);
        RecipeError::Bytes { offset, field, found: found.to_string(), expected: expected.to_string() }
    }

    /// An error of the ranges, with the place of its field.
    fn located(&self, error: RecipeError) -> RecipeError {
        match error {
            RecipeError::OutOfRange { field, found, expected } => self.error(field, found, expected),
            other => other,
        }
    }
}

#[cfg(test)]
#[path = "recipe_bytes_tests.rs"]
mod tests;
