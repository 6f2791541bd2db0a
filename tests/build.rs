//! Writes the conformance tests: one for each reference case whose operations and whose reduction exist.
//!
//! A formula that the compiler refuses becomes no test but an entry of the list `SKIPPED`, with the reason, so that one
//! missing operation is one line of the report and not a package that does not compile.
//!
//! It also writes the kernels of the test of accuracy, a few formulas of the reference in each.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::parse::parse;
use keops_compiler::reduction::Reduction;

// The library has this file too, and uses what is unused here.
#[allow(unreachable_pub, dead_code)]
#[path = "src/case.rs"]
mod case;
use case::Case;

/// The test binaries, and which cases they take: a case goes to the first that wants it.
const BINARIES: [(&str, fn(&Case) -> bool); 4] = [
    ("reductions", |case| case.name.starts_with("r_")),
    ("derivatives", |case| {
        let constructs = [
            "Grad",
            "Diff",
            "Divergence(",
            "Laplacian(",
            "TraceOperator(",
        ];
        constructs.iter().any(|name| case.formula.contains(name))
    }),
    ("vectors", |case| {
        let scalar = |alias: &case::Alias| alias.dim == 1 || alias.dim == 3;
        !case.aliases.iter().all(scalar)
    }),
    ("elementwise", |_| true),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/case.rs");
    println!("cargo::rerun-if-changed=data/cases.json");
    println!("cargo::rerun-if-changed=data/random.json");
    println!("cargo::rerun-if-changed=accuracy/reference.txt");
    println!("cargo::rerun-if-env-changed=KEOPS_ALL_ORDERS");
    let out = std::env::var("OUT_DIR")?;
    let cases = case::parse(&std::fs::read_to_string("data/cases.json")?)?;
    let mut binaries: BTreeMap<&str, String> = BINARIES
        .iter()
        .map(|&(name, _)| (name, String::new()))
        .collect();
    let mut skipped = String::new();
    let mut written = 0;
    for case in &cases {
        if let Err(reason) = accepted(case) {
            writeln!(skipped, "    ({:?}, {reason:?}),", case.name)?;
            continue;
        }
        let wanting = BINARIES.iter().find(|(_, wants)| wants(case));
        let tests = wanting.and_then(|(name, _)| binaries.get_mut(name));
        tests
            .ok_or("a case that no binary wants")?
            .push_str(&test(case, &["f64", "f32"])?);
        written += 1;
    }
    let random = case::parse(&std::fs::read_to_string("data/random.json")?)?;
    // Their values are as accurate as those of f64.
    let tests: Result<String, _> = random.iter().map(|case| test(case, &["f64"])).collect();
    std::fs::write(Path::new(&out).join("random.rs"), tests?)?;
    for (name, tests) in &binaries {
        std::fs::write(Path::new(&out).join(format!("{name}.rs")), tests)?;
    }
    let report = format!(
        "const WRITTEN: usize = {written};\nconst SKIPPED: &[(&str, &str)] = &[\n{skipped}];\n"
    );
    std::fs::write(Path::new(&out).join("report.rs"), report)?;
    let reference = std::fs::read_to_string("accuracy/reference.txt")?;
    std::fs::write(Path::new(&out).join("accuracy.rs"), accuracy(&reference))?;
    Ok(())
}

/// The formulas of the reference of accuracy that get kernels. Orders of `Matern` and `Polygamma` differ in coefficients alone, and kernels of all of them take a minute to compile:
/// without `KEOPS_ALL_ORDERS` every fourth is taken, and those for which there is a formula of their own.
fn measured(reference: &str) -> Vec<&str> {
    let all = std::env::var_os("KEOPS_ALL_ORDERS").is_some();
    let formulas = reference.lines().filter_map(|line| line.strip_prefix("= "));
    let ordered =
        |formula: &str| formula.starts_with("Matern(") || formula.starts_with("Polygamma(");
    let own = [
        "(x,0)", "(x,0.5)", "(x,0.73)", "(x,1)", "(x,1.5)", "(x,2.5)", "(x,3.5)", "(x,5)",
        "(x,32)", "(x,32.0)",
    ];
    let wanted = |&(n, formula): &(usize, &str)| {
        all || n % 4 == 0 || !ordered(formula) || own.iter().any(|order| formula.ends_with(order))
    };
    formulas
        .enumerate()
        .filter(wanted)
        .map(|(_, formula)| formula)
        .collect()
}

/// Functions that evaluate some of the formulas of the reference of accuracy together, which formulas these are, and how many of them are evaluated together.
fn accuracy(reference: &str) -> String {
    const TOGETHER: usize = 3;
    let formulas = measured(reference);
    let mut text =
        format!("const TOGETHER: usize = {TOGETHER};\nconst FORMULAS: &[&str] = &{formulas:?};\n");
    for element in ["f32", "f64"] {
        let mut arms = String::new();
        for (n, formulas) in formulas.chunks(TOGETHER).enumerate() {
            let mut all = formulas.iter().rev().map(|formula| formula.to_string());
            let last = all.next().unwrap_or_default();
            let concat = all.fold(last, |tail, formula| format!("Concat({formula},{tail})"));
            arms += &format!(
                "        {n} => genred!({concat:?}, x = Vi(1), y = Vi(1), axis = 1).bind(x, y).instruction_set(isa).run(),\n"
            );
        }
        text += &format!(
            "
fn values_{element}(
    chunk: usize, x: &[{element}], y: &[{element}], isa: InstructionSet,
) -> Result<Array2<{element}>, Error> {{
    match chunk {{
{arms}        _ => unreachable!(),
    }}
}}
"
        );
    }
    text
}

/// The name that `genred!` has for a reduction of KeOps.
fn reduction(case: &Case) -> String {
    case.reduction.replace('_', "")
}

/// Whether a test can be written for a case, or why not.
fn accepted(case: &Case) -> Result<(), String> {
    let reduction = reduction(case);
    if !Reduction::ALL.iter().any(|known| known.name() == reduction) {
        return Err(format!("no reduction {reduction}"));
    }
    let mut aliases = Vec::new();
    for alias in &case.aliases {
        aliases.push(Alias {
            name: alias.name.clone(),
            category: Category::from_name(&alias.category).ok_or("no such category")?,
            dim: alias.dim,
        });
    }
    for formula in std::iter::once(&case.formula).chain(&case.weights) {
        parse(formula)
            .and_then(|tree| Formula::new(&tree, &aliases, &[]))
            .map_err(|error| format!("{} in {formula}", error.message()))?;
    }
    Ok(())
}

/// The test of a case in some element types.
fn test(case: &Case, elements: &[&str]) -> Result<String, std::fmt::Error> {
    let Case {
        name,
        formula,
        axis,
        ..
    } = case;
    let mut options = String::new();
    for alias in &case.aliases {
        write!(
            options,
            ", {} = {}({})",
            alias.name, alias.category, alias.dim
        )?;
    }
    write!(options, ", reduction = {}", reduction(case))?;
    if let Some(k) = case.k {
        write!(options, "({k})")?;
    }
    if let Some(weights) = &case.weights {
        write!(options, ", weights = {weights:?}")?;
    }
    let arrays: Vec<String> = (0..case.aliases.len())
        .map(|n| format!("&a[{n}]"))
        .collect();
    let arrays = arrays.join(", ");
    let mut text = format!(
        "#[test]
fn r#{name}() {{
    let case = case({name:?});
    let formula = genred!({formula:?}{options}, axis = {axis});
"
    );
    for element in elements {
        writeln!(
            text,
            "    conforms::<{element}, _>(case, |a, isa| formula.bind({arrays}).instruction_set(isa).run());"
        )?;
    }
    text.push_str("}\n");
    Ok(text)
}
