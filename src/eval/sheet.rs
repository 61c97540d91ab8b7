//! Contact sheets: images in rows with a label before each row.

use super::metrics::Picture;
use font8x8::UnicodeFonts;
use image::{Rgb, RgbImage};

/// Pixels between cells.
const GAP: u32 = 4;
/// Pixels of the label column.
const LABEL: u32 = 112;

/// Colour of labels.
const TEXT: Rgb<u8> = Rgb([230, 230, 225]);

/// One row per label, which may have several lines; cells are `cell` pixels wide and high, larger images are cut at the right and bottom.
pub fn contact_sheet(rows: &[(String, Vec<Picture>)], cell: u32) -> RgbImage {
    let columns = rows.iter().map(|(_, images)| images.len()).max().unwrap_or(0) as u32;
    let width = LABEL + columns * (cell + GAP) + GAP;
    let height = rows.len() as u32 * (cell + GAP) + GAP;
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([24, 24, 26]));
    for (row, (label, images)) in rows.iter().enumerate() {
        let top = GAP + row as u32 * (cell + GAP);
        for (line, text) in label.lines().enumerate() {
            write(&mut sheet, text, GAP, top + cell / 2 - 4 + 12 * line as u32, TEXT);
        }
        for (column, picture) in images.iter().enumerate() {
            paste(&mut sheet, picture, LABEL + column as u32 * (cell + GAP), top, cell);
        }
    }
    sheet
}

fn paste(sheet: &mut RgbImage, picture: &Picture, left: u32, top: u32, cell: u32) {
    for y in 0..cell.min(picture.height as u32) {
        for x in 0..cell.min(picture.width as u32) {
            sheet.put_pixel(left + x, top + y, picture.pixel(x as usize, y as usize));
        }
    }
}

/// Writes 8x8 letters with their upper left corner at `(left, top)`; what does not fit is cut.
pub fn write(sheet: &mut RgbImage, text: &str, left: u32, top: u32, colour: Rgb<u8>) {
    for (index, letter) in text.chars().enumerate() {
        let Some(glyph) = font8x8::BASIC_FONTS.get(letter) else { continue };
        for (y, bits) in glyph.iter().enumerate() {
            for x in (0..8).filter(|x| bits & (1 << x) != 0) {
                let (x, y) = (left + 8 * index as u32 + x, top + y as u32);
                if x < sheet.width() && y < sheet.height() {
                    sheet.put_pixel(x, y, colour);
                }
            }
        }
    }
}

/// The upper left part of `side` pixels with each pixel as a square of `zoom`.
pub fn enlarged(picture: &Picture, side: usize, zoom: usize) -> Picture {
    let width = zoom * side;
    let mut values = Vec::with_capacity(3 * width * width);
    for at in 0..width * width {
        let (x, y) = (at % width / zoom, at / width / zoom);
        values.extend_from_slice(&picture.values[3 * (y * picture.width + x)..][..3]);
    }
    Picture { width, height: width, values }
}

/// Rows of ten with the number of the first picture before each.
pub fn numbered_rows(label: &str, pictures: &[Picture]) -> Vec<(String, Vec<Picture>)> {
    const COLUMNS: usize = 10;
    let rows = pictures.chunks(COLUMNS).enumerate();
    rows.map(|(row, part)| (format!("{label}\n{}", row * COLUMNS), part.to_vec())).collect()
}
