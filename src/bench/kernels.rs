//! Every kernel at the shapes of a default texture, and those of tokens and edits without a layout: both variants, beside the
//! `gemm` crate on one thread.

use super::beds::{Bed, Work, variants};
use super::clock::Times;
use super::peak::{Peak, Product, one_thread, peaks, time_products};
use super::setting::heading;
use super::shapes::{Shape, matrices, shapes, unused};
use super::statistics::{Summary, significant};
use super::table::Table;
use super::{BenchError, Options};
use crate::gpu::{Gpu, GpuError, Kernel, KernelVariant};
use crate::sampling::{Edit, Plan, Recipe, Step, TokenMask, plan};

/// Measurements of one thing: seconds of one run.
#[derive(Default)]
struct Found {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Found {
    fn add(&mut self, times: Times, repeats: usize) {
        self.wall.push(times.wall / repeats as f64);
        self.cpu.push(times.cpu / repeats as f64);
    }

    fn cpu(&self) -> f64 {
        Summary::of(&self.cpu).median
    }

    fn wall(&self) -> f64 {
        Summary::of(&self.wall).median
    }

    /// Billions of operations per second of the processor, with the span.
    fn rate_text(&self, flops: u64) -> String {
        let rates: Vec<f64> = self.cpu.iter().map(|seconds| flops as f64 / seconds).collect();
        Summary::of(&rates).text(1e-9)
    }
}

/// A shape with what was measured of it.
struct Row {
    kernel: &'static str,
    text: String,
    count: usize,
    flops: u64,
    bytes: u64,
    /// By variant.
    variants: Vec<Found>,
    gemm: Found,
    gemm_flops: u64,
}

/// Runs the benchmark.
///
/// # Errors
/// No adapter, or one that cannot run the model.
pub fn run(options: &Options) -> Result<String, BenchError> {
    let gpu = Gpu::new()?;
    let beds = |plan: &Plan| -> Result<Vec<Bed>, GpuError> {
        variants(&gpu).into_iter().map(|variant| Bed::new(&gpu, options, plan, variant)).collect()
    };
    let (whole, further) = (plan(&options.model, &options.recipe(0))?, plan(&options.model, &edited(options))?);
    let (first, second) = (beds(&whole)?, beds(&further)?);
    let peaks = peaks();
    let pool = one_thread();
    let mut rows = measure_shapes(&gpu, options, &first, &pool, |_| true)?;
    for (kernel, work) in texture_works(&first[0]) {
        rows.push(measure_texture(&gpu, options, &first, kernel, work)?);
    }
    sort(&mut rows);
    let mut text = heading("Kernels at the shapes of a default texture", options, Some(&gpu));
    text.push_str(&explanation(&peaks, options.pick(2, 7)));
    text.push_str(&detail(&first, &rows, &peaks[0]).to_string());
    text.push_str("\nSums over a texture:\n\n");
    text.push_str(&sums(&first, &rows, &peaks[0]).to_string());
    // A layout gives a default texture all its tokens.
    let steps = &further.shape.steps;
    let mut rows = measure_shapes(&gpu, options, &second, &pool, |step| is_further(&steps[step]))?;
    sort(&mut rows);
    text.push_str("\nThe rounds of tokens of a texture without a layout, and an edit of a sixteenth of it:\n\n");
    text.push_str(&detail(&second, &rows, &peaks[0]).to_string());
    let recordings = [&first, &second].map(|beds| &**beds[0].slot.recording());
    let names = unused(&recordings, first[0].variant);
    if !names.is_empty() {
        text.push_str(&format!("\nRecorded for neither, so without a shape: {}.\n", names.join(", ")));
    }
    Ok(text)
}

/// A default texture without a layout, and with an edit in its middle.
fn edited(options: &Options) -> Recipe {
    let recipe = Recipe { layout_share: 0.0, ..options.recipe(0) };
    let mask = TokenMask::from_uv(&recipe, |u, v| (u - 0.5).abs() < 0.125 && (v - 0.5).abs() < 0.125);
    Recipe { edits: vec![Edit { mask, seed: 1, class: None }], ..recipe }
}

/// Whether a default texture has no such step.
fn is_further(step: &Step) -> bool {
    match step {
        Step::TokenRound { .. } | Step::Reopen { .. } => true,
        Step::LatentRound { pass, .. } => *pass > 0,
        Step::Decode => false,
    }
}

/// What takes longest comes first.
fn sort(rows: &mut [Row]) {
    let time = |row: &Row| row.count as f64 * row.variants[0].cpu();
    rows.sort_by(|a, b| time(b).total_cmp(&time(a)));
}

/// Every shape of the steps that `keep` wants by their numbers.
fn measure_shapes(
    gpu: &Gpu,
    options: &Options,
    beds: &[Bed],
    pool: &rayon::ThreadPool,
    keep: impl Fn(usize) -> bool,
) -> Result<Vec<Row>, GpuError> {
    let recording = beds[0].slot.recording();
    let kept = recording.steps.iter().enumerate().filter(|(step, _)| keep(*step));
    let dispatches = kept.flat_map(|(_, range)| range.clone());
    let shapes = shapes(&options.model, recording, dispatches);
    shapes.iter().map(|shape| measure_shape(gpu, options, beds, pool, shape)).collect()
}

/// What writes textures, with the names of its kernels.
fn texture_works(bed: &Bed) -> Vec<(&'static str, Work)> {
    let maps = bed.maps.iter().enumerate().map(|(index, (name, _))| (*name, Work::Map(index)));
    std::iter::once(("write_image, downsample", Work::Image)).chain(maps).collect()
}

fn measure_shape(
    gpu: &Gpu,
    options: &Options,
    beds: &[Bed],
    pool: &rayon::ThreadPool,
    shape: &Shape,
) -> Result<Row, GpuError> {
    let mut products = matrices(shape);
    let work = Work::Dispatch(shape.index);
    let (variants, gemm) = measure(gpu, options, beds, work, Some((pool, &mut products)))?;
    Ok(Row {
        kernel: shape.key.kernel.entry_point(KernelVariant::Lanes),
        text: shape.text.clone(),
        count: shape.count,
        flops: shape.flops,
        bytes: shape.bytes,
        variants,
        gemm,
        gemm_flops: products.iter().map(Product::flops).sum(),
    })
}

fn measure_texture(
    gpu: &Gpu,
    options: &Options,
    beds: &[Bed],
    kernel: &'static str,
    work: Work,
) -> Result<Row, GpuError> {
    let (variants, gemm) = measure(gpu, options, beds, work, None)?;
    let (width, height) = beds[0].maps[0].1.size();
    // Level 0 is read and written with four bytes a pixel, the further levels are a third of that.
    let bytes = 2 * 4 * u64::from(width * height) * 4 / 3;
    let text = format!("{width}x{height} with all levels");
    let count = usize::from(matches!(work, Work::Image));
    Ok(Row { kernel, text, count, flops: 0, bytes, variants, gemm, gemm_flops: 0 })
}

/// Times all variants and the products in turn.
fn measure(
    gpu: &Gpu,
    options: &Options,
    beds: &[Bed],
    work: Work,
    mut gemm: Option<(&rayon::ThreadPool, &mut Vec<Product>)>,
) -> Result<(Vec<Found>, Found), GpuError> {
    let (rounds, seconds) = (options.pick(2, 7), options.pick(0.004, 0.03));
    // Enough to be timed, without one submission that lasts too long.
    let repeats_of = |once: Times| ((seconds / once.wall.max(1e-7)) as usize).clamp(1, 2000);
    let mut repeats = Vec::new();
    for bed in beds {
        bed.run(gpu, work, 1)?;
        repeats.push(repeats_of(bed.run(gpu, work, 1)?));
    }
    let mut variants: Vec<Found> = beds.iter().map(|_| Found::default()).collect();
    let mut found = Found::default();
    let mut product_repeats = None;
    for _ in 0..rounds {
        for ((bed, found), repeats) in beds.iter().zip(&mut variants).zip(&repeats) {
            found.add(bed.run(gpu, work, *repeats)?, *repeats);
        }
        if let Some((pool, products)) = gemm.as_mut().filter(|(_, products)| !products.is_empty()) {
            let repeats = *product_repeats.get_or_insert_with(|| {
                time_products(pool, products, 1);
                repeats_of(time_products(pool, products, 1))
            });
            found.add(time_products(pool, products, repeats), repeats);
        }
    }
    Ok((variants, found))
}

fn explanation(peaks: &[Peak], rounds: usize) -> String {
    let peaks = peaks.iter().map(|peak| format!("{} {} GFLOP/s", peak.name, significant(peak.rate * 1e-9)));
    format!(
        "Peak of one thread, measured: {}. Shares of the peak are of the first, whose vectors software rasterisers use.\n\
         `gemm`: the crate on one thread at the same shape, in turn with the kernels; {rounds} rounds. A convolution is\n\
         compared with the product of its nine neighbours, attention with the products of its heads over all keys.\n\
         Rates are GFLOP per second of the processor over all threads, medians (span of the middle half).\n\n",
        peaks.collect::<Vec<_>>().join(", ")
    )
}

fn name(bed: &Bed) -> &'static str {
    match bed.variant {
        KernelVariant::Lanes => "lanes",
        KernelVariant::Tiled => "tiled",
    }
}

fn percent(part: f64, whole: f64) -> String {
    format!("{} %", significant(100.0 * part / whole))
}

fn detail(beds: &[Bed], rows: &[Row], peak: &Peak) -> Table {
    let mut heads = vec!["kernel".to_string(), "shape".into(), "in a texture".into(), "share of CPU".into()];
    for name in beds.iter().map(name) {
        heads.extend(["GF/CPU-s", "GF/s wall", "of peak", "of gemm", "CPU ms"].map(|head| format!("{name} {head}")));
    }
    heads.extend(["gemm GF/CPU-s".to_string(), format!("{} GB/s", name(&beds[0]))]);
    let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
    let total: f64 = rows.iter().map(|row| row.count as f64 * row.variants[0].cpu()).sum();
    for row in rows {
        let share = percent(row.count as f64 * row.variants[0].cpu(), total);
        let mut cells = vec![row.kernel.to_string(), row.text.clone(), row.count.to_string(), share];
        for found in &row.variants {
            let rate = row.flops as f64 / found.cpu();
            let gemm = row.gemm_flops as f64 / row.gemm.cpu();
            cells.extend(match row.flops {
                0 => [String::new(), String::new(), String::new(), String::new()],
                _ => [
                    found.rate_text(row.flops),
                    significant(row.flops as f64 / found.wall() * 1e-9),
                    percent(rate, peak.rate),
                    percent(rate, gemm),
                ],
            });
            cells.push(significant(found.cpu() * 1e3));
        }
        cells.push(if row.gemm_flops == 0 { String::new() } else { row.gemm.rate_text(row.gemm_flops) });
        cells.push(significant(row.bytes as f64 / row.variants[0].cpu() * 1e-9));
        table.row(cells);
    }
    table
}

/// Rates of all dispatches of a kernel together, as often as a texture has them.
fn sums(beds: &[Bed], rows: &[Row], peak: &Peak) -> Table {
    let mut table =
        Table::new(&["kernel", "variant", "GFLOP", "CPU-s", "GF/CPU-s", "of peak", "gemm GF/CPU-s", "of gemm"]);
    let names =
        [Kernel::Linear, Kernel::Conv3x3, Kernel::Attention].map(|kernel| kernel.entry_point(KernelVariant::Lanes));
    for (index, bed) in beds.iter().enumerate() {
        let mut add = |name: &str, keep: &dyn Fn(&Row) -> bool| {
            let kept = || rows.iter().filter(|row| keep(row)).map(|row| (row.count as f64, row));
            let flops: f64 = kept().map(|(count, row)| count * row.flops as f64).sum();
            let cpu: f64 = kept().map(|(count, row)| count * row.variants[index].cpu()).sum();
            let gemm_flops: f64 = kept().map(|(count, row)| count * row.gemm_flops as f64).sum();
            let timed = kept().filter(|(_, row)| row.gemm_flops > 0);
            let gemm: f64 = timed.map(|(count, row)| count * row.gemm.cpu()).sum();
            let (rate, gemm) = (flops / cpu, gemm_flops / gemm);
            let numbers = [flops * 1e-9, cpu, rate * 1e-9].map(significant);
            let cells = [name.to_string(), self::name(bed).to_string()].into_iter().chain(numbers);
            table.row(cells.chain([percent(rate, peak.rate), significant(gemm * 1e-9), percent(rate, gemm)]));
        };
        for name in names {
            add(name, &|row| row.kernel == name);
        }
        add("without products", &|row| row.flops == 0);
        add("all", &|_| true);
    }
    table
}
