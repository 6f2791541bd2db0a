//! Benchmarks of compiled formulas: `cargo bench -p keops-benches --bench kernels`.
//!
//! A benchmark is named `formula/type/instruction set`; its throughput counts pairs `(i, j)`. Environment variables:
//! `KEOPS_BENCH_POINTS` is the number of points on either side (default 8192), `RAYON_NUM_THREADS` the number of
//! threads.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keops_benches::data::uniform;
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;

/// The number of points on either side.
fn points() -> usize {
    std::env::var("KEOPS_BENCH_POINTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(8192)
}

/// Measures `run` on each of the instruction sets.
fn measure<T: Element>(
    c: &mut Criterion,
    formula: &str,
    isas: impl IntoIterator<Item = InstructionSet>,
    run: impl Fn(InstructionSet) -> Result<Array2<T>, Error>,
) {
    let mut group = c.benchmark_group(formula);
    group
        .throughput(Throughput::Elements((points() * points()) as u64))
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let name = if size_of::<T>() == 4 { "f32" } else { "f64" };
    for isa in isas {
        let id = BenchmarkId::new(name, isa);
        group.bench_function(id, |bencher| {
            bencher.iter(|| black_box(run(isa).expect("the shapes fit")));
        });
    }
}

/// Measures a formula in `x = Vi(d), y = Vj(d), b = Vj(columns), g = Pm(1)`, and perhaps `e = Vi(1)`, in both types:
/// on every instruction set, or on the best alone.
macro_rules! formula {
    ($c:ident, $name:literal, $isas:expr, $formula:literal, $d:literal, $columns:literal $(, $e:ident)?) => {{
        let sum = genred!(
            $formula, x = Vi($d), y = Vj($d), b = Vj($columns), g = Pm(1) $(, $e = Vi(1))?, axis = 1
        );
        formula!(@ f32, sum, $c, $name, $isas, $d, $columns $(, $e)?);
        formula!(@ f64, sum, $c, $name, $isas, $d, $columns $(, $e)?);
    }};
    (@ $t:ty, $sum:ident, $c:ident, $name:literal, $isas:expr, $d:literal, $columns:literal $(, $e:ident)?) => {{
        let n = points();
        let (x, y) = (uniform::<$t>(n, $d, 1), uniform::<$t>(n, $d, 2));
        let b = uniform::<$t>(n, $columns, 3);
        $(let $e = uniform::<$t>(n, 1, 4);)?
        measure($c, $name, $isas, |isa| $sum.bind(&x, &y, &b, 10.0 $(, &$e)?).instruction_set(isa).run());
    }};
}

fn kernels(c: &mut Criterion) {
    let all = InstructionSet::available;
    let best = || [InstructionSet::detected()];
    formula!(c, "gaussian", all(), "Exp(-g*SqDist(x,y))*b", 3, 1);
    formula!(c, "laplacian", best(), "Exp(-g*Norm2(x-y))*b", 3, 1);
    formula!(
        c,
        "matern32",
        best(),
        "(1+g*Norm2(x-y))*Exp(-g*Norm2(x-y))*b",
        3,
        1
    );
    formula!(c, "gaussian-d10", all(), "Exp(-g*SqDist(x,y))*b", 10, 1);
    formula!(c, "laplacian-d20", best(), "Exp(-g*Norm2(x-y))*b", 20, 1);
    formula!(c, "gaussian-d100", best(), "Exp(-g*SqDist(x,y))*b", 100, 1);
    // A wide one, whose squared distances come from scalar products.
    formula!(
        c,
        "gaussian-d100-expanded",
        best(),
        "Exp(-0.03*g*SqDist(x,y))*b",
        100,
        1
    );
    formula!(c, "gaussian-d784", best(), "Exp(-g*SqDist(x,y))*b", 784, 1);
    formula!(
        c,
        "gaussian-100-columns",
        best(),
        "Exp(-g*SqDist(x,y))*b",
        3,
        100
    );
    formula!(
        c,
        "gaussian-10-columns",
        best(),
        "Exp(-g*SqDist(x,y))*b",
        3,
        10
    );
    formula!(
        c,
        "gaussian-gradient-x",
        best(),
        "Grad(Exp(-g*SqDist(x,y))*b, x, e)",
        3,
        1,
        e
    );
}

/// A sum over i: the rows are points j.
fn over_i(c: &mut Criterion) {
    let sum = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vi(1),
        g = Pm(1),
        axis = 0
    );
    macro_rules! in_type {
        ($t:ty) => {{
            let n = points();
            let (x, y) = (uniform::<$t>(n, 3, 1), uniform::<$t>(n, 3, 2));
            let b = uniform::<$t>(n, 1, 3);
            let best = [InstructionSet::detected()];
            measure(c, "gaussian-axis-0", best, |isa| {
                sum.bind(&x, &y, &b, 10.0).instruction_set(isa).run()
            });
        }};
    }
    in_type!(f32);
    in_type!(f64);
}

/// Fewer rows than a vector has lanes, and a million columns.
fn few_rows(c: &mut Criterion) {
    let sum = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1),
        axis = 1
    );
    let n = 1 << 20;
    let (y, b) = (uniform::<f32>(n, 3, 2), uniform::<f32>(n, 1, 3));
    let mut group = c.benchmark_group("few-rows");
    for rows in [1, 8] {
        let x = uniform::<f32>(rows, 3, 1);
        group.throughput(Throughput::Elements((rows * n) as u64));
        for isa in InstructionSet::available() {
            let bound = sum.bind(&x, &y, &b, 10.0).instruction_set(isa);
            group.bench_function(BenchmarkId::new(format!("{rows} x {n}"), isa), |bencher| {
                bencher.iter(|| black_box(bound.run().expect("the shapes fit")));
            });
        }
    }
}

/// The ten nearest neighbours in ten dimensions.
fn neighbours(c: &mut Criterion) {
    let nearest = genred!(
        "SqDist(x,y)",
        x = Vi(10),
        y = Vj(10),
        axis = 1,
        reduction = ArgKMin(10)
    );
    let n = points();
    let (x, y) = (uniform::<f32>(n, 10, 1), uniform::<f32>(n, 10, 2));
    let mut group = c.benchmark_group("neighbours-d10");
    group.sample_size(20);
    group.throughput(Throughput::Elements((n * n) as u64));
    for isa in InstructionSet::available() {
        let bound = nearest.bind(&x, &y).instruction_set(isa);
        group.bench_function(BenchmarkId::new("f32", isa), |bencher| {
            bencher.iter(|| black_box(bound.run().expect("the shapes fit")));
        });
    }
}

/// Small problems, for which what comes before and after the sums counts: a call, a solve, and an element of a batch.
fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("small");
    let (d, n, elements) = (3, 10, 10_000);
    let (x, y) = (uniform::<f32>(n, d, 1), uniform::<f32>(n, d, 2));
    let b = uniform::<f32>(n, 1, 3);
    let sum = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1),
        axis = 1
    );
    let bound = sum.bind(&x, &y, &b, 10.0);
    group.bench_function("call 10 x 10", |bencher| {
        bencher.iter(|| black_box(bound.run().expect("the shapes fit")));
    });
    let inverse = kernel_solve!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1)
    );
    group.bench_function("solve 10 x 10", |bencher| {
        bencher.iter(|| {
            let system = inverse.bind(&x, &x, &b, 10.0).alpha(0.1);
            black_box(system.solve().expect("it is well conditioned"))
        });
    });
    let stack = |columns, seed| {
        let rows = uniform::<f32>(elements * 16, columns, seed);
        let stacked = rows.into_shape_with_order((elements, 16, columns));
        stacked.expect("the numbers of elements agree")
    };
    let (x, y, b) = (stack(d, 1), stack(d, 2), stack(1, 3));
    let bound = sum.bind_batch(&x, &y, &b, 10.0);
    group.throughput(Throughput::Elements(elements as u64));
    group.bench_function("batch of 10000 times 16 x 16", |bencher| {
        bencher.iter(|| black_box(bound.run().expect("the shapes fit")));
    });
    group.finish();
}

criterion_group!(benches, kernels, over_i, few_rows, neighbours, small);
criterion_main!(benches);
