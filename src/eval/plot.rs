//! Line plots with error bars as pictures; the letters are those of the sheets, so no font of the system is needed.

use super::sheet::write;
use image::{Rgb, RgbImage};

/// Size of a plot in pixels, and the margins around its axes: left, right, top, bottom.
const SIZE: (u32, u32) = (860, 520);
const MARGIN: (f64, f64, f64, f64) = (76.0, 210.0, 36.0, 52.0);
const INK: Rgb<u8> = Rgb([40, 40, 44]);
const FAINT: Rgb<u8> = Rgb([222, 222, 226]);
/// Colours that are told apart with colour blindness too (Okabe and Ito).
const COLOURS: [Rgb<u8>; 7] = [
    Rgb([0, 114, 178]),
    Rgb([213, 94, 0]),
    Rgb([0, 158, 115]),
    Rgb([204, 121, 167]),
    Rgb([230, 159, 0]),
    Rgb([86, 180, 233]),
    Rgb([0, 0, 0]),
];

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// `(x, y, deviation of y)` in order of `x`, which is positive.
    pub points: Vec<(f64, f64, f64)>,
}

/// What is written at the axes; x is on a scale of octaves.
#[derive(Clone, Debug)]
pub struct Labels {
    /// Above.
    pub title: String,
    /// Below the axis.
    pub x: String,
    /// Above the axis.
    pub y: String,
}

struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn over(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values
                .filter(|value| value.is_finite())
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let widen = |(low, high): (f64, f64), by: f64| match low <= high {
            true => {
                let room = by * (high - low).max(1e-9 + 0.1 * high.abs());
                (low - room, high + room)
            }
            false => (0.0, 1.0),
        };
        let x = range(&mut points().map(|point| point.0.log2()));
        let y = range(&mut points().flat_map(|point| [point.1 - point.2, point.1 + point.2]));
        Self { x: widen(x, 0.04), y: widen(y, 0.06) }
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let (left, right, top, bottom) = MARGIN;
        let (width, height) = (f64::from(SIZE.0) - left - right, f64::from(SIZE.1) - top - bottom);
        let along = (x.log2() - self.x.0) / (self.x.1 - self.x.0);
        let up = (y - self.y.0) / (self.y.1 - self.y.0);
        (left + along * width, top + (1.0 - up) * height)
    }
}

/// Draws the lines; points that are not finite are left out.
pub fn draw(labels: &Labels, lines: &[Line]) -> RgbImage {
    let mut plot = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([255, 255, 255]));
    let axes = Axes::over(lines);
    draw_axes(&mut plot, &axes, labels, lines);
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let points: Vec<&(f64, f64, f64)> =
            line.points.iter().filter(|point| point.0 > 0.0 && point.1.is_finite()).collect();
        // A little aside, so that lines on each other do not hide their bars.
        let aside = 4.0 * (index as f64 - (lines.len() - 1) as f64 / 2.0);
        let place = |x: f64, y: f64| {
            let (at_x, at_y) = axes.place(x, y);
            (at_x + aside, at_y)
        };
        for pair in points.windows(2) {
            stroke(&mut plot, place(pair[0].0, pair[0].1), place(pair[1].0, pair[1].1), colour, 2);
        }
        for (x, y, deviation) in points {
            let (at_x, at_y) = place(*x, *y);
            stroke(&mut plot, (at_x - 3.0, at_y), (at_x + 3.0, at_y), colour, 7);
            if *deviation > 0.0 {
                stroke(&mut plot, place(*x, y - deviation), place(*x, y + deviation), colour, 1);
            }
        }
        let (left, top) = (SIZE.0 - MARGIN.1 as u32 + 14, MARGIN.2 as u32 + 18 * index as u32);
        stroke(&mut plot, (f64::from(left), f64::from(top)), (f64::from(left + 16), f64::from(top)), colour, 4);
        write(&mut plot, &line.name, left + 24, top - 3, INK);
    }
    plot
}

fn draw_axes(plot: &mut RgbImage, axes: &Axes, labels: &Labels, lines: &[Line]) {
    let (x_low, x_high) = (axes.x.0.exp2(), axes.x.1.exp2());
    let ys = ticks(axes.y);
    let decimals = decimals(&ys);
    for y in ys {
        let (left, at) = axes.place(x_low, y);
        stroke(plot, (left, at), axes.place(x_high, y), FAINT, 1);
        let text = format!("{y:.decimals$}");
        write(plot, &text, (left as u32).saturating_sub(8 * text.len() as u32 + 6), at as u32 - 4, INK);
    }
    let mut xs: Vec<f64> = lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
    xs.retain(|x| x.is_finite() && *x > 0.0);
    xs.sort_by(f64::total_cmp);
    let mut free = 0.0;
    for x in xs {
        let (at, bottom) = axes.place(x, axes.y.0);
        let text = number(x);
        let half = 4.0 * text.len() as f64;
        // Labels that would touch the one before are left out.
        if at - half > free {
            stroke(plot, (at, bottom), (at, bottom + 5.0), INK, 1);
            write(plot, &text, (at - half) as u32, bottom as u32 + 9, INK);
            free = at + half + 6.0;
        }
    }
    let corner = axes.place(x_low, axes.y.0);
    stroke(plot, corner, axes.place(x_high, axes.y.0), INK, 1);
    stroke(plot, corner, axes.place(x_low, axes.y.1), INK, 1);
    write(plot, &labels.title, MARGIN.0 as u32, 8, INK);
    write(plot, &labels.y, MARGIN.0 as u32, MARGIN.2 as u32 - 14, INK);
    write(plot, &labels.x, MARGIN.0 as u32, SIZE.1 - 20, INK);
}

/// Four to eleven round numbers inside a range.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let rough = (high - low) / 10.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).take(20).map(|index| index as f64 * step).collect()
}

/// As many as tell neighbouring ticks apart.
fn decimals(ticks: &[f64]) -> usize {
    // Steps are round but for the last bits.
    ticks.windows(2).next().map_or(0, |pair| (-(1.001 * (pair[1] - pair[0])).log10().floor()).max(0.0) as usize)
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 || (value.fract() == 0.0 && size > 0.0) => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A straight line of `width` pixels.
fn stroke(plot: &mut RgbImage, from: (f64, f64), to: (f64, f64), colour: Rgb<u8>, width: i64) {
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
    for step in 0..=steps as usize {
        let share = step as f64 / steps;
        let (x, y) = (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1));
        for dy in -(width / 2)..(width + 1) / 2 {
            for dx in -(width / 2)..(width + 1) / 2 {
                let (x, y) = (x.round() as i64 + dx, y.round() as i64 + dy);
                let inside = x >= 0 && y >= 0 && x < i64::from(SIZE.0) && y < i64::from(SIZE.1);
                if inside {
                    plot.put_pixel(x as u32, y as u32, colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_values_are_drawn_higher_and_odd_input_does_not_stop_it() {
        let line = |y: f64| Line { name: "a".into(), points: vec![(1.0, 1.0, 0.1), (4.0, y, 0.0)] };
        let axes = Axes::over(&[line(3.0)]);
        assert!(axes.place(4.0, 3.0).1 < axes.place(1.0, 1.0).1);
        assert!((axes.place(2.0, 2.0).0 - (axes.place(1.0, 1.0).0 + axes.place(4.0, 3.0).0) / 2.0).abs() < 1e-6);
        let labels = Labels { title: "t".into(), x: "x".into(), y: "y".into() };
        draw(&labels, &[line(f64::NAN), line(1.0), line(-1e6)]);
        draw(&labels, &[]);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks((0.0, 6.0)), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(ticks((-3.3, 1234.0)).len() >= 4);
        for (range, expected) in [((0.95, 1.03), 2), ((0.0, 1.0), 1), ((0.0, 6.0), 0), ((1000.0, 1120.0), 0)] {
            assert_eq!(decimals(&ticks(range)), expected, "{range:?}");
        }
    }
}
