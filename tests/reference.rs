//! Is the CPU reference the network of the description? Golden tensors come from `golden/make_golden.py`,
//! which states the network a second time on PyTorch; weights follow a formula that both sides know.

use bevy_discon::model::{
    Activation, Fusion, Grid, HeadConfig, HeadMixing, Model, ModelConfig, Ops, Role, TOKEN_BLOCKS, TokenBlocks, Wrap,
    time_features,
};
use bevy_discon::reference::{CpuOps, CpuTensor};
use half::f16;
use safetensors::SafeTensors;

const GOLDEN: &[u8] = include_bytes!("golden/tiny.safetensors");
const WRAPS: [(&str, Wrap); 3] = [("torus", Wrap::BOTH), ("cut", Wrap::NONE), ("x", Wrap { x: true, y: false })];

/// `raw` of the script: numbers in -0.5..0.5 from a name and a counter.
fn raw(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = name.bytes().fold(0x811c_9dc5u32, |h, byte| (h ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (1..=count as u32).map(move |j| {
        let bits = j.wrapping_mul(0x9e37_79b1).wrapping_add(hash);
        let bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
        f64::from(bits >> 16) / 65536.0 - 0.5
    })
}

fn values(name: &str, width: usize, rows: usize) -> CpuTensor {
    CpuTensor::new(raw(name, rows * width).map(|value| (2.0 * value) as f32).collect(), width)
}

fn model(fusion: Fusion) -> Model {
    model_of(ModelConfig { fusion, ..ModelConfig::tiny(&["a", "b", "c"]) })
}

fn model_of(config: ModelConfig) -> Model {
    let mut model = Model::new(&config, None, 0).expect("the tiny preset is valid");
    let specs: Vec<_> = model.table.iter().map(|(id, spec)| (id, spec.clone())).collect();
    for (id, spec) in specs {
        let values = raw(&spec.name, spec.len()).map(|value| match spec.role {
            Role::Vector if spec.name.ends_with("gain") => (1.0 + 0.5 * value) as f32,
            Role::Vector => value as f32,
            _ => f16::from_f32((value * (12.0 / spec.shape[0] as f64).sqrt()) as f32).to_f32(),
        });
        *model.weights.get_mut(id) = values.collect();
    }
    model
}

fn assert_golden(name: &str, found: &CpuTensor) {
    let file = SafeTensors::deserialize(GOLDEN).expect("the golden file is readable");
    let view = file.tensor(name).expect("the script writes this tensor");
    let expected: Vec<f32> =
        view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(view.shape(), found.shape, "shape of {name}");
    let scale = (expected.iter().map(|value| value * value).sum::<f32>() / expected.len() as f32).sqrt();
    let worst = expected.iter().zip(found.values.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // f32 sums of up to some thousand terms in another order, through some twenty layers.
    assert!(worst <= 2e-5 * scale.max(1.0), "{name}: off by {worst}, values are about {scale}");
}

#[test]
fn encoder_and_decoder_equal_pytorch_for_every_border_rule() {
    let model = model(Fusion::InPlace);
    for (name, wrap) in WRAPS {
        let mut ops = CpuOps::new(&model);
        let latents = Grid { items: 1, height: 3, width: 4, wrap };
        let image = values("image", 3, 48 * 64);
        assert_golden(&format!("encoder.{name}"), &model.discon.encoder.forward(&mut ops, &image, latents.finer(16)));
        let decoded = model.discon.decoder.forward(&mut ops, &values("latents", 16, 12), latents);
        assert_golden(&format!("decoder.{name}"), &decoded);
    }
}

#[test]
fn token_prior_and_continuous_model_equal_pytorch_for_every_border_rule_and_fusion() {
    for fusion in [Fusion::InPlace, Fusion::Prefix] {
        let model = model(fusion);
        let config = &model.discon.config;
        for (name, wrap) in WRAPS {
            let grid = Grid { items: 2, height: 9, width: 5, wrap };
            let mut ops = CpuOps::new(&model);
            let tokens: Vec<u32> = values("tokens", 1, 90)
                .values
                .iter()
                .map(|value| ((value * 0.5 + 0.5) * 65.0).floor().clamp(0.0, 64.0) as u32)
                .collect();
            let condition = values("condition", config.condition_width(), 2);
            let context = values("context", config.context_width(), 90);
            let found = model.discon.mar.forward(&mut ops, &tokens, &context, &condition, grid, None);
            let part = if fusion == Fusion::InPlace { "in_place" } else { "prefix" };
            assert_golden(&format!("mar.{part}.{name}"), &found);
            if fusion == Fusion::InPlace {
                let found = model.discon.prior.forward(&mut ops, &tokens, &condition, grid, None);
                assert_golden(&format!("prior.{name}"), &found);
            }
        }
    }
}

#[test]
fn flow_heads_equal_pytorch() {
    let tiny = ModelConfig::tiny(&["a", "b", "c"]);
    let alone = HeadConfig { mixing: HeadMixing::Alone, local: None, ..tiny.head.clone() };
    let grids =
        WRAPS.map(|(name, wrap)| (format!("head.together.{name}"), Grid { items: 1, height: 9, width: 5, wrap }));
    for (name, grid) in &grids {
        assert_head(name, &model_of(tiny.clone()), *grid);
    }
    let row = Grid { items: 1, height: 1, width: 5, wrap: Wrap::NONE };
    assert_head("head.alone", &model_of(ModelConfig { head: alone, ..tiny }), row);
}

fn assert_head(name: &str, model: &Model, grid: Grid) {
    let mut ops = CpuOps::new(model);
    let condition = model.discon.head.condition(&mut ops, &values("head_condition", 32, grid.rows()));
    let time = CpuTensor::new(time_features(0.3).to_vec(), 32);
    let noisy = values("noisy", 16, grid.rows());
    assert_golden(name, &model.discon.head.velocity(&mut ops, &noisy, &time, &condition, grid));
}

#[test]
fn blocks_of_a_token_are_those_of_the_linear_path_where_all_tokens_are_equal() {
    let mut config = ModelConfig::tiny(&["a"]);
    config.tokenizer.second_codes = 16;
    let model = model_of(config);
    let (width, token) = (model.discon.config.tokenizer.latent_width, 5 * 16 + 3);
    let style: Vec<f32> = (0..2 * width).map(|at| if at < width { 0.02 * at as f32 } else { -0.3 }).collect();
    let grid = Grid { items: 1, height: 3, width: 3, wrap: Wrap::BOTH };
    let mut ops = CpuOps::new(&model);
    let tokens = ops.embed(model.discon.codebook.centres, &vec![token; 9], model.discon.config.codes());
    let latents = ops.denormalise(&tokens, &CpuTensor::new(style.clone(), 2 * width));
    let pixels = ops.conv3x3(&latents, &model.discon.decoder.linear_path, grid, Activation::None, None);
    let found = TokenBlocks::new(&model).of(&model, token, &style);
    assert_eq!(found.len(), 3 * TOKEN_BLOCKS * TOKEN_BLOCKS);
    for (at, found) in found.iter().enumerate() {
        let (block, channel) = (at / 3, at % 3);
        let (top, left) = (block / 4 * 4, block % 4 * 4);
        let values = (0..16).map(|pixel| pixels.values[((top + pixel / 4) * 16 + left + pixel % 4) * 3 + channel]);
        let mean = values.sum::<f32>() / 16.0;
        assert!((mean - found).abs() < 1e-4, "block {block}: {found}, {mean}");
    }
}
