//! What an expanded formula tells about its variables, and the check of arrays against it.

use crate::error::{Error, shape};
use crate::input::{Argument, Mismatch};

/// Which index of `F(i, j)` a variable follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// One value per row `i`.
    I,
    /// One value per column `j`.
    J,
    /// One value for the whole call.
    Param,
}

impl Category {
    /// The category as it is written in a formula.
    pub fn keyword(self) -> &'static str {
        match self {
            Category::I => "Vi",
            Category::J => "Vj",
            Category::Param => "Pm",
        }
    }
}

/// One variable of a formula.
#[derive(Clone, Copy, Debug)]
pub struct AliasInfo {
    /// Its name.
    pub name: &'static str,
    /// The index that it follows.
    pub category: Category,
    /// Its number of components, at least 1.
    pub dim: usize,
}

/// A compiled formula as seen from outside.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// The formula as compiled.
    pub formula: &'static str,
    /// Its variables, in the order in which `bind` takes the arrays.
    pub aliases: &'static [AliasInfo],
    /// Number of components of its value.
    pub out_dim: usize,
}

/// The numbers of points `i` and `j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) i: usize,
    pub(crate) j: usize,
}

impl Signature {
    /// Checks the bound arrays, one per alias, and returns the numbers of points. A category without any variable has
    /// one point.
    ///
    /// # Errors
    /// [`Error::Columns`], [`Error::FlatLength`], [`Error::Parameter`] for an array that does not fit its variable,
    /// [`Error::Rows`] for one whose number of rows is not that of its category.
    pub(crate) fn check(&self, arguments: &[Argument<'_>]) -> Result<Sizes, Error> {
        for (alias, argument) in self.aliases.iter().zip(arguments) {
            alias.check(argument)?;
        }
        Ok(Sizes {
            i: self.points(arguments, Category::I)?,
            j: self.points(arguments, Category::J)?,
        })
    }

    /// Components of the variables of a category together, without those of the unknown, if there is one.
    pub(crate) fn components(&self, category: Category, unknown: Option<usize>) -> usize {
        let variables = self.aliases.iter().enumerate();
        variables
            .filter(|(position, alias)| alias.category == category && Some(*position) != unknown)
            .map(|(_, alias)| alias.dim)
            .sum()
    }

    /// The number of points of a category, on which all its variables must agree.
    fn points(&self, arguments: &[Argument<'_>], category: Category) -> Result<usize, Error> {
        let mut first: Option<(&AliasInfo, usize)> = None;
        for (alias, argument) in self.aliases.iter().zip(arguments) {
            if alias.category != category {
                continue;
            }
            let Argument::Points(points) = argument else {
                continue;
            };
            let found = points.rows();
            match first {
                None => first = Some((alias, found)),
                Some((other, expected)) if expected != found => {
                    return Err(Error::Rows {
                        alias: alias.name.into(),
                        category: category.keyword(),
                        other: other.name.into(),
                        expected,
                        found,
                    });
                }
                Some(_) => {}
            }
        }
        Ok(first.map_or(1, |(_, rows)| rows))
    }
}

impl AliasInfo {
    /// The same variable by another name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Checks the array of one variable by itself.
    pub(crate) fn check(&self, argument: &Argument<'_>) -> Result<(), Error> {
        let alias = || self.name.to_owned();
        let category = self.category.keyword();
        let expected = self.dim;
        match argument {
            Argument::Points(points) if points.columns() == expected => Ok(()),
            Argument::Points(points) => Err(Error::Columns {
                alias: alias(),
                category,
                expected,
                shape: shape(&[points.rows(), points.columns()]),
            }),
            Argument::Params(values) if values.len() == expected => Ok(()),
            Argument::Params(values) => Err(Error::Parameter {
                alias: alias(),
                expected,
                found: values.len(),
            }),
            &Argument::Mismatch(Mismatch::Params { length }) => Err(Error::Parameter {
                alias: alias(),
                expected,
                found: length,
            }),
            &Argument::Mismatch(Mismatch::Vector { length }) => Err(Error::Columns {
                alias: alias(),
                category,
                expected,
                shape: shape(&[length]),
            }),
            &Argument::Mismatch(Mismatch::Flat { length }) => Err(Error::FlatLength {
                alias: alias(),
                category,
                expected,
                length,
            }),
        }
    }
}
