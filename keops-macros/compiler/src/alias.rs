//! The variables of a formula: what an alias list declares.

use std::fmt;

/// What a variable depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// `Vi`: one vector for each row i.
    I,
    /// `Vj`: one vector for each column j.
    J,
    /// `Pm`: one vector for the whole call.
    Param,
}

impl Category {
    /// All categories, in the order of KeOps' numbers 0, 1, 2.
    pub const ALL: [Self; 3] = [Self::I, Self::J, Self::Param];

    /// The name in alias lists: `Vi`, `Vj` or `Pm`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I => "Vi",
            Self::J => "Vj",
            Self::Param => "Pm",
        }
    }

    /// The category called `name`, in exactly this spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.name() == name)
    }

    /// The category with KeOps' number, as in `Var(pos, dim, cat)`: 0 for i, 1 for j, 2 for parameters.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number).copied())
    }

    /// The category after i and j have changed places.
    pub const fn exchanged(self) -> Self {
        match self {
            Self::I => Self::J,
            Self::J => Self::I,
            Self::Param => Self::Param,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A named variable: `name = Vi(dim)`, `name = Vj(dim)` or `name = Pm(dim)`. Its place in the list is its place in `bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name that formulas use.
    pub name: String,
    /// What it depends on.
    pub category: Category,
    /// The length of its vectors, at least 1.
    pub dim: usize,
}
