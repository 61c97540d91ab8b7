//! Seams, colours and shapes of edits, blends, layouts and examples, measured with the bundled model.

use super::{bundled, run};
use bevy_discon::eval::metrics::{Picture, correlation};
use bevy_discon::eval::picture;
use bevy_discon::exemplar::Exemplar;
use bevy_discon::sampling::{Blend, Recipe, Tiling, TokenMask};

/// Mean difference of neighbours across the border of a rectangle of cells, over that across all other borders of
/// cells.
fn border_ratio(image: &Picture, cells: [std::ops::Range<usize>; 2]) -> f64 {
    let [columns, rows] = cells;
    let value = |x: usize, y: usize| &image.values[3 * (y * image.width + x)..][..3];
    let step = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
    let (mut border, mut others) = ((0.0, 0.0), (0.0, 0.0));
    for y in 0..image.height {
        for x in (16..image.width).step_by(16) {
            let on = rows.contains(&(y / 16)) && (x / 16 == columns.start || x / 16 == columns.end);
            let sum = if on { &mut border } else { &mut others };
            *sum = (sum.0 + step(value(x - 1, y), value(x, y)), sum.1 + 1.0);
        }
    }
    for y in (16..image.height).step_by(16) {
        for x in 0..image.width {
            let on = columns.contains(&(x / 16)) && (y / 16 == rows.start || y / 16 == rows.end);
            let sum = if on { &mut border } else { &mut others };
            *sum = (sum.0 + step(value(x, y - 1), value(x, y)), sum.1 + 1.0);
        }
    }
    border.0 / border.1 / (others.0 / others.1)
}

/// The same torus, seen from so many cells further along both axes.
fn rolled(image: &Picture, cells: usize) -> Picture {
    let (width, height) = (image.width, image.height);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixel = |(x, y): (usize, usize)| 3 * (((y + 16 * cells) % height) * width + (x + 16 * cells) % width);
    let values = places.map(pixel).flat_map(|at| image.values[at..at + 3].to_vec()).collect();
    Picture { values, ..image.clone() }
}

/// Border ratios of an edit and of a pasted piece, as means over classes. The edited cells lie in the middle of what is seen from
/// `away` cells further.
fn edited_and_pasted(away: usize) -> [f64; 2] {
    let model = bundled();
    let (mut ratios, mut cases) = ([0.0; 2], 0.0);
    let cells = [3..8, 4..9];
    for class in ["brick", "rock", "wood_planks", "stone_wall"] {
        if !model.discon.config.classes.iter().any(|name| name == class) {
            continue;
        }
        let recipe = Recipe::new(class).with_seed(2).with_size(192, 192);
        let seen = |at: f32| ((at * 12.0) as usize + 12 - away) % 12;
        let mask = TokenMask::from_uv(&recipe, |u, v| cells[0].contains(&seen(u)) && cells[1].contains(&seen(v)));
        assert_eq!(mask.cells.len(), 25);
        let after = rolled(&picture(&run(&model, &recipe.clone().with_edit(mask, 77))), away);
        // The same place of another texture with the same look.
        let [mut paste, other] =
            [recipe.clone(), recipe.relayout(77)].map(|recipe| rolled(&picture(&run(&model, &recipe)), away));
        for y in 16 * cells[1].start..16 * cells[1].end {
            let row = 3 * (y * 192 + 16 * cells[0].start)..3 * (y * 192 + 16 * cells[0].end);
            paste.values[row.clone()].copy_from_slice(&other.values[row]);
        }
        let found = [&after, &paste].map(|image| border_ratio(image, cells.clone()));
        println!("{class}, {away} cells away: edited {:.2}, pasted {:.2}", found[0], found[1]);
        (ratios, cases) = ([ratios[0] + found[0], ratios[1] + found[1]], cases + 1.0);
    }
    ratios.map(|ratio| ratio / cases)
}

#[test]
fn an_edit_has_no_seam_while_a_pasted_piece_has_one_also_across_the_wrap() {
    // 6 cells away it covers the last three columns and rows and the first two.
    for away in [0, 6] {
        let [edited, pasted] = edited_and_pasted(away);
        println!("across the border of the mask, over other borders of cells: edited {edited:.2}, pasted {pasted:.2}");
        assert!(edited < 1.2, "an edit continues what is around it: {edited}");
        assert!(pasted > edited + 0.08, "the measure sees a seam: {pasted} against {edited}");
    }
}

#[test]
fn a_blend_passes_from_one_material_to_the_other() {
    let model = bundled();
    let classes = &model.discon.config.classes;
    let (first, second) = (&classes[0], &classes[classes.len() / 2]);
    // Colours vary within a texture, so several are measured.
    let seeds = [4, 5, 6];
    let mut shares = [0.0; 5];
    for seed in seeds {
        let recipe = Recipe::new(first).with_seed(seed).with_size(256, 64);
        let blended = recipe
            .clone()
            .with_blend(Blend::from_uv(&recipe, second, |u, _| 0.5 - 0.7 * (std::f32::consts::TAU * u).cos()));
        let other = Recipe { class: second.into(), ..recipe.clone() };
        let [plain, other, mixed] = [&recipe, &other, &blended].map(|recipe| picture(&run(&model, recipe)));
        let (plain, other) = (colour(&plain, 0..256), colour(&other, 0..256));
        for (share, columns) in shares.iter_mut().zip([0..32, 48..80, 112..144, 176..208, 224..256]) {
            let found = colour(&mixed, columns);
            *share += apart(found, plain) / (apart(found, plain) + apart(found, other)) / seeds.len() as f32;
        }
    }
    println!("distance from {first} on the way to {second}: {shares:.2?}");
    assert!(shares[0] < 0.35 && shares[4] < 0.35 && shares[2] > 0.65, "{shares:.2?}");
    assert!((0.2..0.8).contains(&shares[1]) && (0.2..0.8).contains(&shares[3]), "{shares:.2?}");
}

#[test]
fn a_blend_has_no_seam_while_two_halves_side_by_side_have_one() {
    let model = bundled();
    let (mut blended, mut halves) = (0.0, 0.0);
    let cells = [4..12, 0..8];
    let pairs = [("rock", "grass"), ("brick", "plaster"), ("wood", "metal"), ("sand", "stone_wall")];
    for (first, second) in pairs {
        let recipe = Recipe::new(first).with_seed(3).with_size(256, 128);
        let weights = Blend::from_uv(&recipe, second, |u, _| 0.5 - 0.7 * (std::f32::consts::TAU * u).cos());
        let mixed = picture(&run(&model, &recipe.clone().with_blend(weights)));
        let [mut plain, other] =
            [first, second].map(|class| picture(&run(&model, &Recipe { class: class.into(), ..recipe.clone() })));
        for y in 0..128 {
            let row = 3 * (y * 256 + 16 * cells[0].start)..3 * (y * 256 + 16 * cells[0].end);
            plain.values[row.clone()].copy_from_slice(&other.values[row]);
        }
        blended += border_ratio(&mixed, cells.clone()) / pairs.len() as f64;
        halves += border_ratio(&plain, cells.clone()) / pairs.len() as f64;
    }
    println!(
        "across the line between two materials, over other borders of cells: blended {blended:.2}, side by side {halves:.2}"
    );
    assert!(blended < 1.5, "the materials pass into each other: {blended}");
    assert!(halves > blended + 0.5, "the measure sees a seam: {halves} against {blended}");
}

#[test]
fn another_layout_has_the_colours_of_the_texture_and_another_seed_has_not() {
    let model = bundled();
    let (mut same, mut others, mut shapes) = (0.0f32, 0.0f32, 0.0f64);
    let classes = ["brick", "fabric", "lava", "rock", "tiles", "wood_planks"];
    for class in classes {
        let recipe = Recipe::new(class).with_seed(1).with_size(128, 128);
        let [base, other, seed] = [recipe.clone(), recipe.relayout(9), recipe.clone().with_seed(9)]
            .map(|recipe| picture(&run(&model, &recipe)));
        same += apart(colour(&base, 0..128), colour(&other, 0..128)) / classes.len() as f32;
        others += apart(colour(&base, 0..128), colour(&seed, 0..128)) / classes.len() as f32;
        shapes += correlation(&base.blocks(), &other.blocks()) / classes.len() as f64;
    }
    println!("mean colours apart: other layouts {same:.3}, other seeds {others:.3}; blocks correlate {shapes:.2}");
    assert!(3.0 * same < others, "{same} and {others}");
    assert!(shapes.abs() < 0.4, "the layout is another one: {shapes}");
}

#[test]
fn a_photograph_gives_variations_with_its_shapes_and_layouts_with_its_colours() {
    let model = bundled();
    let photograph = image::open("assets/exemplars/rocky_terrain.png").expect("the picture is there");
    let exemplar =
        Exemplar::from_picture(&model, &photograph, Some("rock"), Tiling::Both).expect("the picture is sound");
    println!("{:.1} dB after encoding and decoding, {:.1} dB from tokens", exemplar.psnr, exemplar.coarse_psnr);
    assert!(exemplar.psnr > 26.0 && exemplar.coarse_psnr > 16.0 && exemplar.psnr > exemplar.coarse_psnr + 4.0);
    let original = Picture::from_bytes(256, 256, photograph.to_rgb8().as_raw());
    let [varied, other] =
        [exemplar.recipe.variation(5), exemplar.recipe.relayout(5)].map(|recipe| picture(&run(&model, &recipe)));
    let [kept, moved] = [&varied, &other].map(|found| correlation(&original.blocks(), &found.blocks()));
    let colours = [&varied, &other].map(|found| apart(colour(&original, 0..256), colour(found, 0..256)));
    println!("blocks correlate: variation {kept:.2}, other layout {moved:.2}; colours apart {colours:.3?}");
    assert!(kept > 0.8 && moved.abs() < 0.4, "{kept}, {moved}");
    assert!(colours.iter().all(|apart| *apart < 0.05), "{colours:?}");
}

/// Mean colour of a stretch of columns.
fn colour(image: &Picture, columns: std::ops::Range<usize>) -> [f32; 3] {
    let mut sum = [0.0f32; 3];
    for (at, pixel) in image.values.chunks_exact(3).enumerate() {
        if columns.contains(&(at % image.width)) {
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
    }
    sum.map(|sum| sum / (columns.len() * image.height) as f32)
}

fn apart(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
}
