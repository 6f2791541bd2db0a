//! Solves whose vectors stay on a device, against a driver whose device is the processor: they agree with those on the processor, run the same bit for bit, and end with
//! typed errors where the device fails; what an iteration sends between the two is counted.

use std::ops::ControlFlow;

use keops_solve::ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, concatenate};
use keops_solve::prelude::*;
use keops_solve::solve::{OperatorError, Part, Precondition};
use keops_tests::data::points;

use crate::process::{Counts, Driver, Kind, fail, repair};

lazy!(Gaussian: "Exp(-g*SqDist(x,y))", x = Vi(2), y = Vj(2), g = Pm(1));
kernel_solve!(Inverse: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1));

/// With these, systems of points in the unit square are neither trivial nor hopeless.
const G: f64 = 20.0;
const ALPHA: f64 = 0.05;

#[test]
fn solves_stay_on_a_device() {
    if let Some(driver) = Driver::new("solves::solves_stay_on_a_device", inside) {
        driver.run();
    }
}

fn inside() {
    let parts: [(&str, fn()); 9] = [
        ("agreement", agreement),
        ("right-hand sides", right_hand_sides),
        ("preconditioners", preconditioners),
        ("other ways", other_ways),
        ("repeatability", repeatability),
        ("traffic", traffic),
        ("failures", failures),
        ("a path that fails", failing_path),
        ("the processor takes over", processor_takes_over),
    ];
    for (what, part) in parts {
        let started = std::time::Instant::now();
        part();
        println!("{what}: {:.1?}", started.elapsed());
    }
}

/// The same system on the processor and on the device, in double precision.
fn both(
    n: usize,
    columns: usize,
    solve: impl Fn(System<'_, f64>) -> Result<Solution<f64>, SolveError<f64>>,
) -> [Result<Solution<f64>, SolveError<f64>>; 2] {
    let (x, b) = (points(n, 2, 1), points(n, columns, 2));
    [Backend::Cpu, Backend::Cuda(0)].map(|backend| {
        let matrix = Gaussian.bind(&x, &x, G).backend(backend);
        solve(matrix.rhs(&b).alpha(ALPHA))
    })
}

/// A system on the device.
fn on_device(
    n: usize,
    columns: usize,
    solve: impl FnOnce(System<'_, f64>) -> Result<Solution<f64>, SolveError<f64>>,
) -> Result<Solution<f64>, SolveError<f64>> {
    let (x, b) = (points(n, 2, 1), points(n, columns, 2));
    let matrix = Gaussian.bind(&x, &x, G).backend(Backend::Cuda(0));
    solve(matrix.rhs(&b).alpha(ALPHA))
}

fn agree(
    [expected, found]: [Result<Solution<f64>, SolveError<f64>>; 2],
    tolerance: f64,
    what: &str,
) {
    let (expected, found) = (expected.expect(what), found.expect(what));
    close(&found.values_f64, &expected.values_f64, tolerance, what);
    let rank = |solution: &Solution<f64>| solution.preconditioner.as_ref().map(|made| made.rank);
    // Where a device has the products, fewer pivots pay.
    if rank(&found) == rank(&expected) {
        let difference = found.iterations.abs_diff(expected.iterations);
        assert!(difference <= 1 + expected.iterations / 20, "{what}");
    }
    for (found, expected) in found.columns.iter().zip(&expected.columns) {
        assert!(found.converged && found.verified, "{what}");
        assert_eq!(found.iterations == 0, expected.iterations == 0, "{what}");
    }
}

fn close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance, "{what}: {found} {expected}");
    }
}

/// Sizes around those of blocks, with one right-hand side and several, in both precisions.
fn agreement() {
    for (n, columns) in [0, 1, 31, 33]
        .into_iter()
        .flat_map(|n| [1, 2, 5].map(|columns| (n, columns)))
        .chain([(1000, 1), (300, 2)])
    {
        // The large one takes few iterations.
        let alpha = if n < 1000 { ALPHA } else { 10.0 };
        let solutions = both(n, columns, |system| {
            let plain = system.alpha(alpha).preconditioner(Preconditioner::None);
            plain.tolerance(Tolerance::Relative(1e-10)).solve()
        });
        // Of the right-hand side, of size 1, over alpha.
        let tolerance = 1e-8 / alpha;
        agree(
            solutions,
            tolerance,
            &format!("{columns} columns of {n} rows"),
        );
    }
    for (n, columns) in [(1, 1), (33, 3), (300, 1), (200, 2)] {
        let (x, b) = (points(n, 2, 1), points(n, columns, 2));
        let (x, b) = (x.mapv(|x| x as f32), b.mapv(|b| b as f32));
        let [expected, found] =
            [Backend::Cpu, Backend::Cuda(0)].map(|backend| single(&x, &b, ALPHA, backend));
        let what = format!("f32, {columns} columns of {n} rows");
        // Residuals of 1e-6 sqrt(n) each.
        let tolerance = 2e-6 * (n as f64).sqrt() / ALPHA;
        close(&found.values_f64, &expected.values_f64, tolerance, &what);
    }
    // So many that each entry of the matrix is computed once; few iterations, as it is large, and the solution verifies itself.
    let (x, b) = (points(2600, 2, 1), points(2600, 1, 2));
    let (x, b) = (x.mapv(|x| x as f32), b.mapv(|b| b as f32));
    single(&x, &b, 50.0, Backend::Cuda(0));
}

fn single(x: &Array2<f32>, b: &Array2<f32>, alpha: f64, backend: Backend) -> Solution<f32> {
    let matrix = Gaussian.bind(x, x, G as f32).backend(backend);
    let system = matrix.rhs(b).alpha(alpha).eps(1e-6);
    let solution = system.preconditioner(Preconditioner::None).solve();
    let solution = solution.unwrap_or_else(|error| panic!("{:?}: {error}", b.dim()));
    for column in &solution.columns {
        assert!(column.converged && column.verified && column.rms <= 1e-6);
        assert!(column.rounded_rms.is_finite());
    }
    solution
}

/// Right-hand sides that depend on each other, zeros, and more of them than an argument of a kernel holds squares of.
fn right_hand_sides() {
    let n = 200;
    let (x, b) = (points(n, 2, 1), points(n, 2, 2));
    let zero = Array2::zeros((n, 1));
    let near = &b.slice(keops_solve::ndarray::s![.., ..1]) + &(1e-7 * &points(n, 1, 3));
    let dependent = concatenate![Axis(1), b, zero, near, b];
    for b in [dependent, points(n, 20, 4)] {
        let solutions = [Backend::Cpu, Backend::Cuda(0)].map(|backend| {
            let matrix = Gaussian.bind(&x, &x, G).backend(backend);
            let system = matrix.rhs(&b).alpha(ALPHA);
            let plain = system.preconditioner(Preconditioner::None);
            plain.tolerance(Tolerance::Relative(1e-10)).solve()
        });
        agree(solutions, 1e-7, &format!("{} columns", b.ncols()));
    }
}

/// `P = 2 Id`.
struct Twice;

impl Precondition for Twice {
    fn apply(
        &self,
        r: ArrayView2<'_, f64>,
        mut z: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        z.assign(&(0.5 * &r));
        Ok(())
    }
}

/// Factorisations of several panels, which have a form for devices, and preconditioners that have none.
fn preconditioners() {
    for preconditioner in [
        Preconditioner::Auto,
        Preconditioner::Cholesky { rank: 5 },
        Preconditioner::Cholesky { rank: 64 },
        Preconditioner::Cholesky { rank: 77 },
        Preconditioner::Jacobi,
        Preconditioner::Custom(&Twice),
    ] {
        for columns in [1, 3] {
            let solutions = both(300, columns, |system| {
                let system = system.preconditioner(preconditioner);
                system.tolerance(Tolerance::Relative(1e-10)).solve()
            });
            agree(
                solutions,
                1e-7,
                &format!("{preconditioner:?}, {columns} columns"),
            );
        }
    }
}

/// Guesses, errors as the tolerance, ridge paths, ranges, and a macro that knows the number of columns.
fn other_ways() {
    let tight = Tolerance::Relative(1e-10);
    let (x, b, guess) = (points(300, 2, 1), points(300, 2, 2), points(300, 2, 5));
    let from = |guess: &Array2<f64>, backend, tolerance| {
        let matrix = Gaussian.bind(&x, &x, G).backend(backend);
        let system = matrix.rhs(&b).alpha(ALPHA).tolerance(tolerance);
        system.guess(guess).solve()
    };
    let solutions = [Backend::Cpu, Backend::Cuda(0)].map(|backend| from(&guess, backend, tight));
    let exact = solutions[0]
        .as_ref()
        .expect("a solution")
        .values_f64
        .clone();
    agree(solutions, 1e-7, "a guess");
    let found = from(&exact, Backend::Cuda(0), Tolerance::Rms(1e-6));
    assert_eq!(found.expect("a solution").iterations, 0);

    let solutions = both(300, 2, |system| {
        system.tolerance(Tolerance::Prediction(1e-8)).solve()
    });
    agree(solutions, 1e-6, "predictions");

    let clusters = [[0, 100], [100, 300]];
    let neighbors = Array2::from_elem((2, 2), true);
    let ranges = Ranges::from_matrix(&clusters, &clusters, &neighbors).expect("ranges");
    let solutions = both(300, 2, |system| {
        let plain = system.preconditioner(Preconditioner::None);
        plain.ranges(&ranges).tolerance(tight).solve()
    });
    agree(solutions, 1e-7, "ranges");

    let (x, b) = (points(300, 2, 1), points(300, 1, 2));
    for preconditioner in [Preconditioner::None, Preconditioner::Cholesky { rank: 20 }] {
        let [expected, found] = [Backend::Cpu, Backend::Cuda(0)].map(|backend| {
            let system = Inverse
                .bind(&x, &x, &b, G)
                .backend(backend)
                .tolerance(tight);
            let path = system
                .preconditioner(preconditioner)
                .solve_path(&[0.1, 0.01, 1.0]);
            path.expect("a path").solutions
        });
        for (found, expected) in found.into_iter().zip(expected) {
            let (found, expected) = (found.expect("a solution"), expected.expect("a solution"));
            close(&found.values_f64, &expected.values_f64, 1e-6, "a path");
        }
    }
}

/// The recursion for all `alpha` of a path is lost with the device, and what has been lost is left to the solves.
fn failing_path() {
    let (x, b) = (points(100, 2, 1), points(100, 1, 2));
    for after in [5, 50, 500] {
        fail(Kind::Launch, after);
        let system = Inverse.bind(&x, &x, &b, G).backend(Backend::Cuda(0));
        let system = system.preconditioner(Preconditioner::None);
        let path = system.solve_path(&[0.1, 1.0]).expect("a path");
        repair();
        for solution in path.solutions {
            let typed = match &solution {
                Ok(solution) => solution.columns[0].verified,
                Err(SolveError::Unconverged(it)) => matches!(it.reason, Failure::Apply { .. }),
                Err(SolveError::Input(error)) => matches!(error, Error::Backend { .. }),
                Err(_) => false,
            };
            assert!(typed, "{after}: {solution:?}");
        }
    }
}

fn repeatability() {
    for columns in [1, 3] {
        let solve = || {
            let found = on_device(1100, columns, |system| {
                system
                    .preconditioner(Preconditioner::Cholesky { rank: 40 })
                    .solve()
            });
            found.expect("a solution")
        };
        let (first, second) = (solve(), solve());
        assert_eq!(first.values_f64, second.values_f64);
        assert_eq!(first.history, second.history);
        assert_eq!(first.error_history, second.error_history);
    }
}

/// What an iteration calls the driver for, in the middle of a solve: between the ends of one iteration and the next, without a check.
fn per_iteration<T: Element>(
    n: usize,
    columns: usize,
    preconditioner: Preconditioner<'_>,
    round: fn(f64) -> T,
) -> Vec<Counts> {
    let (x, b) = (
        points(n, 2, 1).mapv(round),
        points(n, columns, 2).mapv(round),
    );
    let matrix = Gaussian
        .bind(&x, &x, &[round(G)][..])
        .backend(Backend::Cuda(0));
    let mut counts = Vec::new();
    let system = matrix
        .rhs(&b)
        .alpha(1e-3)
        .preconditioner(preconditioner)
        .max_iterations(12);
    let solution = system
        .eps(1e-12)
        .on_iteration(|_| {
            counts.push(Counts::now());
            ControlFlow::Continue(())
        })
        .solve();
    assert!(matches!(solution, Err(SolveError::Unconverged(_))));
    // The first ones compare the operator with its transpose and make room.
    let after = counts.windows(2).map(|pair| pair[1].since(pair[0]));
    after.skip(6).collect()
}

/// An iteration neither asks for memory nor writes vectors, and the host waits for it twice: for the products of the directions, and for the norms of the residuals. What
/// it reads are a few numbers.
fn traffic() {
    for preconditioner in [Preconditioner::None, Preconditioner::Cholesky { rank: 20 }] {
        for counts in per_iteration(1000, 1, preconditioner, |x| x) {
            is_little(counts, [2, 20, 200]);
        }
        for counts in per_iteration(1000, 4, preconditioner, |x| x) {
            is_little(counts, [5, 30, 2000]);
        }
        // In single precision some iterations check the residual; most do not.
        for (columns, most) in [(1, [2, 20, 200]), (4, [5, 30, 2000])] {
            let mut counts = per_iteration(1000, columns, preconditioner, |x| x as f32);
            counts.sort_by_key(|counts| counts.of(Kind::Read));
            is_little(counts[counts.len() / 2], most);
        }
    }
}

/// At most so many reads, launches, and bytes that are read.
fn is_little(counts: Counts, [reads, launches, bytes]: [u64; 3]) {
    assert!(counts.of(Kind::Read) <= reads, "{counts:?}");
    assert!(counts.of(Kind::Launch) <= launches, "{counts:?}");
    assert!(counts.read <= bytes, "{counts:?}");
    let none = [Kind::Allocate, Kind::Write].map(|kind| counts.of(kind));
    assert_eq!((none, counts.written), ([0, 0], 0), "{counts:?}");
}

/// Where nobody has asked for the device, the processor does what that has failed to do, and the error is forgotten.
fn processor_takes_over() {
    let (x, b) = (points(1500, 2, 1), points(1500, 1, 2));
    let solve = || {
        let matrix = Gaussian.bind(&x, &x, G).backend(Backend::Auto);
        let system = matrix.rhs(&b).alpha(50.0);
        let before = Counts::now();
        let solution = system.preconditioner(Preconditioner::None).solve();
        (solution.expect("a solution"), Counts::now().since(before))
    };
    let (expected, counts) = solve();
    assert!(counts.of(Kind::Launch) > 40);
    let allocations = [0, 3, 6, 8, 10].map(|after| (Kind::Allocate, after));
    for (kind, after) in [(Kind::Launch, 40), (Kind::Read, 3)]
        .into_iter()
        .chain(allocations)
    {
        fail(kind, after);
        let (found, _) = solve();
        repair();
        close(
            &found.values_f64,
            &expected.values_f64,
            1e-6,
            "the processor",
        );
        assert!(found.columns[0].verified);
    }
}

/// Whatever fails and whenever, a solve ends with what failed and with the best iterate so far.
fn failures() {
    // The limit of iterations, with an iterate that is verified.
    let [expected, found] = both(300, 2, |system| {
        let plain = system.preconditioner(Preconditioner::None);
        plain
            .max_iterations(5)
            .tolerance(Tolerance::Relative(1e-12))
            .solve()
    });
    let unconverged = [expected, found].map(|result| match result {
        Err(SolveError::Unconverged(unconverged)) => {
            assert!(matches!(unconverged.reason, Failure::IterationLimit { .. }));
            unconverged.best
        }
        other => panic!("{other:?}"),
    });
    let [expected, found] = &unconverged;
    close(&found.values_f64, &expected.values_f64, 1e-10, "a limit");
    assert!(found.columns.iter().all(|column| column.verified));

    // A tolerance that cannot be met.
    let [expected, found] = both(40, 1, |system| {
        system
            .alpha(0.0)
            .preconditioner(Preconditioner::None)
            .tolerance(Tolerance::Relative(1e-14))
            .solve()
    });
    for result in [expected, found] {
        assert!(
            matches!(result, Err(SolveError::Unconverged(_))),
            "{result:?}"
        );
    }

    for kind in [
        Kind::Launch,
        Kind::Allocate,
        Kind::Read,
        Kind::Write,
        Kind::Copy,
    ] {
        for after in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144] {
            fail(kind, after);
            let found = on_device(100, 2, |system| {
                system
                    .preconditioner(Preconditioner::Cholesky { rank: 10 })
                    .tolerance(Tolerance::Relative(1e-10))
                    .solve()
            });
            repair();
            let best = match found {
                Ok(solution) => solution,
                Err(SolveError::Input(Error::Backend { .. } | Error::DeviceMemory { .. })) => {
                    continue;
                }
                Err(SolveError::Unconverged(unconverged)) => {
                    let Failure::Apply {
                        part: Part::Operator,
                        error,
                        ..
                    } = &unconverged.reason
                    else {
                        panic!("{kind:?} {after}: {}", unconverged.reason);
                    };
                    assert!(error.downcast_ref::<Error>().is_some(), "{error}");
                    unconverged.best
                }
                Err(error) => panic!("{kind:?} {after}: {error}"),
            };
            assert!(best.values_f64.iter().all(|value| value.is_finite()));
            assert!(best.columns.iter().all(|column| column.rms.is_finite()));
        }
    }
}
