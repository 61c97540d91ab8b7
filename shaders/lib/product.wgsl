// What `linear` and `conv3x3` share: y = gate * activation(x W + b) + residual; without a gate, as if it were 1.
//
//   x          (rows, inputs), or pixels (rows, inputs) of grids for conv3x3
//   weight     packed halves: [block of 16 columns][k / 2][8][2], each u32 = (half k, half k + 1) of one column;
//              k counts to `terms`, a multiple of 8; columns and terms past the matrix are zeros
//   bias       (outputs)
//   residual   (rows, outputs)
//   gate       (rows, gate_width), from column gate_at
//   y          (rows, outputs), or moved between space and depth, see `place`

struct Params {
    rows: u32,
    inputs: u32,
    // Length of the sum, padded: inputs or 9 * inputs, up to a multiple of 8.
    terms: u32,
    outputs: u32,
    silu: u32,
    has_bias: u32,
    has_residual: u32,
    // conv3x3: the grid. Of it, `width` is set for moves too.
    height: u32,
    width: u32,
    wrap_y: u32,
    wrap_x: u32,
    // 0 without a gate.
    gate_width: u32,
    gate_at: u32,
    // Each row becomes finer x finer rows, then coarser x coarser rows become one.
    finer: u32,
    coarser: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read> gate: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

// The bias of a column, or 0.
fn bias_of(column: u32) -> f32 {
    if params.has_bias == 0u || column >= params.outputs {
        return 0.0;
    }
    return bias[column];
}

// Ends one value of the output; the sum includes the bias.
fn store(row: u32, column: u32, sum: f32) {
    // In front of all branches, so that compilers divide once per row and once per column.
    let to = place(row, column);
    if row >= params.rows || column >= params.outputs {
        return;
    }
    var value = sum;
    if params.silu != 0u {
        value = value / (1.0 + exp(-value));
    }
    if params.gate_width != 0u {
        value *= gate[row * params.gate_width + params.gate_at + column];
    }
    if params.has_residual != 0u {
        value += residual[row * params.outputs + column];
    }
    y[to] = value;
}

// Where a value is stored. Columns of a row that becomes finer are ordered (dy, dx, channel), and so are those of rows that
// become one.
fn place(row: u32, column: u32) -> u32 {
    if !MOVES {
        return row * params.outputs + column;
    }
    let channels = params.outputs / (params.finer * params.finer);
    let block = column / channels;
    // `coarser` divides `finer`, or `finer` is 1 and the second part 0: their lines and columns never carry.
    let of_row = spot(row / params.width * params.finer, row % params.width * params.finer);
    return (of_row + spot(block / params.finer, block % params.finer)) * channels + column % channels;
}

// Number of a place of the finer grid in the order of the coarser one.
fn spot(line: u32, across: u32) -> u32 {
    let c = params.coarser;
    return (line / c * (params.width * params.finer / c) + across / c) * c * c + line % c * c + across % c;
}
