//! A recipe as one line, `brick?seed=7&size=256x256`: for paths.

use super::recipe::{Recipe, RecipeError, Tiling};
use std::str::FromStr;

/// Fields that a query may set.
const FIELDS: &str = "seed, detail_seed, size, tiling, style, layout, layout_share, guidance, token_guidance, \
                      token_temperature, latent_temperature, token_rounds, latent_rounds, flow_steps, style_seed, \
                      style_row";

impl Recipe {
    /// Reads `CLASS?FIELD=VALUE&FIELD=VALUE`; what is not named has its default. Fields are those of [`Recipe`] but
    /// `tokens`, `blends` and `edits`, which a file may have; `size` is `WIDTHxHEIGHT` in pixels, `tiling` is `both`, `x`,
    /// `y` or `none`, and the numbers of `style_row` stand between commas.
    ///
    /// ```
    /// # use bevy_discon::sampling::Recipe;
    /// let recipe = Recipe::from_query("brick?seed=7&size=256x128")?;
    /// assert_eq!(recipe, Recipe::new("brick").with_seed(7).with_size(256, 128));
    /// # Ok::<(), bevy_discon::sampling::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// The field that is unknown, twice there, no number or out of range, with what is allowed.
    pub fn from_query(query: &str) -> Result<Self, RecipeError> {
        let (class, fields) = query.split_once('?').unwrap_or((query, ""));
        let mut recipe = Self::new(class);
        let mut seen: Vec<&str> = Vec::new();
        for field in fields.split('&').filter(|field| !field.is_empty()) {
            let error = |message: String| RecipeError::Syntax { origin: query.into(), message };
            let (name, value) =
                field.split_once('=').ok_or_else(|| error(format!("`{field}` has no value, expected FIELD=VALUE")))?;
            if seen.contains(&name) {
                return Err(error(format!("`{name}` is there twice")));
            }
            seen.push(name);
            recipe.set(name, value).map_err(error)?;
        }
        recipe.check_ranges()?;
        Ok(recipe)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "seed" => self.seed = number(name, value)?,
            "detail_seed" => self.detail_seed = Some(number(name, value)?),
            "size" => {
                let expected = || format!("`size` is {value}, expected WIDTHxHEIGHT, for example 256x256");
                let (width, height) = value.split_once('x').ok_or_else(expected)?;
                self.size = (number("size", width)?, number("size", height)?);
            }
            "tiling" => {
                self.tiling = match value {
                    "both" => Tiling::Both,
                    "x" => Tiling::X,
                    "y" => Tiling::Y,
                    "none" => Tiling::None,
                    _ => return Err(format!("`tiling` is {value}, expected both, x, y or none")),
                }
            }
            "style" => self.style = Some(number(name, value)?),
            "style_seed" => self.style_seed = Some(number(name, value)?),
            "style_row" => {
                let row: Result<_, String> = value.split(',').map(|value| number(name, value)).collect();
                self.style_row = Some(row?);
            }
            "layout" => self.layout = Some(number(name, value)?),
            "layout_share" => self.layout_share = number(name, value)?,
            "token_guidance" => self.token_guidance = number(name, value)?,
            "guidance" => self.guidance = number(name, value)?,
            "token_temperature" => self.token_temperature = number(name, value)?,
            "latent_temperature" => self.latent_temperature = number(name, value)?,
            "token_rounds" => self.token_rounds = number(name, value)?,
            "latent_rounds" => self.latent_rounds = number(name, value)?,
            "flow_steps" => self.flow_steps = number(name, value)?,
            _ => return Err(format!("`{name}` is no field of a recipe, expected one of {FIELDS}")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{name}` is {value}, expected a number in the range of the field"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_can_be_set() {
        let query = "moss?seed=18446744073709551615&detail_seed=2&size=128x64&tiling=x&style=3&layout=4&layout_share=0.5\
                     &guidance=2.5&token_guidance=1.5\
                     &token_temperature=0.5&latent_temperature=0&token_rounds=3&latent_rounds=2&flow_steps=1\
                     &style_seed=5";
        let mut expected = Recipe::new("moss").with_seed(u64::MAX).with_size(128, 64);
        (expected.detail_seed, expected.style_seed) = (Some(2), Some(5));
        expected.tiling = Tiling::X;
        expected.style = Some(3);
        (expected.layout, expected.layout_share) = (Some(4), 0.5);
        (expected.guidance, expected.token_guidance) = (2.5, 1.5);
        expected.token_temperature = 0.5;
        expected.latent_temperature = 0.0;
        (expected.token_rounds, expected.latent_rounds, expected.flow_steps) = (3, 2, 1);
        assert_eq!(Recipe::from_query(query), Ok(expected));
        let expected = Recipe { style_row: Some(vec![0.5, -1.0, 2e-3]), ..Recipe::new("brick") };
        assert_eq!(Recipe::from_query("brick?style_row=0.5,-1,0.002"), Ok(expected));
        assert_eq!(Recipe::from_query("brick"), Ok(Recipe::new("brick")));
        assert_eq!(Recipe::from_query("brick?"), Ok(Recipe::new("brick")));
    }

    #[test]
    fn errors_name_the_field_and_what_is_allowed() {
        for (query, expected) in [
            ("brick?sed=7", ["`sed`", "detail_seed"]),
            ("brick?seed", ["`seed`", "FIELD=VALUE"]),
            ("brick?seed=-1", ["`seed`", "-1"]),
            ("brick?seed=1&seed=2", ["`seed`", "twice"]),
            ("brick?size=256", ["`size`", "WIDTHxHEIGHT"]),
            ("brick?size=250x256", ["width", "a multiple of 16 from 64 to 1024"]),
            ("brick?guidance=NaN", ["`guidance`", "1 to 8"]),
            ("brick?flow_steps=65", ["`flow_steps`", "1 to 64"]),
            ("brick?tiling=z", ["`tiling`", "both, x, y or none"]),
            ("brick?style_row=1,,2", ["`style_row`", "a number"]),
            ("brick?style_row=1,inf", ["`style_row`", "-64 to 64"]),
            ("brick?style_row=1&style=2", ["`style_row`", "one of the two"]),
            ("brick?tokens=1", ["`tokens`", "style_seed, style_row"]),
            ("?seed=1", ["`class`", "name"]),
        ] {
            let error = Recipe::from_query(query).expect_err("the query is wrong").to_string();
            assert!(expected.iter().all(|part| error.contains(part)), "{query}: {error}");
        }
    }
}
