//! The fields of a recipe.

use super::*;

#[test]
fn seeds_of_64_bits_keep_every_digit() {
    let mut start = state();
    start.recipe.seed = u64::MAX - 1;
    let mut panel = harness(start);
    assert_eq!(panel.state().recipe.seed, u64::MAX - 1, "showing it changes nothing");
    let field = |panel: &Harness<'_, EditorState>| panel.get_by_role_and_label(Role::TextInput, "seed").value();
    assert_eq!(field(&panel).as_deref(), Some("18446744073709551614"));
    // 2^53 + 1 is the first number that a widget for numbers cannot hold.
    type_into(&mut panel, "seed", "9007199254740993");
    assert_eq!(panel.state().recipe.seed, 9_007_199_254_740_993);
    // What is no number is shown and changes nothing.
    type_into(&mut panel, "seed", "18446744073709551616");
    assert_eq!(panel.state().recipe.seed, 9_007_199_254_740_993);
    assert_eq!(field(&panel).as_deref(), Some("18446744073709551616"));
    panel.get_by_label("the seed is a whole number from 0 to 18446744073709551615");
    type_into(&mut panel, "seed", "18446744073709551615");
    assert_eq!(panel.state().recipe.seed, u64::MAX);
    click(&mut panel, "next seed");
    assert_eq!(panel.state().recipe.seed, 0, "it goes round");
    click(&mut panel, "seed before");
    assert_eq!(panel.state().recipe.seed, u64::MAX);
}

#[test]
fn what_a_preset_says_stays_while_the_model_loads_and_is_explained_afterwards() {
    let mut start = state();
    let model = start.model.take();
    start.brush = 50;
    let preset = Recipe {
        style: Some(5),
        layout: Some(7),
        guidance: 20.0,
        token_rounds: 100,
        size: (4096, 64),
        ..start.recipe.clone()
    };
    start.recipe = preset.clone();
    let mut panel = harness(start);
    panel.get_by_label("the model is loading");
    panel.get_by_label("recipe: `size.0 (width)` is 4096, expected a multiple of 16 from 64 to 1024");
    assert_eq!(panel.state().recipe, preset, "showing it changes nothing");
    assert_eq!(panel.state().brush, 50);
    assert_eq!(panel.state().actions, []);
    panel.state_mut().model = model;
    type Mend = fn(&mut Recipe);
    let steps: [(Mend, &str); 3] = [
        (|recipe| recipe.size.0 = 64, "recipe: `guidance` is 20, expected 1 to 8"),
        (|recipe| recipe.guidance = 1.0, "recipe: `token_rounds` is 100, expected 1 to 64"),
        (
            |recipe| (recipe.token_rounds, recipe.style) = (8, Some(8)),
            "recipe: `style` is 8, expected below 8, the number of styles of the model",
        ),
    ];
    let mut expected = preset;
    for (mend, reason) in steps {
        mend(&mut expected);
        mend(&mut panel.state_mut().recipe);
        panel.run();
        panel.get_by_label(reason);
        assert_eq!(panel.state().recipe, expected, "what else is wrong stays");
        assert_eq!(panel.state().actions, []);
    }
}

/// Checkboxes of the panel, in its order.
const STYLE_SEED: usize = 2;
const STYLE: usize = 3;
const STYLE_ROW: usize = 4;

fn tick(panel: &mut Harness<'_, EditorState>, checkbox: usize) {
    panel.get_all_by_role(Role::CheckBox).nth(checkbox).expect("the panel has it").click();
    panel.run();
}

#[test]
fn a_style_can_have_a_seed_of_its_own_or_be_numbers() {
    let mut panel = harness(state());
    let model = panel.state().model.clone().expect("there is one");
    tick(&mut panel, STYLE_SEED);
    assert_eq!(panel.state().recipe.style_seed, Some(0));
    type_into(&mut panel, "style seed", "41");
    assert_eq!(panel.state().recipe.style_seed, Some(41));
    let by_seed = panel.state().recipe.style_in(&model);
    tick(&mut panel, STYLE_ROW);
    let recipe = panel.state().recipe.clone();
    assert_eq!(recipe.style_row.as_ref(), Some(&by_seed), "it begins as it was");
    assert_eq!(recipe.validate(&model), Ok(()));
    // A recipe has a row of the bank or numbers.
    tick(&mut panel, STYLE);
    assert_eq!((panel.state().recipe.style, &panel.state().recipe.style_row), (Some(0), &None));
    tick(&mut panel, STYLE_ROW);
    assert_eq!((panel.state().recipe.style, panel.state().recipe.style_row.is_some()), (None, true));
    panel.state_mut().recipe.style_row = Some(vec![70.0; 3]);
    panel.run();
    panel.get_by_label("recipe: `style_row` is 70, expected -64 to 64");
    tick(&mut panel, STYLE_ROW);
    assert_eq!(panel.state().recipe.style_row, None);
}
