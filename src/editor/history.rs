//! Undo and redo.

use crate::sampling::Recipe;

/// Recipes that are remembered in each direction.
const LIMIT: usize = 200;

/// Recipes before and after the present one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    past: Vec<Recipe>,
    future: Vec<Recipe>,
    /// The drag that made the last entry: all of its changes are one.
    group: Option<u64>,
}

impl History {
    /// Notes that `before` was changed. Changes of one `group` are undone together.
    pub fn record(&mut self, before: Recipe, group: Option<u64>) {
        self.future.clear();
        if group.is_some() && group == self.group {
            return;
        }
        self.group = group;
        self.past.push(before);
        if self.past.len() > LIMIT {
            self.past.remove(0);
        }
    }

    /// Ends a group: the next change is one of its own.
    pub fn end_group(&mut self) {
        self.group = None;
    }

    /// The recipe before the last change, in exchange for the present one.
    pub fn undo(&mut self, present: &Recipe) -> Option<Recipe> {
        self.end_group();
        let recipe = self.past.pop()?;
        self.future.push(present.clone());
        Some(recipe)
    }

    /// The recipe that the last undo took away, in exchange for the present one.
    pub fn redo(&mut self, present: &Recipe) -> Option<Recipe> {
        self.end_group();
        let recipe = self.future.pop()?;
        self.past.push(present.clone());
        Some(recipe)
    }

    /// Recipes that can be gone back to, the oldest first.
    pub fn past(&self) -> &[Recipe] {
        &self.past
    }

    /// Number of changes that can be done again.
    pub fn redoable(&self) -> usize {
        self.future.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_drag_are_undone_together() {
        let recipe = |seed| Recipe::new("brick").with_seed(seed);
        let mut history = History::default();
        for seed in 0..5 {
            history.record(recipe(seed), Some(1));
        }
        history.record(recipe(5), None);
        assert_eq!(history.undo(&recipe(6)), Some(recipe(5)));
        assert_eq!(history.undo(&recipe(5)), Some(recipe(0)));
        assert_eq!(history.undo(&recipe(0)), None);
        assert_eq!(history.redo(&recipe(0)), Some(recipe(5)));
        history.record(recipe(5), None);
        assert_eq!(history.redo(&recipe(7)), None, "a change ends what could be done again");
    }
}
