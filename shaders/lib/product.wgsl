// What `linear` and `conv3x3` share: y = activation(x W + b) + residual.
//
//   x          (rows, inputs), or pixels (rows, inputs) of grids for conv3x3
//   weight     packed halves: [block of 16 columns][k / 2][8][2], each u32 = (half k, half k + 1) of one column;
//              k counts to `terms`, a multiple of 8; columns and terms past the matrix are zeros
//   bias       (outputs)
//   residual   (rows, outputs)
//   y          (rows, outputs)

struct Params {
    rows: u32,
    inputs: u32,
    // Length of the sum, padded: inputs or 9 * inputs, up to a multiple of 8.
    terms: u32,
    outputs: u32,
    silu: u32,
    has_bias: u32,
    has_residual: u32,
    // conv3x3 only: the grid.
    height: u32,
    width: u32,
    wrap_y: u32,
    wrap_x: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

// The bias of a column, or 0.
fn bias_of(column: u32) -> f32 {
    if params.has_bias == 0u || column >= params.outputs {
        return 0.0;
    }
    return bias[column];
}

// Ends one value of the output; the sum includes the bias.
fn store(row: u32, column: u32, sum: f32) {
    if row >= params.rows || column >= params.outputs {
        return;
    }
    var value = sum;
    if params.silu != 0u {
        value = value / (1.0 + exp(-value));
    }
    let at = row * params.outputs + column;
    if params.has_residual != 0u {
        value += residual[at];
    }
    y[at] = value;
}
