//! Prints the kernel that a formula compiles to: `cargo run -p keops-compiler --example show -- "Exp(-g*SqDist(x,y))*b" "x=Vi(3)" "y=Vj(3)" "b=Vj(1)" "g=Pm(1)"`.

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::{emit, parse::parse};
use proc_macro2::{Ident, Span};
use quote::quote;

fn alias(text: &str) -> Option<Alias> {
    let (name, rest) = text.split_once('=')?;
    let (category, dim) = rest.strip_suffix(')')?.split_once('(')?;
    Some(Alias {
        name: name.to_owned(),
        category: Category::from_name(category)?,
        dim: dim.parse().ok()?,
    })
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(text) = arguments.next() else {
        eprintln!("usage: show FORMULA NAME=Vi(DIM) ..");
        return;
    };
    let aliases: Vec<Alias> = arguments.filter_map(|argument| alias(&argument)).collect();
    let formula = parse(&text).and_then(|tree| Formula::new(&tree, &aliases, &[]));
    match formula {
        Err(error) => eprintln!("{}", error.render(&text)),
        Ok(formula) => {
            let name = Ident::new("Formula", Span::call_site());
            println!(
                "{}",
                emit::kernel(
                    &formula.program(),
                    &name,
                    &quote!(runtime),
                    None,
                    formula.distance().as_ref()
                )
            );
        }
    }
}
