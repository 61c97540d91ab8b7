//! Parameters by name: the one place where a weight's name, shape and initial value are written.
//!
//! Layers declare what they need while the model is built; the checkpoint reader, the GPU upload and
//! the trainer all read the same [`ParamTable`]. `tests/golden` names them a second time, to be independent.

use serde::{Deserialize, Serialize};

/// Index of a parameter in its [`ParamTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub usize);

/// How a fresh parameter is filled before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros: the last map of every residual branch, so that a fresh network is its linear path.
    Zeros,
    /// All ones: norm gains.
    Ones,
    /// Normal with the given standard deviation.
    Normal(f32),
}

/// What a parameter is, which decides how the GPU stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Right-hand side of a product, shape `(inputs, outputs)`: f16, packed for the matmul kernels.
    Matrix,
    /// Rows that are looked up by index, shape `(entries, width)`: f16, row-major.
    Table,
    /// Biases, gains, attention offsets: f32, flat.
    Vector,
    /// Read by the host only (banks of styles and layouts, importance of channels); never uploaded.
    Host,
}

/// Name, shape, start value and role of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Dotted path, for example `prior.blocks.2.attention.query_key_value.weight`.
    pub name: String,
    /// Rows and columns; a vector has one row.
    pub shape: [usize; 2],
    /// Start value.
    pub init: Init,
    /// Storage on the GPU.
    pub role: Role,
}

impl ParamSpec {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// True if the parameter holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All parameters of a model in the order of their declaration.
#[derive(Clone, Debug, Default)]
pub struct ParamTable {
    specs: Vec<ParamSpec>,
    scope: Vec<String>,
}

impl ParamTable {
    /// Runs `declare` with `name` appended to the path of every parameter it adds.
    pub fn scope<R>(&mut self, name: impl Into<String>, declare: impl FnOnce(&mut Self) -> R) -> R {
        self.scope.push(name.into());
        let result = declare(self);
        self.scope.pop();
        result
    }

    /// Declares one parameter and returns its index.
    pub fn add(&mut self, name: &str, shape: [usize; 2], init: Init, role: Role) -> ParamId {
        let mut path = self.scope.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        self.specs.push(ParamSpec { name: path, shape, init, role });
        ParamId(self.specs.len() - 1)
    }

    /// The parameter `id`.
    pub fn spec(&self, id: ParamId) -> &ParamSpec {
        &self.specs[id.0]
    }

    /// All parameters in order of declaration.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ParamId, &ParamSpec)> {
        self.specs.iter().enumerate().map(|(index, spec)| (ParamId(index), spec))
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.specs.len()
    }

    /// True if nothing was declared.
    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    /// Sum of all parameter sizes, in values.
    pub fn value_count(&self) -> usize {
        self.specs.iter().map(ParamSpec::len).sum()
    }

    /// Index of the parameter called `name`.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.specs.iter().position(|spec| spec.name == name).map(ParamId)
    }
}
