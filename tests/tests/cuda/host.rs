//! Runs kernels for CUDA on a processor: their sources, compiled by a C++ compiler together with `shim.h` and `main.cpp`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use keops_solve::__private::cuda::recipe::{Pairs, Reduction, Type};

use keops_tests::compiled::{Arrays, Compiled};

/// Kernels of one file: few enough that processors share the work, enough that the shim is read seldom.
const TOGETHER: usize = 24;

/// How kernels are compiled: with the multiply-adds of this processor, and with no others than the source has.
pub(crate) fn options() -> Vec<&'static str> {
    let mut options = vec!["-std=c++17", "-O1", "-U_FORTIFY_SOURCE"];
    options.extend(["-ffp-contract=off", "-w"]);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("fma") {
        // Not all that the processor has: with AVX-512 the programs take twice the time.
        options.push("-mfma");
    }
    options
}

/// A kernel to be run.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) compiled: Compiled,
    pub(crate) reduction: Reduction,
    pub(crate) t: Type,
    pub(crate) launches: Vec<Launch>,
}

/// Arrays for a kernel.
pub(crate) struct Launch {
    pub(crate) arrays: Arrays,
    /// Weights, as many for a column as the formula wants.
    pub(crate) weights: Vec<f64>,
    /// Columns of a part; of a mirrored product, offsets of a launch.
    pub(crate) part: usize,
    /// How many values are wanted of a row and component; 1 but for the k smallest.
    pub(crate) wanted: usize,
}

/// What a launch computed.
pub(crate) struct Outcome {
    pub(crate) values: Vec<f64>,
    pub(crate) indices: Vec<f64>,
}

/// The C++ compiler, or none. A machine on which `KEOPS_REQUIRE_CXX` is set must have one.
pub(crate) fn compiler() -> Option<String> {
    let name = env::var("CXX").unwrap_or_else(|_| "g++".into());
    let found = Command::new(&name)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if found {
        return Some(name);
    }
    assert!(
        env::var_os("KEOPS_REQUIRE_CXX").is_none(),
        "{name} does not run, and KEOPS_REQUIRE_CXX is set"
    );
    println!("skipped: there is no C++ compiler to run kernels for CUDA on this processor");
    None
}

/// Compiles all kernels to one program.
fn build(compiler: &str, jobs: &[Job], folder: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
    let mut sources = vec![here.join("main.cpp")];
    let mut table = "#include \"shim.h\"\n".to_owned();
    for n in 0..jobs.len() {
        let _ = writeln!(table, "namespace k{n} {{ extern const Kernel kernel; }}");
    }
    let pointers: Vec<String> = (0..jobs.len()).map(|n| format!("&k{n}::kernel")).collect();
    let pointers = pointers.join(", ");
    let _ = writeln!(
        table,
        "extern const Kernel* const kernels[] = {{{pointers}}};"
    );
    sources.push(folder.join("table.cpp"));
    fs::write(folder.join("table.cpp"), table).expect("a writable folder");
    for (number, chunk) in jobs.chunks(TOGETHER).enumerate() {
        let mut text = "#include \"shim.h\"\n".to_owned();
        for (n, job) in chunk.iter().enumerate() {
            let recipe = job.compiled.recipe(job.reduction, Pairs::All, job.t);
            let source = recipe.source();
            // The names of kernels are the same, which C++ allows in different namespaces alone.
            let source = source.replace("extern \"C\" ", "static ");
            let n = number * TOGETHER + n;
            let launchers = match job.reduction {
                Reduction::Mirrored(_) => "KEOPS_MIRRORED_LAUNCHERS",
                _ => "KEOPS_LAUNCHERS",
            };
            let _ = writeln!(text, "namespace k{n} {{\n{source}\n{launchers}\n}}");
        }
        let path = folder.join(format!("kernels{number}.cpp"));
        fs::write(&path, text).expect("a writable folder");
        sources.push(path);
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = sources.len().div_ceil(threads);
    let objects: Vec<PathBuf> = thread::scope(|scope| {
        let workers: Vec<_> = sources
            .chunks(share)
            .map(|sources| {
                let here = &here;
                scope.spawn(move || {
                    let compiled = |source: &PathBuf| {
                        let name = source.file_name().expect("a file");
                        let object = folder.join(name).with_extension("o");
                        let status = Command::new(compiler)
                            .args(options())
                            .args(["-c", "-I"])
                            .arg(here)
                            .arg(source)
                            .arg("-o")
                            .arg(&object)
                            .status();
                        assert!(status.is_ok_and(|status| status.success()), "{source:?}");
                        object
                    };
                    sources.iter().map(compiled).collect::<Vec<_>>()
                })
            })
            .collect();
        let workers = workers.into_iter();
        workers
            .flat_map(|worker| worker.join().expect("kernels that compile"))
            .collect()
    });
    let program = folder.join("kernels");
    let status = Command::new(compiler)
        .args(&objects)
        .arg("-o")
        .arg(&program)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "linking");
    program
}

fn bytes(t: Type, values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    let values = values.into_iter();
    match t {
        Type::Single => values.flat_map(|x| (x as f32).to_ne_bytes()).collect(),
        Type::Double => values.flat_map(f64::to_ne_bytes).collect(),
    }
}

fn numbers(t: Type, bytes: &[u8]) -> Vec<f64> {
    let single = |b: &[u8]| f64::from(f32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    match t {
        Type::Single => bytes.chunks_exact(4).map(single).collect(),
        Type::Double => {
            let double = |b: &[u8]| f64::from_ne_bytes(b.try_into().expect("eight bytes"));
            bytes.chunks_exact(8).map(double).collect()
        }
    }
}

/// Compiles and runs all jobs: the outcomes of each.
pub(crate) fn run(compiler: &str, name: &str, jobs: &[Job]) -> Vec<Vec<Outcome>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a writable folder");
    let program = build(compiler, jobs, &folder);
    let mut input = Vec::new();
    // Bytes of values, and numbers of indices.
    let mut results = Vec::new();
    for (number, job) in jobs.iter().enumerate() {
        for launch in &job.launches {
            let (t, arrays) = (job.t, &launch.arrays);
            let terms = job.compiled.formula().terms();
            let smallest = job.reduction == Reduction::Smallest;
            let kept = if smallest {
                launch.wanted.min(arrays.column_count)
            } else {
                1
            };
            let mirrored = matches!(job.reduction, Reduction::Mirrored(_));
            let parts = if mirrored {
                2
            } else {
                arrays.column_count.div_ceil(launch.part).max(1)
            };
            let total = arrays.row_count * kept * parts * job.reduction.total_bytes(terms);
            let width = launch.wanted * job.reduction.width(terms);
            let values = arrays.row_count * width * t.size();
            // A mirrored product has the totals of columns there.
            let indices =
                arrays.row_count * width * if mirrored { launch.part * t.size() } else { 8 };
            let inputs = [
                bytes(t, job.compiled.params(&arrays.params)),
                bytes(t, arrays.rows.iter().copied()),
                bytes(t, arrays.columns.iter().copied()),
                bytes(t, launch.weights.iter().copied()),
            ];
            let sizes = [
                number,
                arrays.row_count,
                arrays.column_count,
                launch.part,
                parts,
                kept,
                launch.wanted,
            ];
            let lengths = inputs.iter().map(Vec::len);
            let header = sizes
                .into_iter()
                .chain(lengths)
                .chain([total, values, indices]);
            input.extend(header.flat_map(|n| (n as u64).to_ne_bytes()));
            input.extend(inputs.iter().flatten());
            results.push((t, values, if mirrored { 0 } else { indices }));
        }
    }
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a program that starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("a program that ends");
    assert!(output.status.success(), "{}", output.status);
    writer
        .join()
        .expect("no panic")
        .expect("a program that reads its input");

    let mut rest = &output.stdout[..];
    let mut take = |length: usize| {
        let (taken, others) = rest.split_at(length);
        rest = others;
        taken
    };
    let mut results = results.into_iter();
    jobs.iter()
        .map(|job| {
            let outcome = |(t, values, indices)| Outcome {
                values: numbers(t, take(values)),
                indices: take(indices)
                    .chunks_exact(8)
                    .map(|b| u64::from_ne_bytes(b.try_into().expect("eight bytes")) as f64)
                    .collect(),
            };
            results
                .by_ref()
                .take(job.launches.len())
                .map(outcome)
                .collect()
        })
        .collect()
}
