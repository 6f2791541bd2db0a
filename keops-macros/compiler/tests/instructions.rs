//! How many core instructions formulas come down to, in each stage: a regression shows here without a clock.

use std::fmt::Write;

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;

const GOLDEN: &str = "tests/instructions.txt";

/// Formulas over x = Vi(3), y = Vj(3), b = Vj(1), e = Vi(1), g = Pm(1), or in D dimensions instead of 3.
const FORMULAS: &[(&str, usize)] = &[
    ("Exp(-g*SqDist(x,y))*b", 3),
    ("Exp(-SqDist(x,y)/(2*Square(g)))*b", 3),
    ("Exp(-g*Norm2(x-y))*b", 3),
    ("Inv(1+g*SqDist(x,y))*b", 3),
    ("Rsqrt(1+g*SqDist(x,y))*b", 3),
    ("(1+g*Norm2(x-y))*Exp(-g*Norm2(x-y))*b", 3),
    (
        "(1+g*Norm2(x-y)+Square(g*Norm2(x-y))/3)*Exp(-g*Norm2(x-y))*b",
        3,
    ),
    ("Pow((x|y)+1,3)*b", 3),
    ("Matern(SqDist(x,y)/Square(g),2.5)*b", 3),
    ("Matern(SqDist(x,y)/Square(g),0.7)*b", 3),
    ("Grad(Matern(SqDist(x,y)/Square(g),2.5)*b,x,e)", 3),
    ("Exp(-g*SqDist(x,y)-2*Square(Sin(3*Elem(x-y,0))))*b", 3),
    ("Exp(-g*SqDist(x,y))*Exp(-Square(Sin(Elem(x-y,0))))*b", 3),
    ("Grad(Exp(-g*SqDist(x,y))*b,x,e)", 3),
    ("Grad(Exp(-g*SqDist(x,y))*b,y,e)", 3),
    ("Grad(Exp(-g*SqDist(x,y))*b,g,e)", 3),
    ("Grad(Exp(-g*Norm2(x-y))*b,x,e)", 3),
    ("Grad(Grad(Exp(-g*SqDist(x,y))*b,x,e),x,y)", 3),
    ("Laplacian(Exp(-g*SqDist(x,y)),x)*b", 3),
    ("Exp(-g*SqDist(x,y))*b", 784),
    ("Grad(Exp(-g*SqDist(x,y))*b,x,e)", 784),
];

/// With `UPDATE_GOLDEN=1` in the environment the golden file is written instead.
#[test]
fn instructions_per_stage() {
    let mut counts = String::from("params    i    j  pair  formula, dimension\n");
    for &(text, dim) in FORMULAS {
        let alias = |name: &str, category, dim| Alias {
            name: name.to_owned(),
            category,
            dim,
        };
        let aliases = [
            alias("x", Category::I, dim),
            alias("y", Category::J, dim),
            alias("b", Category::J, 1),
            alias("e", Category::I, 1),
            alias("g", Category::Param, 1),
        ];
        let tree = parse(text).expect("a well-formed formula");
        let formula = Formula::new(&tree, &aliases, &[]);
        let program = formula
            .unwrap_or_else(|error| panic!("{}", error.render(text)))
            .program();
        let stages = [&program.params, &program.i, &program.j, &program.pair];
        let [params, i, j, pair] = stages.map(|graph| graph.instructions());
        let _ = writeln!(counts, "{params:6} {i:4} {j:4} {pair:5}  {text}, {dim}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &counts).expect("a writable golden file");
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        golden == counts,
        "instruction counts changed; if that is for the better, run \
         `UPDATE_GOLDEN=1 cargo test -p keops-compiler --test instructions`. Now:\n{counts}"
    );
}
