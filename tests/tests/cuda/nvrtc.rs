//! Kernels in the hands of NVIDIA's compiler: all of them compile, and for which registers and how much spilled memory.

use std::fmt::Write as _;
use std::{env, fs, thread};

use keops_compiler::alias::{Alias, Category};
use keops_solve::__private::cuda::compile::Compiler;
use keops_solve::__private::cuda::recipe::{Adding, Outcome, Pairs, Reduction, Scheme, Type};
use keops_solve::__private::cuda::{array_source, vector_source};

use keops_tests::compiled::{Compiled, blocks};

const GOLDEN: &str = "tests/cuda/resources.txt";
/// The golden values are those of this version of the compiler.
const VERSION: &str = "12.9";
/// Ampere, Hopper, Blackwell.
const ARCHITECTURES: [u32; 3] = [80, 90, 120];

/// Formulas with their variables, and with how many vectors they are multiplied.
const FORMULAS: [(&str, &str, usize); 13] = [
    (
        "Exp(-g*SqDist(x,y))*b",
        "x=Vi(3) y=Vj(3) b=Vj(1) g=Pm(1)",
        0,
    ),
    ("Exp(-g*SqDist(x,y))", "x=Vi(3) y=Vj(3) g=Pm(1)", 1),
    ("Exp(-g*SqDist(x,y))", "x=Vi(3) y=Vj(3) g=Pm(1)", 4),
    ("Exp(-Norm2(x-y)/s)*b", "x=Vi(3) y=Vj(3) b=Vj(2) s=Pm(1)", 0),
    ("Inv(IntCst(1)+SqDist(x,y))*b", "x=Vi(2) y=Vj(2) b=Vj(1)", 0),
    (
        "Rsqrt(IntCst(1)+SqDist(x,y))*b",
        "x=Vi(2) y=Vj(2) b=Vj(1)",
        0,
    ),
    (
        "Grad(Exp(-g*SqDist(x,y))*b,x,e)",
        "x=Vi(3) y=Vj(3) b=Vj(1) g=Pm(1) e=Vi(1)",
        0,
    ),
    ("Exp(-SqDist(x,y))*b", "x=Vi(100) y=Vj(100) b=Vj(1)", 0),
    ("Exp((x|y))*b", "x=Vi(8) y=Vj(8) b=Vj(40)", 0),
    ("Sin(x-y)+Pow(x,3)*Log(y)", "x=Vi(1) y=Vj(1)", 0),
    (
        "TensorDot(x,y,Ind(2,3),Ind(3,2),Ind(1),Ind(0))",
        "x=Vi(6) y=Vj(6)",
        0,
    ),
    ("ComplexExp(ComplexMult(x,y))", "x=Vi(4) y=Vj(4)", 0),
    (
        "Grad(SoftDTW_SqDist(x,y,g),x,e)",
        "x=Vi(20) y=Vj(20) g=Pm(1) e=Vi(1)",
        0,
    ),
];

/// Every family of reductions.
fn reductions(t: Type) -> [(&'static str, Reduction); 10] {
    let adding = |scheme, accumulator| Adding {
        scheme,
        accumulator,
    };
    [
        ("sum", Reduction::Sum(blocks(t))),
        (
            "sum in f64",
            Reduction::Sum(adding(Scheme::Blocks, Type::Double)),
        ),
        (
            "mirrored in f64",
            Reduction::Mirrored(adding(Scheme::Blocks, Type::Double)),
        ),
        (
            "terms in f64",
            Reduction::Sum(adding(Scheme::Terms, Type::Double)),
        ),
        (
            "compensated",
            Reduction::Sum(adding(Scheme::Compensated, t)),
        ),
        (
            "logsumexp",
            Reduction::LogSumExp(blocks(t), Outcome::Logarithms),
        ),
        ("means", Reduction::LogSumExp(blocks(t), Outcome::Means)),
        (
            "min",
            Reduction::Extreme {
                greatest: false,
                indexed: false,
            },
        ),
        (
            "argmax",
            Reduction::Extreme {
                greatest: true,
                indexed: true,
            },
        ),
        ("smallest", Reduction::Smallest),
    ]
}

fn compiled(formula: &str, variables: &str) -> Compiled {
    let aliases: Vec<Alias> = variables
        .split(' ')
        .map(|variable| {
            let (name, rest) = variable.split_once('=').expect("a variable");
            let (category, dim) = rest.split_once('(').expect("a category");
            Alias {
                name: name.to_owned(),
                category: Category::from_name(category).expect("a category"),
                dim: dim.trim_end_matches(')').parse().expect("a dimension"),
            }
        })
        .collect();
    Compiled::new(formula, None, &aliases, 1)
}

/// Of each kernel, its registers, and the bytes that it spills.
fn resources(log: &str) -> Vec<(u32, u32)> {
    let number = |before: &str| {
        before
            .rsplit([' ', '.'])
            .find(|word| !word.is_empty())?
            .parse()
            .ok()
    };
    let mut kernels = Vec::new();
    let mut spilled = None;
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("stack frame, ") {
            spilled = rest
                .split_once(" bytes spill stores")
                .and_then(|(bytes, _)| number(bytes));
        } else if let Some((before, _)) = line.split_once(" registers, ") {
            kernels.extend(number(before).zip(spilled.take()));
        }
    }
    kernels
}

#[test]
fn kernels_compile_for_every_architecture() {
    let compiler = match Compiler::get() {
        Ok(compiler) => compiler,
        Err(error) => {
            assert!(env::var_os("KEOPS_NVRTC").is_none(), "{error}");
            println!("skipped: {error}");
            return;
        }
    };
    let mut wanted = Vec::new();
    for (formula, variables, weights) in FORMULAS {
        for t in [Type::Single, Type::Double] {
            for (name, reduction) in reductions(t) {
                // Of the first formula all reductions, but those with weights, which need a component more.
                let wants = match name {
                    "sum" => true,
                    "mirrored in f64" => weights > 0,
                    "means" => formula == FORMULAS[3].0,
                    _ => formula == FORMULAS[0].0,
                };
                if !wants {
                    continue;
                }
                let compiled = compiled(formula, variables).times(weights);
                let source = compiled.recipe(reduction, Pairs::All, t).source();
                wanted.push((format!("{formula} {weights} {name} {t:?}"), source));
            }
            if formula == FORMULAS[0].0 {
                for (name, narrow) in [("spans", false), ("narrow spans", true)] {
                    let compiled = compiled(formula, variables);
                    let (sum, pairs) = (Reduction::Sum(blocks(t)), Pairs::Spans { narrow });
                    let source = compiled.recipe(sum, pairs, t).source();
                    wanted.push((format!("{formula} {weights} sum of {name} {t:?}"), source));
                }
            }
        }
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let lines: Vec<String> = thread::scope(|scope| {
        let share = wanted.len().div_ceil(threads);
        let workers: Vec<_> = wanted
            .chunks(share)
            .map(|wanted| scope.spawn(move || wanted.iter().map(|it| line(compiler, it)).collect()))
            .collect();
        let finished = workers.into_iter();
        finished
            .flat_map(|worker| -> Vec<String> { worker.join().expect("kernels that compile") })
            .collect()
    });
    let of_vectors = named_lines(compiler, &vector_source(), 8);
    let of_arrays = named_lines(compiler, &array_source(), 4);
    let mut found = "Registers and spilled bytes of keops_merge and keops_reduce, on sm_80, sm_90 and sm_120\n\n".to_owned();
    for line in &lines {
        let _ = writeln!(found, "{line}");
    }
    found += "\nThe same of kernels for vectors\n\n";
    for line in &of_vectors {
        let _ = writeln!(found, "{line}");
    }
    found += "\nThe same of copies of arrays\n\n";
    for line in &of_arrays {
        let _ = writeln!(found, "{line}");
    }
    if compiler.version() != VERSION {
        println!(
            "resources are not compared: this is NVRTC {}, not {VERSION}",
            compiler.version()
        );
        return;
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(GOLDEN, &found).expect("a writable golden file");
    }
    let golden = fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        golden == found,
        "the resources of kernels changed; if that is for the better, run \
         `UPDATE_GOLDEN=1 cargo test -p keops-tests --test cuda nvrtc`. Now:\n{found}"
    );
}

/// The resources of so many kernels, each with its name.
fn named_lines(compiler: &Compiler, source: &str, count: usize) -> Vec<String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for architecture in ARCHITECTURES {
        let options = ["--ptxas-options=-v"];
        let binary = compiler.compile(source, architecture, &options);
        let log = binary.unwrap_or_else(|error| panic!("{error}")).log;
        let names = log
            .lines()
            .filter_map(|line| line.split_once("Compiling entry function '"));
        let names = names.filter_map(|(_, rest)| Some(rest.split_once('\'')?.0));
        for (name, (registers, spilled)) in names.zip(resources(&log)) {
            let numbers = format!("{registers:3} {spilled:2}     ");
            match lines.iter_mut().find(|(of, _)| of == name) {
                Some((_, line)) => line.push_str(&numbers),
                None => lines.push((name.to_owned(), numbers)),
            }
        }
    }
    assert_eq!(lines.len(), count, "{source}");
    lines.sort();
    lines.into_iter().map(|(name, line)| line + &name).collect()
}

/// The resources of one kernel.
fn line(compiler: &Compiler, (name, source): &(String, String)) -> String {
    let mut line = String::new();
    for architecture in ARCHITECTURES {
        let options = ["--ptxas-options=-v"];
        let binary = compiler
            .compile(source, architecture, &options)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(&binary.cubin[..4], b"\x7fELF", "{name}");
        let kernels = resources(&binary.log);
        assert_eq!(kernels.len(), 2, "{name}: {}", binary.log);
        let numbers: Vec<String> = kernels
            .iter()
            .map(|(r, s)| format!("{r:3} {s:2}"))
            .collect();
        let _ = write!(line, "{:18}", numbers.join("  "));
    }
    line + name
}
