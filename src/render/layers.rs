//! Which cell of an endless surface each layer of a texture array shows.

use crate::sampling::FARTHEST_CELL;

/// Layers, the cells around the viewer, and the map from one to the other.
#[derive(Debug)]
pub struct Layers {
    /// Cell and time of last use of each layer.
    layers: Vec<Option<([i32; 2], u64)>>,
    radius: i32,
    /// Where the viewer is, in cells.
    centre: [f32; 2],
    clock: u64,
}

impl Layers {
    /// Free layers; there must be one for each cell within `radius`.
    pub fn new(layers: u32, radius: u32, centre: [f32; 2]) -> Self {
        Self { layers: vec![None; layers as usize], radius: radius as i32, centre, clock: 0 }
    }

    /// The viewer is elsewhere. True if the map is another now.
    pub fn look(&mut self, centre: [f32; 2]) -> bool {
        let before = std::mem::replace(&mut self.centre, centre).map(floor);
        if before == self.cell() {
            return false;
        }
        self.clock += 1;
        let (clock, cell, radius) = (self.clock, self.cell(), self.radius);
        let seen = self.layers.iter_mut().flatten().filter(|(at, _)| within(*at, cell, radius));
        seen.for_each(|(_, used)| *used = clock);
        true
    }

    /// The viewer's cell.
    fn cell(&self) -> [i32; 2] {
        self.centre.map(floor)
    }

    /// Distance in cells from the viewer to the middle of a cell.
    pub fn distance(&self, cell: [i32; 2]) -> f32 {
        (cell[0] as f32 + 0.5 - self.centre[0]).hypot(cell[1] as f32 + 0.5 - self.centre[1])
    }

    /// The nearest cell in the viewer's surroundings that no layer shows.
    pub fn next(&self) -> Option<[i32; 2]> {
        let shown = |cell: &[i32; 2]| self.layers.iter().flatten().any(|(shown, _)| shown == cell);
        let possible = |cell: &[i32; 2]| cell.iter().all(|at| at.unsigned_abs() <= FARTHEST_CELL);
        let missing = self.wanted().filter(|cell| possible(cell) && !shown(cell));
        missing.min_by(|a, b| self.distance(*a).total_cmp(&self.distance(*b)).then(a.cmp(b)))
    }

    /// Frees a layer: an unused one, or the one whose cell was seen longest ago. Returns that cell, too.
    pub fn free(&mut self) -> (u32, Option<[i32; 2]>) {
        let cell = self.cell();
        let rank = |layer: &Option<([i32; 2], u64)>| layer.map(|(at, used)| (within(at, cell, self.radius), used));
        let oldest = (0..).zip(&self.layers).min_by_key(|(_, layer)| rank(layer)).map_or(0, |(number, _)| number);
        let lost = self.layers.get_mut(oldest as usize).and_then(Option::take).map(|(cell, _)| cell);
        (oldest, lost)
    }

    /// A layer shows a cell.
    pub fn put(&mut self, layer: u32, cell: [i32; 2]) {
        if let Some(place) = self.layers.get_mut(layer as usize) {
            *place = Some((cell, self.clock));
        }
    }

    /// Texels along each axis of the map.
    pub fn map_side(&self) -> u32 {
        2 * self.radius as u32 + 1
    }

    /// The map, row-major: the cell `(x, y)` has the texel `(x mod side, y mod side)`. Red is 1 + its layer, or 0 if it has
    /// none; green and blue are the low 16 bits of `x` and `y`, by which cells outside the map are told apart.
    pub fn map(&self) -> Vec<[u16; 4]> {
        let side = self.map_side() as i32;
        let mut texels = vec![[0; 4]; (side * side) as usize];
        let cell = self.cell();
        for (layer, shown) in (1..).zip(&self.layers) {
            let Some((at, _)) = shown.filter(|(at, _)| within(*at, cell, self.radius)) else { continue };
            let [x, y] = at.map(|at| at.rem_euclid(side));
            texels[(y * side + x) as usize] = [layer, at[0] as u16, at[1] as u16, 0];
        }
        texels
    }

    /// The viewer's surroundings.
    fn wanted(&self) -> impl Iterator<Item = [i32; 2]> + '_ {
        let ([x, y], reach) = (self.cell(), -self.radius..=self.radius);
        reach.clone().flat_map(move |dy| reach.clone().map(move |dx| [x.saturating_add(dx), y.saturating_add(dy)]))
    }
}

fn floor(at: f32) -> i32 {
    // What is no number becomes 0, what is too large the largest.
    at.floor() as i32
}

fn within(at: [i32; 2], centre: [i32; 2], radius: i32) -> bool {
    (0..2).all(|axis| at[axis].abs_diff(centre[axis]) <= radius as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives every wanted cell a layer; the cells in order, and those that lost theirs.
    fn fill(layers: &mut Layers) -> (Vec<[i32; 2]>, Vec<[i32; 2]>) {
        let (mut made, mut lost) = (Vec::new(), Vec::new());
        while let Some(cell) = layers.next() {
            let (layer, old) = layers.free();
            layers.put(layer, cell);
            made.push(cell);
            lost.extend(old);
        }
        (made, lost)
    }

    #[test]
    fn the_nearest_cells_come_first_and_the_map_names_their_layers() {
        let mut layers = Layers::new(12, 1, [0.6, -0.4]);
        let (made, lost) = fill(&mut layers);
        assert_eq!((made.len(), made[0], lost.len()), (9, [0, -1], 0));
        assert_eq!(made[1], [0, 0], "the viewer is lower right of the middle of its cell");
        let distances: Vec<f32> = made.iter().map(|cell| layers.distance(*cell)).collect();
        assert!(distances.is_sorted(), "{distances:?}");
        for cell in made {
            let [x, y] = cell.map(|at| at.rem_euclid(3) as usize);
            let [layer, low_x, low_y, _] = layers.map()[3 * y + x];
            assert_eq!([low_x, low_y], cell.map(|at| at as u16));
            assert_eq!(layers.layers[layer as usize - 1].map(|(cell, _)| cell), Some(cell));
        }
    }

    #[test]
    fn layers_out_of_sight_are_recycled_in_the_order_in_which_they_went_out_of_sight() {
        let mut layers = Layers::new(15, 1, [0.5, 0.5]);
        fill(&mut layers);
        for x in 1..4 {
            assert!(layers.look([x as f32 + 0.5, 0.5]));
            let (made, lost) = fill(&mut layers);
            assert!(made.iter().all(|cell| cell[0] == x + 1), "one column comes into sight: {made:?}");
            // Six layers more than are in sight: two columns stay.
            let expected: Vec<i32> = if x < 3 { vec![] } else { vec![-1; 3] };
            assert_eq!(lost.iter().map(|cell| cell[0]).collect::<Vec<_>>(), expected, "column {x}");
        }
        assert!(!layers.look([3.9, 0.1]), "the same cell");
        assert!(layers.look([2.5, 0.5]) && layers.next().is_none(), "what was kept need not be made again");
        assert_eq!(layers.map().iter().filter(|texel| texel[0] > 0).count(), 9);
    }

    #[test]
    fn viewers_at_the_end_of_the_world_or_nowhere_ask_for_nothing_impossible() {
        for centre in [[f32::INFINITY, 0.0], [f32::NAN, f32::NEG_INFINITY], [2.0e7, -2.0e7]] {
            assert_eq!(Layers::new(9, 1, centre).next(), None, "{centre:?}");
        }
        assert_eq!(Layers::new(9, 1, [f32::NAN, 0.0]).next(), Some([-1, -1]));
    }
}
