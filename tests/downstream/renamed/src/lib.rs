//! A crate that calls keops-solve `k`, and has names of its own for what expansions might use.

#![forbid(unsafe_code)]
#![deny(missing_docs, warnings, unused_qualifications)]

use k::prelude::*;

k::kernel_solve!(
    /// A kernel under another name of the crate.
    pub Renamed: "Exp(-SqDist(x,y))*b", x = Vi(1), y = Vj(1), b = Vj(1)
);

/// `sum_j exp(-s (x_i - x_j)^2)` over all points of `x`.
///
/// # Errors
/// None for points of one dimension.
pub fn density(x: &k::ndarray::Array1<f32>, s: f64) -> Result<k::ndarray::Array2<f32>, Error> {
    lazy!(|x: Vi(1), y: Vj(1)| (-s * (x - y).sqnorm2()).exp())
        .bind(x, x)
        .sum(1)
}

/// A scope in which no name means what it usually does.
pub mod hostile {
    #![no_implicit_prelude]
    #![allow(missing_docs, dead_code, non_camel_case_types)]

    pub mod alloc {}
    pub mod std {}
    pub mod keops_solve {}
    pub struct Option;
    pub struct Some;
    pub struct None;
    pub struct Result;
    pub struct Ok;
    pub struct Vec;
    pub trait Copy {}
    pub trait Clone {}
    pub struct Kernel;
    pub struct Formula;
    pub const CAPTURED: f64 = 2.0;

    ::k::genred!(pub Sum: "x*y", x = Vi(1), y = Vj(1), axis = 1);

    /// `sum_j 2 x_i x_j`
    pub fn doubled(x: &::k::ndarray::Array1<f32>) -> ::k::ndarray::Array2<f32> {
        let scaled = ::k::genred!(|x: Vi(1), y: Vj(1)| CAPTURED * x * y, axis = 1);
        match scaled.bind(x, x).run() {
            ::core::result::Result::Ok(sums) => sums,
            ::core::result::Result::Err(_) => ::k::ndarray::Array2::from_elem((0, 1), 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k::ndarray::array;

    #[test]
    fn a_renamed_crate_computes_the_same() {
        let x = array![0.0_f32, 1.0];
        let near = 1.0 + (-0.5_f32).exp();
        let sums = density(&x, 0.5).unwrap();
        assert!(sums.iter().all(|sum| (sum - near).abs() < 1e-6));
        let solution = Renamed
            .bind(&x, &x, &array![2.0, 2.0])
            .alpha(1.0)
            .solve()
            .unwrap();
        let expected = 2.0 / (2.0 + (-1.0_f32).exp());
        assert!(solution.values.iter().all(|a| (a - expected).abs() < 1e-5));
    }

    #[test]
    fn names_in_scope_do_not_matter() {
        let x = array![1.0_f32, 2.0];
        assert_eq!(hostile::doubled(&x), array![[6.0], [12.0]]);
        assert_eq!(
            hostile::Sum.bind(&x, &x).run().unwrap(),
            array![[3.0_f32], [6.0]]
        );
    }
}
