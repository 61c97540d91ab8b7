//! Parts of a bake.

use super::BakeError;
use std::str::FromStr;

/// One of several equal parts of a bake, `I/N` with I from 1 to N.
///
/// A recipe belongs to a part by the hash of its name alone: the parts are disjoint and complete, on every machine, and a
/// new recipe moves no other one.
///
/// ```
/// # use bevy_discon::bake::Shard;
/// let shards = ["1/3", "2/3", "3/3"].map(|text| text.parse::<Shard>());
/// let holders = shards.into_iter().filter(|shard| shard.as_ref().is_ok_and(|shard| shard.contains("walls/brick")));
/// assert_eq!(holders.count(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// The whole.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Whether a recipe belongs to this part.
    pub fn contains(&self, name: &str) -> bool {
        let hash = blake3::hash(name.as_bytes());
        let (first, _) = hash.as_bytes().split_at(8);
        let number = first.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        number % self.count == self.index
    }
}

impl FromStr for Shard {
    type Err = BakeError;

    fn from_str(text: &str) -> Result<Self, BakeError> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index: index - 1, count }),
            _ => Err(BakeError::Shard(text.into())),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.index + 1, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_shard_is_refused_with_what_was_expected() {
        for text in ["", "1", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/5", "1/99999999999999999999"] {
            let error = text.parse::<Shard>().expect_err("the text is wrong").to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("I from 1 to N"), "{error}");
        }
        assert_eq!("2/7".parse::<Shard>().map(|shard| shard.to_string()).ok().as_deref(), Some("2/7"));
    }
}
