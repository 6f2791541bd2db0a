//! Kernel reductions and kernel solvers from formulas, compiled with your crate.
//!
//! A formula such as `Exp(-g*SqDist(x,y))*b` describes a matrix `K_ij = exp(-g |x_i - y_j|^2)` and what it is multiplied
//! with. The macros of this crate read formulas **while your crate is being compiled**: they check names, dimensions, linearity and
//! symmetry, differentiate, optimise, and leave code that is specialised to exactly that formula. At run time
//! nothing is parsed and the matrix is never stored: memory is linear in the number of points.
//!
//! | macro | makes | its `bind` returns |
//! |---|---|---|
//! | [`genred!`] | a reduction of a formula over i or j | [`BoundReduction`], computed by [`run`](BoundReduction::run) |
//! | [`kernel_solve!`] | a solver for a formula that is linear in one variable | [`System`], solved by [`solve`](System::solve) |
//! | [`lazy!`] | a symbolic matrix | [`BoundMatrix`], a [`SymbolicMatrix`] |
//!
//! # A first system
//!
//! ```
//! use keops_solve::ndarray::Array2;
//! use keops_solve::prelude::*;
//!
//! // Kernel ridge regression: (alpha Id + K) a = b with K_ij = exp(-g |x_i - x_j|^2).
//! let kinv = kernel_solve!("Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1));
//!
//! let x = Array2::from_shape_fn((100, 2), |(i, k)| if k == 0 { (i / 10) as f64 } else { (i % 10) as f64 } / 10.0);
//! let b = Array2::from_shape_fn((100, 1), |(i, _)| (6.0 * x[(i, 0)]).sin() + x[(i, 1)]);
//! let solution = kinv.bind(&x, &x, &b, 10.0).alpha(0.1).eps(1e-8).solve()?;
//!
//! let a: &Array2<f64> = &solution.values;
//! println!("{} iterations, residual {:.1e}", solution.iterations, solution.columns[0].rms);
//! assert!(solution.columns[0].rms <= 1e-8);
//!
//! // The residual, recomputed with a reduction of the same formula.
//! let conv = genred!("Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1), axis = 1);
//! let residual = &b - conv.bind(&x, &x, a, 10.0).run()? - 0.1 * a;
//! assert!(residual.iter().all(|r| r.abs() < 1e-7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Formulas
//!
//! The [`language`] is that of KeOps ([`keops`] compares the two row by row), and [`reductions`] tells how formulas run. They are written as a string or
//! as a Rust closure; both say the same:
//!
//! ```
//! # use keops_solve::prelude::*;
//! let text = genred!("Exp(-SqDist(x,y)/(2*Square(s)))", x = Vi(3), y = Vj(3), s = Pm(1), axis = 1);
//! let closure = genred!(|x: Vi(3), y: Vj(3), s: Pm(1)| (-x.sqdist(y) / (2.0 * s.square())).exp(), axis = 1);
//! ```
//!
//! Kernels of any kind are formulas, and the usual ones have operations, such as Matern kernels of any order with derivatives of any
//! order:
//!
//! ```
//! # use keops_solve::ndarray::array;
//! # use keops_solve::prelude::*;
//! let matern = lazy!(|x: Vi(2), y: Vj(2), l: Pm(1)| (x.sqdist(y) / l.square()).matern(2.5));
//! let x = array![[0.0, 0.0], [0.3, 0.4]];
//! let k = matern.bind(&x, &x, 0.5).to_dense()?;
//! let s = 5f64.sqrt(); // the points are a length scale apart
//! assert_eq!(k[(0, 0)], 1.0);
//! assert!((k[(0, 1)] - (1.0 + s + s * s / 3.0) * (-s).exp()).abs() < 1e-15);
//! # Ok::<(), keops_solve::Error>(())
//! ```
//!
//! A variable is `Vi(dim)`, one vector for each i, `Vj(dim)`, one for each j, or `Pm(dim)`, one for the whole call. In a
//! closure, a name that is none of its parameters is captured from the scope around it as a scalar; nothing is recompiled when
//! its value changes.
//!
//! # Arrays
//!
//! `bind` takes the arrays in the order of the variables: for `Vi` and `Vj` what [`IntoPoints`] lists (arrays of the crate
//! [`ndarray`] with any strides, slices of rows, flat slices), for `Pm` what [`IntoParams`] lists (slices, arrays, a
//! bare number where the dimension is 1), and [arrays on a device](#arrays-on-a-device). Elements are `f32`, `f64` or [`half::f16`] (computed in `f32`, rounded once), inferred from the arrays. `bind` itself
//! checks and computes nothing; arrays that do not fit are an [`Error`] of `run` or `solve` that names the variable.
//!
//! Between `bind` and `run` or `solve` stand options of the call: the hardware ([`backend`](BoundReduction::backend), [`instruction_set`](BoundReduction::instruction_set)), the type of
//! accumulators and the care with which sums are added ([`accumulate`](BoundReduction::accumulate), [`sum_scheme`](BoundReduction::sum_scheme)), and [`ranges`](BoundReduction::ranges).
//!
//! # Batches
//!
//! `bind_batch`, beside `bind` in all macros, takes arrays with batch dimensions in front of their own, as [`IntoBatch`] lists them, and broadcasts these: missing
//! ones and those of length 1 are repeated. Results have the batch dimensions in front. It returns a [`BoundBatch`] to run, a [`SystemBatch`] to solve,
//! or a [`MatrixBatch`].
//!
//! ```
//! use keops_solve::ndarray::{Array2, Array3};
//! use keops_solve::prelude::*;
//!
//! let conv = genred!("Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(1), g = Pm(1), axis = 1);
//! let (x, b) = (Array3::<f64>::ones((8, 20, 3)), Array3::ones((8, 20, 1))); // eight clouds of twenty points
//! let g = Array2::from_shape_fn((8, 1), |(k, _)| k as f64); // a parameter for each
//! let out = conv.bind_batch(&x, &x, &b, &g).run()?;
//! assert_eq!(out.shape(), [8, 20, 1]);
//! # Ok::<(), keops_solve::Error>(())
//! ```
//!
//! # Block-sparse reductions
//!
//! Where far pairs of points contribute next to nothing, sort the points into clusters and let [`Ranges`] say which pairs of clusters
//! count: the option `ranges` of reductions, symbolic matrices and systems takes no others. [`ranges::cluster`] finds clusters and sorts points.
//!
//! ```
//! use keops_solve::ndarray::{Array2, array};
//! use keops_solve::prelude::*;
//!
//! let x = Array2::from_shape_fn((6, 1), |(i, _)| (i / 3 * 1000 + i) as f64); // two clusters, of three points each
//! let clusters = [[0, 3], [3, 6]];
//! let near = Ranges::from_matrix(&clusters, &clusters, &array![[true, false], [false, true]])?;
//!
//! let gaussian = lazy!(|x: Vi(1), y: Vj(1)| (-x.sqdist(y)).exp());
//! let sums = gaussian.bind(&x, &x).ranges(&near).sum(1)?; // 18 of 36 pairs
//! assert_eq!(sums, gaussian.bind(&x, &x).sum(1)?);
//! # Ok::<(), keops_solve::Error>(())
//! ```
//!
//! # Gradients
//!
//! With `grad = [..]` a macro compiles gradients by the variables that it names, and nothing more. The value then comes from
//! `forward`, and `pullback(&e)` gives the gradients of `sum(e * value)`: one array for each name, in their order and of the shapes of
//! the arrays that were bound, `(1, dimension)` for a parameter. For a loss `l(value)`, `e` is its gradient by the value.
//!
//! ```
//! use keops_solve::ndarray::{Array2, array};
//! use keops_solve::prelude::*;
//!
//! let bumps = genred!("Exp(-g*SqDist(x,y))", x = Vi(1), y = Vj(1), g = Pm(1), axis = 1, grad = [y, g]);
//! let x = Array2::from_shape_fn((50, 1), |(i, _)| i as f64 / 50.0);
//! let target = bumps.bind(&x, &array![[0.1], [0.5], [0.9]], 20.0).run()?;
//!
//! // Where are the bumps, and how wide are they? Gradient descent on |value - target|^2 / 2.
//! let (mut y, mut g) = (array![[0.15], [0.45], [0.85]], 15.0);
//! for _ in 0..500 {
//!     let forward = bumps.bind(&x, &y, g).forward()?;
//!     let e = &forward.value - &target;
//!     let [dy, dg] = forward.pullback(&e)?;
//!     y.scaled_add(-1e-3, &dy);
//!     g -= 10.0 * dg[(0, 0)];
//! }
//! assert!((y[(1, 0)] - 0.5).abs() < 1e-3 && (g - 20.0).abs() < 0.1);
//! # Ok::<(), keops_solve::Error>(())
//! ```
//!
//! All [reductions](operation) that give values have them, minima and maxima through the indices that they select ([`Forward`]). A
//! system has them too, by its right-hand side, points, parameters and always by `alpha` ([`ForwardSolve`]). Its points are bound twice,
//! for i and for j, and each of the two gets the gradient of its own role: their sum is the gradient by the points. Batches of both have
//! gradients ([`ForwardBatch`], [`ForwardSolveBatch`]), summed where an array was broadcast. A symbolic matrix has none: what is to be differentiated is
//! written as [`genred!`] or [`kernel_solve!`].
//!
//! ```
//! use keops_solve::ndarray::Array2;
//! use keops_solve::prelude::*;
//!
//! let kinv = kernel_solve!("Exp(-g*SqDist(x,y))*b", x = Vi(1), y = Vj(1), b = Vj(1), g = Pm(1), grad = [x, y, b, g]);
//! let x = Array2::from_shape_fn((20, 1), |(i, _)| (i as f64 / 6.0).sin());
//! let b = x.mapv(|x| (3.0 * x).cos());
//!
//! // The squared norm of the solution, and its gradients.
//! let tolerance = Tolerance::Relative(1e-10);
//! let forward = kinv.bind(&x, &x, &b, 2.0).alpha(0.1).tolerance(tolerance).forward()?;
//! let e = 2.0 * &forward.solution.values;
//! let SystemGradients { aliases: [dx, dy, db, dg], alpha: by_alpha, .. } = forward.pullback(&e)?;
//! let by_points = dx + dy;
//! assert_eq!((by_points.dim(), db.dim(), dg.dim()), ((20, 1), (20, 1), (1, 1)));
//!
//! let norm = |alpha: f64| -> Result<f64, SolveError<f64>> {
//!     let solution = kinv.bind(&x, &x, &b, 2.0).alpha(alpha).tolerance(tolerance).solve()?;
//!     Ok(solution.values.mapv(|a| a * a).sum())
//! };
//! let difference = (norm(0.1001)? - norm(0.0999)?) / 2e-4;
//! assert!((by_alpha - difference).abs() < 1e-4 * by_alpha.abs());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Of a batch of systems:
//!
//! ```
//! use keops_solve::ndarray::{Array2, Array3};
//! use keops_solve::prelude::*;
//!
//! kernel_solve!(Ridge: "Exp(-g*SqDist(x,y))*b", x = Vi(1), y = Vj(1), b = Vj(1), g = Pm(1), grad = [b, g]);
//!
//! // Four sets of 20 points with the same values at them, and with a parameter for each set.
//! let x = Array3::from_shape_fn((4, 20, 1), |(k, i, _)| (k + 1) as f64 * i as f64 / 20.0);
//! let b = Array2::from_shape_fn((20, 1), |(i, _)| (i as f64).sin());
//! let g = Array2::from_shape_fn((4, 1), |(k, _)| 5.0 + k as f64);
//! let forward = Ridge.bind_batch(&x, &x, &b, &g).alpha(0.1).eps(1e-10).forward()?;
//! assert_eq!(forward.solution.values.shape(), [4, 20, 1]);
//!
//! let gradients = forward.pullback(&forward.solution.values)?;
//! let [by_b, by_g] = &gradients.aliases;
//! assert_eq!((by_b.shape(), by_g.shape()), (&[20, 1][..], &[4, 1][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Honest results
//!
//! A solve has converged when the residual, **recomputed in double precision from the data**, meets the tolerance, whatever
//! the element type. Each column of the solution comes with a bound of its error ([`ColumnReport::error_bound`]), and
//! [`Tolerance::Prediction`] asks for predictions with a guarantee. Everything else is a [`SolveError`] that says what happened and holds the best iterate and the same report.
//!
//! # Few iterations
//!
//! A solve with a scalar kernel makes a preconditioner of a few rows of its matrix, as many as pay ([`Preconditioner::Auto`]): for 5000
//! points in the unit square and a Gaussian kernel of width 0.1, `alpha = 0.01`, about five iterations take the place of some 500. The choice depends on the
//! system alone, and [`Solution::preconditioner`] tells it. A preconditioner can be kept ([`LowRank`]): for other right-hand sides, another
//! `alpha`, or, renewed, for other parameters of the kernel.
//!
//! # Gaussian processes
//!
//! [`gp`] has what is computed with a covariance matrix apart from solving: posterior means and variances, the log marginal likelihood with its
//! gradient, leave-one-out residuals. Kernel functions are symbolic matrices, and so are their derivatives, by the operation `Diff`:
//!
//! ```
//! use keops_solve::ndarray::{Array1, Array2};
//! use keops_solve::prelude::*;
//!
//! let kernel = lazy!("Exp(-g*SqDist(x,y))", x = Vi(1), y = Vj(1), g = Pm(1));
//! let by_g = lazy!("Diff(Exp(-g*SqDist(x,y)), g, 1)", x = Vi(1), y = Vj(1), g = Pm(1));
//!
//! let x = Array1::linspace(0.0, 1.0, 100);
//! let y = x.mapv(|x: f64| (6.0 * x).sin());
//! let (mut log_g, alpha) = (0.0, 1e-4);
//! for _ in 0..20 {
//!     let g = f64::exp(log_g);
//!     let k_xx = kernel.bind(&x, &x, g);
//!     let posterior = GaussianProcess::new(k_xx.operator()?, alpha).fit(&y)?;
//!     let gradient = posterior.log_marginal_likelihood_gradient(&[&by_g.bind(&x, &x, g).operator()?])?;
//!     log_g += 0.1 * (g * gradient.parameters[0].value).clamp(-1.0, 1.0);
//! }
//!
//! let g = log_g.exp();
//! let k_xx = kernel.bind(&x, &x, g);
//! let posterior = GaussianProcess::new(k_xx.operator()?, alpha).fit(&y)?;
//! let t = Array1::linspace(0.0, 1.0, 7);
//! let prediction = posterior.predict(&kernel.bind(&t, &x, g), &kernel.bind(&t, &t, g))?;
//! for (i, t) in t.iter().enumerate() {
//!     assert!((prediction.mean[(i, 0)] - f64::sin(6.0 * t)).abs() < 0.01);
//!     assert!(0.0 < prediction.variance[i] && prediction.variance[i] < alpha);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Up to 2000 points all of it is exact, from a dense factorisation. Beyond, the matrix is not stored, variances come with a bound of their error, and
//! determinants and traces are estimated by random probes and come with their standard error.
//!
//! # Speed
//!
//! Kernels use the best instruction set of the processor that they run on (AVX-512, AVX2 with FMA, or portable vectors), and
//! all threads of the current rayon pool. [`InstructionSet`] and the environment variable `KEOPS_ISA` (`avx512`, `avx2`,
//! `portable`) choose another. Kernels are generic code that is compiled in your crate: without optimisation they are two hundred times
//! slower, and those of long formulas (gradients of Bessel functions, say) may need more stack than a thread has, so put this into your `Cargo.toml`:
//!
//! ```toml
//! [profile.dev]
//! opt-level = 1
//! ```

//! # CUDA
//!
//! All reference cases were run on an H100 on 2026-11-26 and on an H200 on 2026-11-27, with block-sparse reductions and batches on the latter; no other device has been
//! tried, and solves that stay on a device not at all. The tests run kernels that are compiled as C++ on a processor, and NVIDIA's compiler takes them for sm_80, sm_90 and sm_120.
//!
//! A formula is emitted as CUDA device functions too, and its reductions run on a device where there is one:
//!
//! - [`Backend::Auto`], the default, uses the first device for reductions of some 10^7 instructions and more, and the processor for less, and where the device
//!   fails.
//! - [`Backend::Cuda`] uses the device of that index, whatever the work. Where it cannot, it is an [`Error::Backend`] that says what is missing: the driver, a device, the
//!   compiler library NVRTC, or a driver that is new enough for it.
//! - [`Error::DeviceMemory`] says how much memory was asked for and how much was free.
//!
//! All reductions over both axes and all ways of adding run there, in `f32` and `f64`, block-sparse ones too, and all elements of a batch in one launch; so do products with matrices. Dense copies
//! and the rows of preconditioners are computed on the processor.
//!
//! A solve with a scalar kernel keeps its vectors on the device, in double precision. Points and parameters go there once, and the right-hand side; an iteration with one right-hand side then waits
//! twice for a few numbers, one with several three to five times for matrices of as many rows and columns, and more often where residuals are checked or nearly depend on each other; none asks for memory.
//! Solutions come back when their residual, computed on the device in double precision, is the smallest so far. Factorisations are applied on the device too; for a preconditioner of another kind vectors go to the host and back. The recursion for all `alpha` of a path stays there as well. Solves with
//! matrix-valued kernels and with operators of one's own, and log determinants, keep their vectors on the host.
//! A device that fails ends a solve with its error and the best iterate; under [`Backend::Auto`] the processor begins again. **None of this has been run on a device**: the tests
//! run it against a driver whose device is a processor.
//!
//! Results are the same bit for bit from run to run on the same device: there are no atomic additions, and columns that are cut into parts
//! are merged in order. They differ from those of the processor by roundings. In single precision `2^x`, of which kernels such as the Gaussian are made, is
//! one instruction with an error of up to 2 units in the last place.
//!
//! ## Arrays on a device
//!
//! Arrays that are on a device already, `CudaSlice<f32>` and `CudaSlice<f64>` of the crate [`cudarc`] and views of them, are bound as flat slices are: row-major, and cut into rows of
//! the variable's dimension. They stand for `Vi` and `Vj` variables, right-hand sides and guesses, beside arrays on the host, which go to the device. With one of them everything
//! runs on its device, whatever the work. [`run_on`](BoundReduction::run_on), [`dot_on`](BoundMatrix::dot_on) and [`solve_on`](System::solve_on) leave results on the device of a
//! stream, also of arrays on the host. Nothing is copied between such an array and the host, but for a right-hand side or a guess of a solve whose result goes to the host, and to find
//! where a number is not finite.
//! **This has not been run on a device**: the tests run it against a driver whose device is a processor, and whose streams do everything as late as they can.
//!
//! ```
//! use keops_solve::cudarc::driver::CudaSlice;
//! use keops_solve::device_context;
//! use keops_solve::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = match device_context(0) {
//!     Ok(context) => context,
//!     Err(missing) => {
//!         println!("{missing}");
//!         return Ok(());
//!     }
//! };
//! let stream = context.new_stream()?;
//! let x = stream.clone_htod(&[0.0f32, 0.0, 3.0, 4.0])?; // two points in the plane
//! let b = stream.clone_htod(&[1.0f32, 2.0])?;
//!
//! let conv = genred!("Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1), axis = 1);
//! let out: CudaSlice<f32> = conv.bind(&x, &x, &b, 0.1).run_on(&stream)?; // the host does not wait
//!
//! let kinv = kernel_solve!("Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1));
//! let solution = kinv.bind(&x, &x, &out, 0.1).alpha(0.01).solve_on(&stream)?;
//! println!("{} iterations", solution.report.iterations);
//! let a: Vec<f32> = stream.clone_dtoh(&solution.values)?;
//! # Ok(())
//! # }
//! ```
//!
//! Kernels run on the default stream of the device's primary context, and:
//!
//! - They come after what has been queued on the stream of an array, the one that it was allocated on, and after what has written it on any other stream by way of cudarc. What
//!   is queued later on the stream of the array, or overwrites or frees the array by way of cudarc, comes after them.
//! - A result is an array of the stream that it was asked for on. What is queued on that stream afterwards comes after the result, and so does what uses it on other
//!   streams by way of cudarc.
//! - Where cudarc's tracking of events is off, and for what is queued behind cudarc's back, the order is kept with the stream of an array alone.
//!
//! Arrays and streams have to be of the primary context, as those of [`device_context`] and of `CudaContext::new` are. The two sides of a symmetric kernel hold the same points
//! if they are the same memory: values are not compared. Dense copies, diagonals, gradients, batches, and what [`gp`] predicts with, are computed from arrays on the host only. What does not
//! fit is an [`Error`] that names the variable; an array of another element type than the others does not compile.
//!
//! Nothing of NVIDIA's is needed to build: the driver and NVRTC are loaded when they are first needed. To run, NVRTC has to be there
//! (`pip install nvidia-cuda-nvrtc`, or a CUDA toolkit). A kernel is compiled when it is first used, which takes some
//! 50 milliseconds, and kept on disk. Without the feature `cuda`, on by default, there is no such backend.
//!
//! | environment variable | |
//! |---|---|
//! | `KEOPS_NVRTC` | the file of the compiler library, `/path/to/libnvrtc.so.12`, if it is not on the search path |
//! | `KEOPS_CACHE` | the folder of compiled kernels, in place of `keops-solve` in the user's folder for caches; empty for none |
//!
//! `cuda_source`, a method of what the macros make, gives the complete source of a kernel, for reading and checking:
//!
//! ```
//! use keops_solve::prelude::*;
//!
//! let conv = genred!("Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), axis = 1);
//! let source = conv.cuda_source::<f32>();
//! assert!(source.contains("__global__"));
//! ```

pub use keops_runtime::half;
pub use keops_runtime::solve::{
    self, ColumnReport, Entries, Estimate, EstimateError, EstimateOptions, Failure, FnOperator,
    IterationState, Landmarks, LinearOperator, LogDet, LowRank, OnIteration, OperatorError, Part,
    Precision, Precondition, Preconditioner, PreconditionerReport, Products, RidgePath, Solution,
    SolveError, SolveOptions, Tolerance, Unconverged,
};
pub use keops_runtime::{
    Accumulate, Adjoint, Axis, Backend, BatchSolution, BatchSolveError, BoundBatch, BoundMatrix,
    BoundReduction, CallOptions, Differentiable, DifferentiableOperation, Element, Error, Forward,
    ForwardBatch, ForwardSolve, ForwardSolveBatch, IntoBatch, IntoIntervals, IntoParams,
    IntoPoints, MatrixBatch, Ranges, Rectangular, SumScheme, SymbolicMatrix, System, SystemBatch,
    SystemBatchGradients, SystemGradients, UnconvergedBatch, gp, operation, ranges,
    simd::InstructionSet,
};
#[cfg(feature = "cuda")]
pub use keops_runtime::{DeviceElement, DeviceOperation, DeviceSolution, cudarc, device_context};
pub use ndarray;

#[doc = include_str!("../docs/language.md")]
pub mod language {}

#[doc = include_str!("../docs/keops.md")]
pub mod keops {}

#[doc = include_str!("../docs/reductions.md")]
pub mod reductions {}

/// What expansions name.
#[doc(hidden)]
pub mod __private {
    pub use keops_macros::{genred, kernel_solve, lazy};
    pub use keops_runtime::cuda;
    pub use keops_runtime::kernel::{Accumulator, Fetch, Kernel, NoDistance};
    pub use keops_runtime::simd::{Real, Simd};
    pub use keops_runtime::{
        Adjoint, AliasInfo, Axis, BoundBatch, BoundMatrix, BoundReduction, Category,
        Differentiable, Element, Error, FactoredSum, GradientFormulas, IntoBatch, IntoParams,
        IntoPoints, MatrixBatch, Signature, System, SystemBatch, operation, product_source,
        reduction_source, scalar,
    };
    pub use ndarray::Array2;
    pub use std::string::String;
    pub use std::vec;
    pub use std::vec::Vec;
}

/// Makes a reduction of a formula: `out_i = sum_j F(i, j)`, or another, or the reverse.
///
/// ```text
/// genred!(FORMULA, VARIABLES.., axis = 0 | 1 [, reduction = Sum | ..] [, weights = FORMULA] [, grad = [NAMES..]])
/// genred!(|VARIABLES..| EXPRESSION, axis = 0 | 1 [, reduction = Sum | ..] [, weights = EXPRESSION] [, grad = [NAMES..]])
/// genred!(pub NAME: FORMULA, ..)
/// ```
///
/// `axis = 1` reduces over j and gives one row for each i, `axis = 0` reduces over i and gives one row for each j. The value
/// has a method `bind` that takes the arrays, in the order of the variables, and returns a [`BoundReduction`], and
/// a method `formula`. With a name in front, in item position, the macro defines a unit struct with these methods;
/// attributes and documentation in front of the name are the struct's. What macros define has no `unsafe`, and compiles where rustc's lints and
/// Clippy's groups `all`, `pedantic` and `nursery` are forbidden; where `clippy::exhaustive_structs` is denied, a public name needs `#[non_exhaustive]` or an `expect`.
///
/// ```
/// use keops_solve::ndarray::array;
/// use keops_solve::prelude::*;
///
/// let conv = genred!("Exp(-SqDist(x,y))*b", x = Vi(1), y = Vj(1), b = Vj(2), axis = 1);
/// let x = array![[0.0], [1.0]];
/// let b = array![[1.0, 2.0], [3.0, 4.0]];
/// let out = conv.bind(&x, &x, &b).run()?; // shape (2, 2)
/// assert!((out[(0, 1)] - (2.0 + 4.0 * f64::exp(-1.0))).abs() < 1e-15);
/// # Ok::<(), keops_solve::Error>(())
/// ```
///
/// # Reductions
///
/// For `axis = 1`, M points i, N points j and a formula F of dimension D (with `axis = 0` the two sides trade places):
///
/// | `reduction =` | computes | `run` returns |
/// |---|---|---|
/// | [`Sum`](operation::Sum), the default | `sum_j F` | `Array2<T>`, (M, D) |
/// | [`LogSumExp`](operation::LogSumExp) | `log sum_j exp(F)` | `Array2<T>`, (M, D) |
/// | [`LogSumExp`](operation::WeightedLogSumExp) with `weights = "g"` | `log sum_j exp(F) g` for scalar F | `Array2<T>`, (M, dimension of g) |
/// | [`SumSoftMaxWeight`](operation::SumSoftMaxWeight) with `weights = "g"` | `sum_j exp(F) g / sum_j exp(F)` for scalar F | `Array2<T>`, (M, dimension of g) |
/// | [`Min`](operation::Min), [`Max`](operation::Max) | the smallest or greatest value over j | `Array2<T>`, (M, D) |
/// | [`ArgMin`](operation::ArgMin), [`ArgMax`](operation::ArgMax) | its index j | `Array2<usize>`, (M, D) |
/// | [`MinArgMin`](operation::MinArgMin), [`MaxArgMax`](operation::MaxArgMax) | both | the pair |
/// | [`KMin(k)`](operation::KMin) | the k smallest values, ascending | `Array3<T>`, (M, k, D) |
/// | [`ArgKMin(k)`](operation::ArgKMin) | their indices | `Array3<usize>`, (M, k, D) |
/// | [`KMinArgKMin(k)`](operation::KMinArgKMin) | both | the pair |
///
/// Among equal values the lowest index wins. NaN makes sums NaN and is skipped where values are compared. Where there is nothing
/// to reduce, sums are 0, log-sum-exps -inf, means NaN, minima +inf and maxima -inf, with index 0, and so are the
/// last of k smallest values where there are fewer than k.
///
/// The nearest neighbours of points:
///
/// ```
/// use keops_solve::ndarray::array;
/// use keops_solve::prelude::*;
///
/// let nearest = genred!("SqDist(x,y)", x = Vi(2), y = Vj(2), reduction = ArgKMin(2), axis = 1);
/// let x = array![[0.0, 0.0], [2.0, 2.0]];
/// let y = array![[5.0, 5.0], [0.1, 0.0], [1.0, 1.0]];
/// let neighbours = nearest.bind(&x, &y).run()?;
/// assert_eq!(neighbours, array![[[1], [2]], [[2], [1]]]); // shape (2, 2, 1)
/// # Ok::<(), keops_solve::Error>(())
/// ```
///
/// Attention, a mean of the values `v` with weights that fall off with the distance of their keys from the query:
///
/// ```
/// use keops_solve::ndarray::array;
/// use keops_solve::prelude::*;
///
/// let attend = genred!(
///     |query: Vi(1), key: Vj(1), v: Vj(2)| -query.sqdist(key),
///     reduction = SumSoftMaxWeight,
///     weights = v,
///     axis = 1,
/// );
/// let keys = array![[0.0], [100.0]];
/// let values = array![[1.0, 2.0], [3.0, 4.0]];
/// let out = attend.bind(&array![[1.0], [50.0]], &keys, &values).run()?;
/// assert_eq!(out, array![[1.0, 2.0], [2.0, 3.0]]);
/// # Ok::<(), keops_solve::Error>(())
/// ```
///
/// # Gradients
///
/// With `grad = [x, b]` the reduction has a method [`forward`](BoundReduction::forward), whose result has gradients by the variables
/// named; see [the beginning](crate#gradients).
///
/// # Compile errors
///
/// Unknown names, wrong dimensions, and whatever else is wrong with the formula are reported at their place in it. A missing `axis`
/// is an error: there is no silent choice. So are weights that a reduction has no use for or lacks, `k = 0`, and gradients of a
/// reduction that gives indices alone.
#[macro_export]
macro_rules! genred {
    ($($tokens:tt)*) => { $crate::__private::genred! { $crate; $($tokens)* } };
}

/// Makes a solver for a formula that is linear in one variable: `(alpha Id + K) a = b`, where the formula is `K` applied to
/// that variable.
///
/// ```text
/// kernel_solve!(FORMULA, VARIABLES.. [, var = NAME] [, axis = 0 | 1] [, assume_symmetric] [, grad = [NAMES..]])
/// kernel_solve!(|VARIABLES..| EXPRESSION, ..)
/// kernel_solve!(pub NAME: FORMULA, ..)
/// ```
///
/// `var` names the unknown; left out, it is the only variable in which the formula is linear. In its place `bind` takes the
/// right-hand side `b`, and returns a [`System`]. For a formula `k(x, y)*b` with a scalar kernel `k` the columns of `b` are independent right-hand
/// sides; a matrix-valued kernel such as `Exp(-SqDist(x,y))*(b + Sum(b))` couples them into one system.
///
/// ```
/// use keops_solve::ndarray::array;
/// use keops_solve::prelude::*;
///
/// kernel_solve!(
///     /// Ridge regression with an exponential kernel.
///     pub Ridge: "Exp(-Norm2(x-y)/s)*b", x = Vi(1), y = Vj(1), b = Vj(1), s = Pm(1)
/// );
///
/// let x = array![[0.0f32], [0.5], [2.0]];
/// let b = array![[1.0f32], [2.0], [3.0]];
/// let solution = Ridge.bind(&x, &x, &b, 1.5).alpha(0.1).solve()?;
/// assert!(solution.columns[0].converged);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With `grad = [b, s]` the system has a method [`forward`](System::forward), whose result has gradients by the variables named and by
/// `alpha`; see [the beginning](crate#gradients).
///
/// # Compile errors
///
/// A formula that is linear in no variable, or in several while `var` does not choose one; one that is not linear in
/// `var`; one that is not symmetric under the exchange of i and j, unless `assume_symmetric` is written. Linearity is decided by the
/// operation table, symmetry by the structure of the formula or, where that does not show it, by evaluating the formula at random points
/// inside the compiler.
#[macro_export]
macro_rules! kernel_solve {
    ($($tokens:tt)*) => { $crate::__private::kernel_solve! { $crate; $($tokens)* } };
}

/// Makes a symbolic matrix `K_ij = F(i, j)`: multiply with it, reduce it, solve with it.
///
/// ```text
/// lazy!(|VARIABLES..| EXPRESSION [, assume_symmetric])
/// lazy!(FORMULA, VARIABLES.. [, assume_symmetric])
/// ```
///
/// ```
/// use keops_solve::ndarray::{Array1, Array2};
/// use keops_solve::prelude::*;
///
/// fn gaussian<'a>(x: &'a Array2<f64>, y: &'a Array2<f64>, sigma: f64) -> impl SymbolicMatrix<f64> + 'a {
///     lazy!(|x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / (2.0 * sigma * sigma)).exp()).bind(x, y)
/// }
///
/// let x = Array2::from_shape_fn((50, 1), |(i, _)| i as f64 / 50.0);
/// let b = Array1::from_iter(x.iter().map(|x| (6.0 * x).sin()));
/// let a = gaussian(&x, &x, 0.1).rhs(&b).alpha(0.01).solve()?.values;
///
/// let t = Array2::from_shape_fn((7, 1), |(i, _)| i as f64 / 7.0);
/// let mean = gaussian(&t, &x, 0.1).dot(&a)?; // K_tx a, shape (7, 1)
/// assert!(mean.iter().zip(&t).all(|(m, t)| (m - (6.0 * t).sin()).abs() < 0.1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! lazy {
    ($($tokens:tt)*) => { $crate::__private::lazy! { $crate; $($tokens)* } };
}

/// The macros, the traits and the common types: `use keops_solve::prelude::*;`.
pub mod prelude {
    pub use crate::gp::GaussianProcess;
    pub use crate::{
        Accumulate, Backend, Element, Error, EstimateOptions, Failure, InstructionSet, Landmarks,
        LinearOperator, LowRank, Preconditioner, Ranges, Solution, SolveError, SolveOptions,
        SumScheme, SymbolicMatrix, System, SystemGradients, Tolerance, genred, kernel_solve, lazy,
    };
}
