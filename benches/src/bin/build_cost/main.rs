//! What formulas add to a release build of the crate that uses them.
//!
//! A crate without formulas is built, then the same crate with some, and the difference is divided by their number. Everything
//! that they depend on has been built before.

use lexopt::prelude::*;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

/// Kernels `k(x, y)` of points, with a parameter `g`.
const KERNELS: [&str; 20] = [
    "Exp(-g*SqDist(x,y))",
    "Exp(-g*Norm2(x-y))",
    "Inv(1+g*SqDist(x,y))",
    "Rsqrt(1+g*SqDist(x,y))",
    "(1+g*Norm2(x-y))*Exp(-g*Norm2(x-y))",
    "(1+g*Norm2(x-y)+g*g*SqDist(x,y)/3)*Exp(-g*Norm2(x-y))",
    "Sqrt(g+SqDist(x,y))",
    "g*(x|y)",
    "Square(1+g*(x|y))",
    "Exp(g*(x|y))",
    "Log(1+g*SqDist(x,y))",
    "Cos(g*Norm2(x-y))",
    "Powf(1+SqDist(x,y),-g)",
    "Tanh(1+g*(x|y))",
    "Exp(-g*Sum(Abs(x-y)))",
    "ReLU(1-g*Norm2(x-y))",
    "SqDist(x,y)*Log(g+SqDist(x,y))",
    "Exp(-Square(Sin(g*Norm2(x-y))))",
    "Exp(-SqDist(x,y))+g*Exp(-2*SqDist(x,y))",
    "1/(1+g*Norm2(x-y))",
];

/// Formulas of much code: special functions of vectors, their gradients, and Hessians.
const SPECIAL: [&str; 10] = [
    "Matern(g*SqDist(x,y),0.7)",
    "Grad(Matern(g*SqDist(x,y),0.7),x,1)",
    "GradMatrix(Grad(Matern(SqDist(x,y),0.7),x,1),x)",
    "Sum(BesselK(x+y,1.3))",
    "Grad(Sum(BesselK(x+y,1.3)),x,1)",
    "Sum(LGamma(x+y))",
    "Grad(Sum(LGamma(x+y)),x,1)",
    "Sum(Powf(x,y))",
    "Grad(Sum(Powf(x,y)),x,1)",
    "Sum(Polygamma(x+y,2))",
];

const USAGE: &str = "\
What formulas add to a release build of the crate that uses them.

usage: build_cost [--formulas N] [--dimensions D] [--repeats N]

  --formulas N     how many, at most 20 (20)
  --dimensions D   of the points (3)
  --repeats N      builds of which the fastest counts (3)
";

/// What is made of a kernel.
const KINDS: [(&str, Expression); 5] = [
    ("`genred!`, a sum", |kernel, points| {
        format!(
            "genred!(\"({kernel})*b\", {points}, b = Vj(2), axis = 1).bind(&x, &x, 0.5, &b).run().is_ok()"
        )
    }),
    ("`genred!`, a log-sum-exp", |kernel, points| {
        format!(
            "genred!(\"{kernel}\", {points}, reduction = LogSumExp, axis = 1)\
             .bind(&x, &x, 0.5).run().is_ok()"
        )
    }),
    (
        "`genred!`, a sum with the gradient in x",
        |kernel, points| {
            format!(
                "genred!(\"({kernel})*b\", {points}, b = Vj(2), axis = 1, grad = [x])\
             .bind(&x, &x, 0.5, &b).forward().and_then(|f| f.pullback(&b)).is_ok()"
            )
        },
    ),
    ("`kernel_solve!`", |kernel, points| {
        format!(
            "kernel_solve!(\"({kernel})*b\", {points}, b = Vj(2), var = b).bind(&x, &x, 0.5, &b).alpha(1.0).solve().is_ok()"
        )
    }),
    ("`kernel_solve!`, all gradients", |kernel, points| {
        format!(
            "kernel_solve!(\"({kernel})*b\", {points}, b = Vj(2), var = b, grad = [x, y, b, g])\
             .bind(&x, &x, 0.5, &b).alpha(1.0).forward().is_ok_and(|f| f.pullback(&b).is_ok())"
        )
    }),
];

/// What is made of the special ones.
const SPECIAL_SUM: Expression = |formula, points| {
    format!("genred!(\"{formula}\", {points}, axis = 1).bind(&x, &x, 0.5).run().is_ok()")
};

/// The Rust of a kernel and these variables of points.
type Expression = fn(&str, &str) -> String;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut formulas, mut dimensions, mut repeats) = (KERNELS.len(), 3, 3);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("formulas") => formulas = arguments.value()?.parse()?,
            Long("dimensions") => dimensions = arguments.value()?.parse()?,
            Long("repeats") => repeats = arguments.value()?.parse()?,
            Long("help") => {
                print!("{USAGE}");
                return Ok(());
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    let kernels = KERNELS
        .get(..formulas)
        .filter(|kernels| !kernels.is_empty());
    let kernels = kernels.ok_or_else(|| format!("there are 1 to {} formulas", KERNELS.len()))?;

    let user = User::new(dimensions)?;
    user.build(&[], |_, _| String::new())?;
    println!(
        "| each of {formulas} formulas, `f32`, D = {dimensions} | seconds added to a release build |"
    );
    println!("|---|---|");
    let kinds = KINDS.map(|(name, expression)| (name, kernels, expression));
    let special: (_, &[&str], _) = ("`genred!`, special functions", &SPECIAL, SPECIAL_SUM);
    for (name, kernels, expression) in kinds.into_iter().chain([special]) {
        let fastest = |kernels: &[&str]| -> Result<f64, Box<dyn Error>> {
            let mut fastest = f64::INFINITY;
            for _ in 0..repeats {
                fastest = fastest.min(user.build(kernels, expression)?);
            }
            Ok(fastest)
        };
        let (none, all) = (fastest(&[])?, fastest(kernels)?);
        println!("| {name} | {:.2} |", (all - none) / kernels.len() as f64);
    }
    Ok(())
}

/// A crate that depends on keops-solve.
struct User {
    folder: PathBuf,
    /// Of the points that it has.
    dimensions: usize,
}

impl User {
    fn new(dimensions: usize) -> Result<Self, Box<dyn Error>> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the benchmarks are in no workspace")?;
        let folder = workspace.join("target/build-cost");
        fs::create_dir_all(folder.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"build-cost\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             keops-solve = {{ path = {:?} }}\n",
            workspace.join("keops-solve")
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        // The versions of this workspace, so that nothing has to be looked up.
        fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder, dimensions })
    }

    /// Builds the crate with these formulas and returns the seconds that it took.
    fn build(&self, kernels: &[&str], expression: Expression) -> Result<f64, Box<dyn Error>> {
        let d = self.dimensions;
        let points = format!("x = Vi({d}), y = Vj({d}), g = Pm(1)");
        let mut source = format!(
            "use keops_solve::ndarray::Array2;\nuse keops_solve::prelude::*;\n\nfn main() {{\n    \
             let (x, b) = (Array2::<f32>::zeros((10, {d})), Array2::<f32>::zeros((10, 2)));\n    \
             println!(\"{{}} {{}}\", x.len(), b.len());\n",
        );
        for kernel in kernels {
            writeln!(
                source,
                "    println!(\"{{}}\", {});",
                expression(kernel, &points)
            )?;
        }
        source.push_str("}\n");
        // Another time of change is another build.
        fs::write(self.folder.join("src/main.rs"), source)?;
        let start = Instant::now();
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--quiet"])
            .current_dir(&self.folder)
            .env_remove("CARGO_TARGET_DIR")
            .output()?;
        let seconds = start.elapsed().as_secs_f64();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(seconds)
    }
}
