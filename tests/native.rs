//! Is the fast CPU path the reference? Same tokens, pixels equal up to rounding.
#![cfg(feature = "native")]

use bevy_discon::model::{Fusion, Model, ModelConfig, Role};
use bevy_discon::sampling::{Recipe, Tiling, plan};
use bevy_discon::{native, reference};

#[test]
fn native_textures_equal_the_reference_for_every_tiling_and_fusion() {
    for fusion in [Fusion::InPlace, Fusion::Prefix] {
        let config = ModelConfig { fusion, ..ModelConfig::tiny(&["brick"]) };
        let mut model = Model::new(&config, None, 5).expect("the tiny preset is valid");
        // Fresh models start with silent branches; make every weight count.
        let specs: Vec<_> = model.table.iter().map(|(id, spec)| (id, spec.clone())).collect();
        for (id, spec) in specs {
            if spec.role == Role::Matrix {
                let scale = 1.0 / (spec.shape[0] as f32).sqrt();
                let values = model.weights.get_mut(id);
                for (index, value) in values.iter_mut().enumerate() {
                    *value = scale * ((index as f32 * 12.9898).sin() * 1.7);
                }
            }
        }
        for tiling in [Tiling::Both, Tiling::X, Tiling::None] {
            // The second has more rows than the window and a band of attention together.
            let (width, height) = if fusion == Fusion::InPlace { (80, 208) } else { (160, 96) };
            let recipe = Recipe { tiling, ..Recipe::new("brick").with_size(width, height).with_seed(11) };
            let plan = plan(&model, &recipe).expect("the recipe is valid");
            let (slow, fast) = (reference::generate(&model, &plan), native::generate(&model, &plan));
            assert_eq!(slow.tokens, fast.tokens, "{fusion:?} {tiling:?}");
            let worst = slow.pixels.iter().zip(&fast.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "{fusion:?} {tiling:?}: pixels differ by {worst:?}");
        }
    }
}
