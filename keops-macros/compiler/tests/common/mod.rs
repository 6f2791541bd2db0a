//! Formulas for tests.

#![allow(dead_code, reason = "each test uses a part of these")]

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;

/// `x:i3 y:j3 b:j2 g:p1`
pub(crate) fn aliases(text: &str) -> Vec<Alias> {
    text.split_whitespace()
        .map(|item| {
            let (name, kind) = item.split_once(':').expect("name:kind");
            let category = match &kind[..1] {
                "i" => Category::I,
                "j" => Category::J,
                _ => Category::Param,
            };
            Alias {
                name: name.to_owned(),
                category,
                dim: kind[1..].parse().expect("a dimension"),
            }
        })
        .collect()
}

/// The formula over these aliases.
pub(crate) fn compile(text: &str, aliases: &[Alias]) -> Formula {
    parse(text)
        .and_then(|tree| Formula::new(&tree, aliases, &[]))
        .unwrap_or_else(|error| panic!("{}", error.render(text)))
}

/// The formula over the variables that [`aliases`] reads.
pub(crate) fn formula(text: &str, variables: &str) -> Formula {
    compile(text, &aliases(variables))
}
