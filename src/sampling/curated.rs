//! Lists of the only recipes that a build may make.

use super::recipe::{Recipe, RecipeError};
use crate::files::read_limited;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Most bytes of a list: 16 MiB, some hundred thousand recipes.
const MAX_BYTES: u64 = 1 << 24;

/// BLAKE3 digest of a recipe: equal recipes, in whichever form they are written, have equal digests. Its text is 64
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipeDigest([u8; 32]);

impl RecipeDigest {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RecipeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for RecipeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecipeDigest({self})")
    }
}

impl FromStr for RecipeDigest {
    type Err = CuratedError;

    fn from_str(text: &str) -> Result<Self, CuratedError> {
        let digest = blake3::Hash::from_hex(text).map_err(|_| CuratedError::Digest(text.into()))?;
        Ok(Self(*digest.as_bytes()))
    }
}

impl Recipe {
    /// The digest of all fields, tokens, blends and edits included.
    pub fn digest(&self) -> RecipeDigest {
        RecipeDigest(*blake3::hash(self.to_ron().as_bytes()).as_bytes())
    }
}

/// A file that is no list.
#[derive(Debug, thiserror::Error)]
pub enum CuratedError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is no list.
    #[error("{origin}: {message}; expected a map from digests of recipes to names, as `discon-bake curate` writes it")]
    Syntax {
        /// File or other origin of the text.
        origin: String,
        /// Position and reason.
        message: String,
    },
    /// A key is no digest.
    #[error("`{0}` is no digest of a recipe, expected 64 hexadecimal digits")]
    Digest(String),
}

/// Digests of recipes, each with a name for people.
///
/// A build with such a list makes these recipes and no others, whatever players, mods or network peers ask for: see
/// [`DisconPlugin::curated`](crate::plugin::DisconPlugin::curated) and `discon-bake --curated`. Its text form is a RON
/// map, `{"DIGEST": "name"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CuratedList(BTreeMap<RecipeDigest, String>);

impl CuratedList {
    /// Adds a recipe; an equal one keeps its first name. Gives whether it is new.
    pub fn add(&mut self, name: impl Into<String>, recipe: &Recipe) -> bool {
        let known = self.0.len();
        self.0.entry(recipe.digest()).or_insert_with(|| name.into());
        self.0.len() > known
    }

    /// The name of a recipe on the list.
    pub fn name(&self, digest: RecipeDigest) -> Option<&str> {
        self.0.get(&digest).map(String::as_str)
    }

    /// Number of recipes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if every recipe is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a recipe that is not on the list.
    ///
    /// # Errors
    /// [`RecipeError::NotCurated`], with the digest that would have to be on the list.
    pub fn check(&self, recipe: &Recipe) -> Result<(), RecipeError> {
        let digest = recipe.digest();
        if self.0.contains_key(&digest) {
            return Ok(());
        }
        let (class, seed, listed) = (recipe.class.clone(), recipe.seed, self.len());
        Err(RecipeError::NotCurated { class, seed, digest: digest.to_string(), listed })
    }

    /// Reads the text form, for example of `include_str!`; `origin` stands in messages.
    ///
    /// # Errors
    /// Position and reason.
    pub fn parse(text: &str, origin: &str) -> Result<Self, CuratedError> {
        let syntax = |message: String| CuratedError::Syntax { origin: origin.into(), message };
        let entries: BTreeMap<String, String> = ron::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let entry = |(digest, name): (String, String)| match digest.parse::<RecipeDigest>() {
            Ok(digest) => Ok((digest, name)),
            Err(error) => Err(syntax(error.to_string())),
        };
        Ok(Self(entries.into_iter().map(entry).collect::<Result<_, _>>()?))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// File, position and reason; also a file of more than 16 MiB.
    pub fn load(path: &Path) -> Result<Self, CuratedError> {
        let read = |source| CuratedError::Read { path: path.into(), source };
        let bytes = read_limited(path, MAX_BYTES).map_err(read)?;
        let origin = path.display().to_string();
        let text = String::from_utf8(bytes)
            .map_err(|error| CuratedError::Syntax { origin: origin.clone(), message: error.to_string() })?;
        Self::parse(&text, &origin)
    }

    /// The text form, one line for each recipe.
    pub fn to_ron(&self) -> String {
        let entries: BTreeMap<String, &String> = self.0.iter().map(|(key, name)| (key.to_string(), name)).collect();
        let text = ron::ser::to_string_pretty(&entries, ron::ser::PrettyConfig::default());
        text.unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> CuratedList {
        let mut list = CuratedList::default();
        assert!(list.add("wall", &Recipe::new("brick")) && list.add("floor \"old\"", &Recipe::new("moss")));
        assert!(!list.add("again", &Recipe::new("brick")), "an equal recipe");
        list
    }

    #[test]
    fn what_is_written_is_read_and_every_field_counts() {
        let list = CuratedList::parse(&list().to_ron(), "memory").expect("it was written by us");
        assert_eq!(list, self::list());
        assert_eq!(list.name(Recipe::new("brick").digest()), Some("wall"));
        assert!(list.check(&Recipe::new("moss")).is_ok());
        let recipe = Recipe::new("brick");
        let binary = recipe.to_bytes().and_then(|bytes| Recipe::from_bytes(&bytes)).expect("the recipe is sound");
        assert!(list.check(&binary).is_ok(), "the form does not matter");
        for other in [
            recipe.clone().with_seed(1),
            recipe.clone().with_size(128, 128),
            recipe.clone().with_tokens(vec![0; 256]),
            Recipe { flow_steps: 7, ..recipe.clone() },
            Recipe { style_seed: Some(0), ..recipe },
        ] {
            let reason = list.check(&other).expect_err("it is not on the list").to_string();
            let parts = ["\"brick\"", &other.digest().to_string(), "2 recipes"];
            assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
        }
    }

    #[test]
    fn other_files_are_explained() {
        for (text, part) in [
            ("{", "a.ron: 1:"),
            ("{\"12\": \"wall\"}", "64 hexadecimal digits"),
            ("[1]", "discon-bake curate"),
            ("", "a.ron: 1:1"),
        ] {
            let reason = CuratedList::parse(text, "a.ron").expect_err("it is no list").to_string();
            assert!(reason.contains(part), "{reason}");
        }
        let reason = CuratedList::load(Path::new("no/such.ron")).expect_err("it is missing").to_string();
        assert!(reason.starts_with("no/such.ron: "), "{reason}");
    }
}
