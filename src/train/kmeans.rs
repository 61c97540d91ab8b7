//! K-means over weighted rows: the codebook.

use super::rng::Rng;
use super::workers::{Workers, values};
use burn::tensor::{Device, Tensor, TensorData};

/// Rows that are compared with all centres at a time.
const CHUNK: usize = 2048;

/// For every row the index of the nearest centre and the squared distance to it.
pub fn assign(rows: &[f32], centres: &[f32], width: usize, workers: &Workers) -> Vec<(u32, f32)> {
    let count = rows.len() / width;
    let lengths: Vec<f32> =
        centres.chunks_exact(width).map(|row| row.iter().map(|value| value * value).sum()).collect();
    let chunks = workers.map(count.div_ceil(CHUNK), |chunk| {
        let device = Device::flex();
        let part = &rows[chunk * CHUNK * width..((chunk + 1) * CHUNK).min(count) * width];
        let x = Tensor::<2>::from_data(TensorData::new(part.to_vec(), [part.len() / width, width]), &device);
        let c = Tensor::<2>::from_data(TensorData::new(centres.to_vec(), [lengths.len(), width]), &device);
        let products = values(x.matmul(c.transpose()));
        let nearest = products.chunks_exact(lengths.len()).zip(part.chunks_exact(width)).map(|(products, row)| {
            let mut best = (0u32, f32::INFINITY);
            for (index, (product, length)) in products.iter().zip(&lengths).enumerate() {
                let distance = length - 2.0 * product;
                if distance < best.1 {
                    best = (index as u32, distance);
                }
            }
            (best.0, best.1 + row.iter().map(|value| value * value).sum::<f32>())
        });
        nearest.collect::<Vec<_>>()
    });
    chunks.into_iter().flatten().collect()
}

/// `count` centres of `rows` by Lloyd's iterations; centres that lose all rows move to far rows.
pub fn k_means(
    rows: &[f32],
    width: usize,
    count: usize,
    iterations: usize,
    rng: &mut Rng,
    workers: &Workers,
) -> Vec<f32> {
    let total = rows.len() / width;
    let row = |index: usize| &rows[index * width..(index + 1) * width];
    let mut centres: Vec<f32> = Vec::with_capacity(count * width);
    for index in rng.permutation(total).into_iter().cycle().take(count) {
        centres.extend_from_slice(row(index));
    }
    for _ in 0..iterations {
        let nearest = assign(rows, &centres, width, workers);
        let mut sums = vec![0.0f64; count * width];
        let mut members = vec![0usize; count];
        for (index, (centre, _)) in nearest.iter().enumerate() {
            let centre = *centre as usize;
            members[centre] += 1;
            sums[centre * width..(centre + 1) * width]
                .iter_mut()
                .zip(row(index))
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let mut far: Vec<usize> = (0..total).collect();
        far.sort_by(|a, b| nearest[*b].1.total_cmp(&nearest[*a].1));
        // Not the very farthest, which are outliers: a random one of the far tenth.
        far.truncate((total / 10).max(1));
        for centre in 0..count {
            let target = &mut centres[centre * width..(centre + 1) * width];
            if members[centre] == 0 {
                target.copy_from_slice(row(far[rng.below(far.len())]));
            } else {
                let scale = 1.0 / members[centre] as f64;
                target.iter_mut().zip(&sums[centre * width..]).for_each(|(value, sum)| *value = (sum * scale) as f32);
            }
        }
    }
    centres
}

/// For every centre the indices of the `count` nearest others.
pub fn neighbours(centres: &[f32], width: usize, count: usize) -> Vec<u32> {
    let rows: Vec<&[f32]> = centres.chunks_exact(width).collect();
    let mut result = Vec::with_capacity(rows.len() * count);
    for (index, row) in rows.iter().enumerate() {
        let mut distances: Vec<(f32, u32)> = rows
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(other, values)| (row.iter().zip(*values).map(|(a, b)| (a - b).powi(2)).sum(), other as u32))
            .collect();
        distances.sort_by(|a, b| a.0.total_cmp(&b.0));
        let last = distances.last().map_or(index as u32, |entry| entry.1);
        result.extend((0..count).map(|at| distances.get(at).map_or(last, |entry| entry.1)));
    }
    result
}
