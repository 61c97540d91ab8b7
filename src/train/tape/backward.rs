//! The way back along the tape.

use super::buffers::{Buffer, Pool};
use super::ops::factor;
use super::patches::{Neighbours, TAPS};
use super::product::{Matrix, Products};
use super::{Node, Operation, Parameter, TapeOps, attention, loops};
use crate::model::ParamId;

impl TapeOps {
    /// Walks back from the loss `from`; then [`TapeOps::gradient`] answers. Once per tape: the walk uses it up.
    pub fn backward(&mut self, from: usize) {
        let mut gradients: Vec<Option<Buffer>> = Vec::new();
        gradients.resize_with(self.nodes.len(), || None);
        let mut start = self.pool.take(1);
        start.fill(1.0);
        gradients[from] = Some(start);
        for index in (0..=from).rev() {
            let Some(dy) = gradients[index].take() else { continue };
            let operation = std::mem::replace(&mut self.nodes[index].operation, Operation::Constant);
            let columns = match &operation {
                Operation::Attention { layout, .. } => Some(self.columns(layout)),
                _ => None,
            };
            let mut walk = Walk {
                nodes: &self.nodes,
                gradients: &mut gradients,
                parameters: &mut self.parameters,
                pool: &mut self.pool,
                products: &mut self.products,
            };
            walk.step(operation, dy, columns.as_deref().unwrap_or_default());
        }
    }
}

struct Walk<'a> {
    nodes: &'a [Node],
    gradients: &'a mut [Option<Buffer>],
    parameters: &'a mut [Parameter],
    pool: &'a mut Pool,
    products: &'a mut Products,
}

impl<'a> Walk<'a> {
    /// One operation; `dy` is the gradient of its result.
    fn step(&mut self, operation: Operation, dy: Buffer, columns: &[u32]) {
        match operation {
            Operation::Constant => self.pool.give(dy),
            Operation::Parameter(id) => {
                loops::add(self.parameters[id.0].gradient_sum(), &dy);
                self.pool.give(dy);
            }
            Operation::Linear { x, patches, weight, bias, slope, residual } => {
                self.linear((x, patches.as_ref()), weight, bias, slope, residual, dy);
            }
            Operation::Norm { x, gain, inverse } => self.norm(x, gain, inverse, dy),
            Operation::ModulatedNorm { x, modulation, shift_at, scale_at, inverse } => {
                self.modulated_norm(x, modulation, [shift_at, scale_at], inverse, dy);
            }
            Operation::GatedAdd { x, modulation, gate_at, y } => self.gated_add(x, modulation, gate_at, y, dy),
            Operation::Attention { x, bias, layout, shares } => {
                let mut no_table = [];
                let parameter = &mut self.parameters[bias.0];
                let table = if parameter.differentiate { parameter.gradient_sum() } else { &mut no_table };
                let node = &self.nodes[x];
                let (mut dx, add) = match self.gradients[x].take() {
                    Some(dx) => (dx, true),
                    None => (self.pool.take(node.values.len()), false),
                };
                let back = attention::Back { input: &node.values, shares: &shares, dy: &dy, layout: &layout, columns };
                attention::backward(&mut dx, add, table, &back, self.pool, self.products);
                self.put(x, dx);
                self.pool.give(shares);
                self.pool.give(dy);
            }
            Operation::Embed { table, rows } => {
                let width = self.parameters[table.0].shape[1];
                let sum = self.parameters[table.0].gradient_sum();
                rows.iter().for_each(|rows| loops::add_rows(sum, &dy, rows, width));
                self.pool.give(dy);
            }
            Operation::Sum { x, y } => self.broadcast_sum(x, y, dy),
            Operation::Rows { x, rows, width } => {
                if let Some(mut dx) = self.sum(x) {
                    loops::add_rows(&mut dx, &dy, &rows, width);
                    self.put(x, dx);
                }
                self.pool.give(dy);
            }
            Operation::Join { first, second, items } => self.join([first, second], items, dy),
            Operation::Denormalise { x, style } => self.denormalise(x, style, dy),
            Operation::Loss { x, mut gradient } => {
                if dy[0] != 1.0 {
                    loops::scale(&mut gradient, dy[0]);
                }
                self.pass(x, gradient);
                self.pool.give(dy);
            }
        }
    }

    /// The gradient of a node so far, to be added to, or room for it; `None` if nobody needs it.
    fn take(&mut self, index: usize) -> Option<(Buffer, bool)> {
        let node = &self.nodes[index];
        if !node.tracked {
            return None;
        }
        Some(match self.gradients[index].take() {
            Some(gradient) => (gradient, true),
            None => (self.pool.take(node.values.len()), false),
        })
    }

    /// The same with zeros where there is nothing yet.
    fn sum(&mut self, index: usize) -> Option<Buffer> {
        let (mut gradient, holds) = self.take(index)?;
        if !holds {
            gradient.fill(0.0);
        }
        Some(gradient)
    }

    fn put(&mut self, index: usize, gradient: Buffer) {
        if self.nodes[index].tracked {
            self.gradients[index] = Some(gradient);
        } else {
            self.pool.give(gradient);
        }
    }

    /// Adds a whole gradient, without a copy if it is the first.
    fn pass(&mut self, index: usize, gradient: Buffer) {
        match self.gradients[index].take() {
            Some(mut sum) => {
                loops::add(&mut sum, &gradient);
                self.pool.give(gradient);
                self.put(index, sum);
            }
            None => self.put(index, gradient),
        }
    }

    fn values(&self, index: usize) -> &'a [f32] {
        &self.nodes[index].values
    }

    fn linear(
        &mut self,
        (x, patches): (usize, Option<&Neighbours>),
        weight: ParamId,
        bias: Option<ParamId>,
        mut slope: Buffer,
        residual: Option<usize>,
        dy: Buffer,
    ) {
        let [inputs, outputs] = self.parameters[weight.0].shape;
        let rows = dy.len() / outputs;
        let mut unused;
        let sums = match bias.map(|bias| &mut self.parameters[bias.0]) {
            Some(bias) if bias.differentiate => bias.gradient_sum(),
            _ => {
                unused = vec![0.0; outputs];
                &mut unused
            }
        };
        let active = !slope.is_empty();
        if active {
            loops::silu_back(&mut slope, &dy, sums);
        } else {
            loops::add_columns(sums, &dy);
        }
        let inner: &[f32] = if active { &slope } else { &dy };
        if self.parameters[weight.0].differentiate {
            let input = factor(self.values(x), patches, inputs).turned();
            let (gradient, add) = self.parameters[weight.0].gradient();
            self.products.product(input, Matrix::new(inner, outputs), [inputs, rows, outputs], gradient, outputs, add);
        }
        let shape = [rows, outputs, inputs];
        match patches {
            None => {
                if let Some((mut dx, add)) = self.take(x) {
                    let turned = Matrix::transposed(&self.parameters[weight.0].values, outputs);
                    self.products.product(Matrix::new(inner, outputs), turned, shape, &mut dx, inputs, add);
                    self.put(x, dx);
                }
            }
            Some(neighbours) => {
                if let Some(mut dx) = self.sum(x) {
                    let mut parts = self.pool.take(rows * inputs);
                    let turned = Matrix::transposed(&self.parameters[weight.0].values, outputs);
                    let inner = Matrix::new(inner, outputs);
                    self.products.product_then(inner, turned, shape, &mut parts, inputs, false, &mut |first, parts| {
                        loops::add_rows(&mut dx, parts, &neighbours.rows()[first * TAPS..], inputs / TAPS);
                    });
                    self.pool.give(parts);
                    self.put(x, dx);
                }
            }
        }
        self.pool.give(slope);
        match residual {
            Some(residual) => self.pass(residual, dy),
            None => self.pool.give(dy),
        }
    }

    fn norm(&mut self, x: usize, gain: ParamId, inverse: Buffer, dy: Buffer) {
        let parameter = &mut self.parameters[gain.0];
        let mut unused;
        let (mut dx, add) = match self.gradients[x].take() {
            Some(dx) => (dx, true),
            None => (self.pool.take(dy.len()), false),
        };
        parameter.gradient.resize(parameter.values.len(), 0.0);
        let sums = if parameter.differentiate {
            if !std::mem::replace(&mut parameter.touched, true) {
                parameter.gradient.fill(0.0);
            }
            &mut parameter.gradient
        } else {
            unused = vec![0.0; parameter.values.len()];
            &mut unused
        };
        loops::norm_back(&mut dx, add, &dy, &self.nodes[x].values, &parameter.values, &inverse, sums);
        self.put(x, dx);
        self.pool.give(inverse);
        self.pool.give(dy);
    }

    fn modulated_norm(&mut self, x: usize, modulation: usize, at: [usize; 2], inverse: Buffer, dy: Buffer) {
        let [_, width] = self.nodes[x].shape;
        let wide = self.nodes[modulation].shape[1];
        let (input, m) = (self.values(x), self.values(modulation));
        let [shift_at, scale_at] = at;
        if let Some(mut dm) = self.sum(modulation) {
            let m_rows = m.len() / wide;
            for (row, (dy, x)) in dy.chunks_exact(width).zip(input.chunks_exact(width)).enumerate() {
                let dm = &mut dm[row % m_rows * wide..][..wide];
                loops::add(&mut dm[shift_at..][..width], dy);
                loops::add_product(&mut dm[scale_at..][..width], dy, x, inverse[row]);
            }
            self.put(modulation, dm);
        }
        if let Some(mut dx) = self.sum(x) {
            let rows = dx.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(input.chunks_exact(width));
            for ((((dx, dy), x), m), inverse) in rows.zip(m.chunks_exact(wide).cycle()).zip(inverse.iter()) {
                loops::modulated_norm_row_back(dx, dy, x, &m[scale_at..][..width], *inverse);
            }
            self.put(x, dx);
        }
        self.pool.give(inverse);
        self.pool.give(dy);
    }

    fn gated_add(&mut self, x: usize, modulation: usize, gate_at: usize, y: usize, dy: Buffer) {
        let [_, width] = self.nodes[x].shape;
        let wide = self.nodes[modulation].shape[1];
        let (input, m) = (self.values(y), self.values(modulation));
        if let Some(mut dm) = self.sum(modulation) {
            let m_rows = m.len() / wide;
            for (row, (dy, y)) in dy.chunks_exact(width).zip(input.chunks_exact(width)).enumerate() {
                loops::add_product(&mut dm[row % m_rows * wide + gate_at..][..width], dy, y, 1.0);
            }
            self.put(modulation, dm);
        }
        if let Some(mut inner) = self.sum(y) {
            let rows = inner.chunks_exact_mut(width).zip(dy.chunks_exact(width)).zip(m.chunks_exact(wide).cycle());
            for ((inner, dy), m) in rows {
                loops::add_product(inner, dy, &m[gate_at..][..width], 1.0);
            }
            self.put(y, inner);
        }
        self.pass(x, dy);
    }

    fn broadcast_sum(&mut self, x: usize, y: usize, dy: Buffer) {
        let [x_rows, width] = self.nodes[x].shape;
        let y_rows = self.nodes[y].shape[0];
        let rows = dy.len() / width;
        if let Some(mut inner) = self.sum(y) {
            for (row, dy) in dy.chunks_exact(width).enumerate() {
                loops::add(&mut inner[row / (rows / y_rows) * width..][..width], dy);
            }
            self.put(y, inner);
        }
        if x_rows == rows {
            self.pass(x, dy);
            return;
        }
        if let Some(mut dx) = self.sum(x) {
            for part in dy.chunks_exact(x_rows * width) {
                loops::add(&mut dx, part);
            }
            self.put(x, dx);
        }
        self.pool.give(dy);
    }

    fn join(&mut self, parts: [usize; 2], items: usize, dy: Buffer) {
        let part = dy.len() / items / 2;
        for (index, at) in parts.into_iter().zip([0, part]) {
            let Some(mut dx) = self.sum(index) else { continue };
            for (dx, dy) in dx.chunks_exact_mut(part).zip(dy.chunks_exact(2 * part)) {
                loops::add(dx, &dy[at..at + part]);
            }
            self.put(index, dx);
        }
        self.pool.give(dy);
    }

    fn denormalise(&mut self, x: usize, style: usize, dy: Buffer) {
        let (wide, width) = (self.nodes[x].shape[1], self.nodes[style].shape[1] / 2);
        let (input, styles) = (self.values(x), self.values(style));
        let group = dy.len() / width / self.nodes[style].shape[0];
        if let Some(mut dx) = self.sum(x) {
            for (row, dy) in dy.chunks_exact(width).enumerate() {
                let deviations = &styles[row / group * 2 * width + width..][..width];
                for ((dx, dy), deviation) in dx[row * wide..].iter_mut().zip(dy).zip(deviations) {
                    *dx += dy * deviation.exp();
                }
            }
            self.put(x, dx);
        }
        if let Some(mut inner) = self.sum(style) {
            for (row, dy) in dy.chunks_exact(width).enumerate() {
                let at = row / group * 2 * width;
                for (channel, dy) in dy.iter().enumerate() {
                    inner[at + channel] += dy;
                    inner[at + width + channel] +=
                        dy * input[row * wide + channel] * styles[at + width + channel].exp();
                }
            }
            self.put(style, inner);
        }
        self.pool.give(dy);
    }
}
