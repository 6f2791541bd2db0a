//! Problems with known answers of a million points, which take minutes and are run on request:
//! `cargo test --release -p keops-runtime --test million`.

// Of what the tests of the solver share, this needs a part.
#[allow(dead_code)]
#[path = "solver/long.rs"]
mod long;
#[allow(dead_code)]
#[path = "solver/operators.rs"]
mod operators;

#[test]
fn exponential_kernel_of_a_million_points() {
    let known = [
        -3295319.17354,
        159444.511134,
        2.01718527786,
        -3.08861739256,
        2219.35860309,
    ];
    long::exponential_kernel(1_000_000, known);
}

#[test]
fn gaussian_on_a_circle_of_a_million_points() {
    // The eigenvalues of the waves are 1e5 times that of a wave that rounding errors bring in.
    long::circle(1_000_000, 8);
}
