//! Weights that a run takes from another model.

use super::TrainError;
use crate::model::{Model, ParamTable, Weights};
use std::path::Path;

/// Parameters that have rows or columns for codes.
const CODES: [&str; 5] =
    ["mar.tokens", "prior.tokens", "tokenizer.codebook.centres", "prior.logits.weight", "prior.logits.bias"];

/// Copies the parameters with these prefixes from the model in `folder`; those that it lacks keep their fresh values, so that
/// a model can grow by parts that start as "no change". So it can by second codes, whose rows and columns are zeros then.
///
/// # Errors
/// A model that cannot be read, or a parameter of another shape.
pub fn copy_weights(
    folder: &Path,
    prefixes: &[&str],
    table: &ParamTable,
    weights: &mut Weights,
) -> Result<(), TrainError> {
    let other = Model::load(folder)?;
    let mut fresh = Vec::new();
    for (id, spec) in table.iter().filter(|(_, spec)| prefixes.iter().any(|prefix| spec.name.starts_with(prefix))) {
        let Some((found, found_spec)) = other.table.iter().find(|(_, found)| found.name == spec.name) else {
            fresh.push(spec.name.as_str());
            continue;
        };
        let grows = other.discon.config.codes().second == 1 && CODES.contains(&spec.name.as_str());
        if grows && (0..2).all(|axis| found_spec.shape[axis] <= spec.shape[axis]) {
            let values = weights.get_mut(id);
            values.fill(0.0);
            let rows =
                values.chunks_exact_mut(spec.shape[1]).zip(other.weights.get(found).chunks_exact(found_spec.shape[1]));
            rows.for_each(|(to, from)| to[..from.len()].copy_from_slice(from));
            continue;
        }
        if found_spec.shape != spec.shape {
            return Err(TrainError::Checkpoint {
                path: folder.into(),
                name: spec.name.clone(),
                found: format!("{:?}", found_spec.shape),
                expected: format!("{:?}, the size in this configuration", spec.shape),
            });
        }
        weights.get_mut(id).copy_from_slice(other.weights.get(found));
    }
    if let [first, ..] = fresh[..] {
        eprintln!("{} parameters are not in {} and start afresh, the first: {first}", fresh.len(), folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Discon, ModelConfig};

    #[test]
    fn a_model_of_one_code_grows_second_codes_that_say_nothing() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let old = Model::new(&ModelConfig::tiny(&["brick"]), None, 1).expect("the preset is valid");
        old.save(folder.path()).expect("the folder can be written");
        let mut config = ModelConfig::tiny(&["brick"]);
        config.tokenizer.second_codes = 16;
        let (_, table) = Discon::declare(&config).expect("the sizes are valid");
        let mut weights = Weights::fresh(&table, 2);
        copy_weights(folder.path(), &["tokenizer.", "prior.", "mar."], &table, &mut weights).expect("it fits");
        for name in CODES {
            let (id, before) = (table.find(name).expect("declared"), old.table.find(name).expect("declared"));
            let [(new, wide), (old, narrow)] =
                [(weights.get(id), table.spec(id).shape), (old.weights.get(before), old.table.spec(before).shape)];
            assert!(new.len() > old.len(), "{name}");
            for (at, value) in new.iter().enumerate() {
                let (row, column) = (at / wide[1], at % wide[1]);
                let known = row < narrow[0] && column < narrow[1];
                let expected = if known { old[row * narrow[1] + column] } else { 0.0 };
                assert_eq!(*value, expected, "{name}, row {row}, column {column}");
            }
        }
        // The other way round a code would be lost.
        let smaller = Discon::declare(&ModelConfig::tiny(&["brick"])).expect("the preset is valid").1;
        Model::new(&config, Some(weights), 0).expect("the sizes are valid").save(folder.path()).expect("it is written");
        let mut weights = Weights::fresh(&smaller, 3);
        let error = copy_weights(folder.path(), &["mar."], &smaller, &mut weights).expect_err("the sizes differ");
        assert!(error.to_string().contains("mar.tokens"), "{error}");
    }
}
