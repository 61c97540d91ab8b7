//! Memory that is used again in the next step: fresh pages cost more than the loops that fill them.

use std::ops::{Deref, DerefMut};

/// Numbers on loan from a [`Pool`]; what they hold at first is whatever the last borrower left.
#[derive(Debug, Default)]
pub struct Buffer {
    storage: Vec<f32>,
    length: usize,
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.storage[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.storage[..self.length]
    }
}

/// Free buffers, by size.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<Vec<f32>>>,
}

/// Smallest buffer.
const SMALLEST: usize = 64;

/// Sizes are `SMALLEST * 2^(class / 4)`, so that batches of changing size share buffers and a fifth is wasted at most.
fn class_size(class: usize) -> usize {
    (SMALLEST << (class / 4)) * (4 + class % 4) / 4
}

fn class_of(length: usize) -> usize {
    let octave = (length.div_ceil(SMALLEST).max(1)).ilog2() as usize;
    (4 * octave..).find(|class| class_size(*class) >= length).unwrap_or(4 * octave)
}

impl Pool {
    /// A buffer of `length` numbers with any contents.
    pub fn take(&mut self, length: usize) -> Buffer {
        let class = class_of(length);
        let storage = self.free.get_mut(class).and_then(Vec::pop).unwrap_or_else(|| vec![0.0; class_size(class)]);
        Buffer { storage, length }
    }

    /// A buffer of `length` zeros.
    pub fn zeros(&mut self, length: usize) -> Buffer {
        let mut buffer = self.take(length);
        buffer.fill(0.0);
        buffer
    }

    /// A buffer with a copy of `values`.
    pub fn copy(&mut self, values: &[f32]) -> Buffer {
        let mut buffer = self.take(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&mut self, buffer: Buffer) {
        if buffer.storage.is_empty() {
            return;
        }
        let class = class_of(buffer.storage.len());
        if self.free.len() <= class {
            self.free.resize_with(class + 1, Vec::new);
        }
        self.free[class].push(buffer.storage);
    }
}
