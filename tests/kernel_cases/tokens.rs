//! Tokens: what tables say of them, where they move, and how they are sampled, by kernels and by their CPU twins.

use super::{Bench, Case, common};
use bevy_discon::model::{Codes, Init, ParamId, ParamTable, Role};
use bevy_discon::sampling::{SampleOps, Stage};

struct EmbedCase {
    width: usize,
    codes: Codes,
    table: ParamId,
}

impl Case for EmbedCase {
    fn declare(&mut self, table: &mut ParamTable) {
        let rows = self.codes.rows_with_mask().max(65 / self.codes.second);
        self.table = table.add("table", [rows, self.width], Init::Zeros, Role::Table);
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let tokens = ops.token_grid();
        let x = ops.embed(self.table, &tokens, self.codes);
        let positions = ops.positions(Stage::Latents, 4..15);
        let gathered = ops.gather(&x, &positions, 1);
        // The same rows by way of tokens_at, some of them forgotten before.
        let some = ops.positions(Stage::Latents, 6..9);
        let given = ops.positions(Stage::Lists, 2..5);
        ops.reopen(&some, &given);
        let tokens = ops.tokens_at(&positions);
        let x = ops.embed(self.table, &tokens, self.codes);
        ops.join_segments(&gathered, &x, 1)
    }
}

#[test]
fn embeddings_and_moved_tokens_equal_the_reference_exactly() {
    let Some(bench) = Bench::get() else { return };
    let two = Codes { first: 13, second: 5 };
    for (width, codes) in [(8, Codes::single(64)), (24, two), (50, Codes::single(64)), (50, two)] {
        let name = format!("embed of {codes:?}, gather, reopen and tokens_at {width}");
        bench.check(&name, 0.0, EmbedCase { width, codes, table: ParamId(0) });
    }
}

struct TokenCase {
    codes: Codes,
    guided: bool,
    scale: f32,
    temperature: f32,
    table: ParamId,
}

impl Case for TokenCase {
    fn declare(&mut self, table: &mut ParamTable) {
        self.table = table.add("table", [self.codes.tokens().max(65), 8], Init::Zeros, Role::Table);
    }

    fn temperature(&self) -> f32 {
        self.temperature
    }

    fn run<O: SampleOps>(&self, ops: &mut O) -> O::Tensor {
        let positions = ops.positions(Stage::Tokens, 2..33);
        let rows = if self.guided { 62 } else { 31 };
        let values = common::numbers(6, rows * self.codes.rows());
        // Few different values, so that at temperature 0 the largest one stands several times.
        let values: Vec<f32> = values.iter().map(|value| (self.scale * value).round()).collect();
        let logits = ops.constant(&values, [rows, self.codes.rows()]);
        ops.sample_tokens(&logits, &positions, self.codes, self.guided, 0);
        // Each token has a different row, so equal rows are equal tokens.
        let tokens = ops.token_grid();
        ops.embed(self.table, &tokens, Codes::single(self.codes.tokens()))
    }
}

#[test]
fn sampled_tokens_equal_the_reference() {
    let Some(bench) = Bench::get() else { return };
    for (first, second, guided, scale, temperature) in [
        (64, 1, false, 2.0, 0.9),
        (1024, 1, true, 5.0, 0.9),
        (16, 1, true, 0.0, 0.9),
        (80, 1, false, 0.0, 0.9),
        (208, 1, false, 3.0, 0.0),
        (1024, 1, true, 3.0, 0.0),
        (16, 16, false, 2.0, 0.9),
        (80, 48, true, 3.0, 0.0),
        (48, 208, true, 0.0, 0.9),
    ] {
        let codes = Codes { first, second };
        let case = TokenCase { codes, guided, scale, temperature, table: ParamId(0) };
        let name =
            format!("sample_tokens of {first} and {second}, guided {guided}, {scale}, temperature {temperature}");
        bench.check(&name, 0.0, case);
    }
}
