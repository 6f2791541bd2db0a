//! The kernels that are counted.

use keops_benches::data::uniform;
use keops_solve::Error;
use keops_solve::prelude::*;

/// A kernel in one type.
pub(crate) struct Kernel {
    /// `formula/type`.
    pub(crate) name: &'static str,
    /// The number of points of a vector of AVX2.
    pub(crate) lanes: usize,
    /// Whether each value is used twice: rows and columns are the same points, as many as there are columns.
    pub(crate) symmetric: bool,
    /// Runs it on so many rows and columns.
    pub(crate) run: fn(usize, usize) -> Result<(), Error>,
}

/// Entries in both types, for a function of the type.
macro_rules! both {
    ($($name:literal, $symmetric:literal, |$t:ident, $rows:ident, $columns:ident| $run:expr;)*) => {
        &[$(
            Kernel {
                name: concat!($name, "/f32"),
                lanes: 8,
                symmetric: $symmetric,
                run: |$rows, $columns| { type $t = f32; $run },
            },
            Kernel {
                name: concat!($name, "/f64"),
                lanes: 4,
                symmetric: $symmetric,
                run: |$rows, $columns| { type $t = f64; $run },
            },
        )*]
    };
}

/// Sums of a formula over points of `d` dimensions, with `k` columns of `b`.
macro_rules! sum {
    ($t:ident, $rows:ident, $columns:ident, $formula:literal, $d:literal, $k:literal) => {{
        let (x, y) = (uniform::<$t>($rows, $d, 1), uniform::<$t>($columns, $d, 2));
        let b = uniform::<$t>($columns, $k, 3);
        let sum = genred!(
            $formula,
            x = Vi($d),
            y = Vj($d),
            b = Vj($k),
            g = Pm(1),
            axis = 1
        );
        sum.bind(&x, &y, &b, 10.0).run().map(drop)
    }};
}

/// Another reduction of a formula over points of three dimensions.
macro_rules! reduce {
    ($t:ident, $rows:ident, $columns:ident, $formula:literal, $($reduction:tt)*) => {{
        let (x, y) = (uniform::<$t>($rows, 3, 1), uniform::<$t>($columns, 3, 2));
        let reduction = genred!($formula, x = Vi(3), y = Vj(3), reduction = $($reduction)*, axis = 1);
        reduction.bind(&x, &y).run().map(drop)
    }};
}

pub(crate) static KERNELS: &[Kernel] = both! {
    "gaussian", false, |T, m, n| sum!(T, m, n, "Exp(-g*SqDist(x,y))*b", 3, 1);
    "gaussian-same-points", true, |T, _m, n| {
        let (x, b) = (uniform::<T>(n, 3, 1), uniform::<T>(n, 1, 3));
        let sum = genred!("Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(1), g = Pm(1), axis = 1);
        sum.bind(&x, &x, &b, 10.0).run().map(drop)
    };
    "laplacian", false, |T, m, n| sum!(T, m, n, "Exp(-g*Norm2(x-y))*b", 3, 1);
    "matern32", false, |T, m, n| sum!(T, m, n, "(1+g*Norm2(x-y))*Exp(-g*Norm2(x-y))*b", 3, 1);
    "cauchy", false, |T, m, n| sum!(T, m, n, "Inv(1+g*SqDist(x,y))*b", 3, 1);
    "inverse-multiquadric", false, |T, m, n| sum!(T, m, n, "Rsqrt(1+g*SqDist(x,y))*b", 3, 1);
    "gaussian-d10", false, |T, m, n| sum!(T, m, n, "Exp(-g*SqDist(x,y))*b", 10, 1);
    "gaussian-d100", false, |T, m, n| sum!(T, m, n, "Exp(-g*SqDist(x,y))*b", 100, 1);
    "gaussian-10-columns", false, |T, m, n| sum!(T, m, n, "Exp(-g*SqDist(x,y))*b", 3, 10);
    "gaussian-gradient-x", false, |T, m, n| {
        let (x, y) = (uniform::<T>(m, 3, 1), uniform::<T>(n, 3, 2));
        let (b, e) = (uniform::<T>(n, 1, 3), uniform::<T>(m, 1, 4));
        let sum = genred!(
            "Grad(Exp(-g*SqDist(x,y))*b, x, e)", x = Vi(3), y = Vj(3), b = Vj(1), g = Pm(1), e = Vi(1), axis = 1
        );
        sum.bind(&x, &y, &b, 10.0, &e).run().map(drop)
    };
    "log-sum-exp", false, |T, m, n| reduce!(T, m, n, "-10*SqDist(x,y)", LogSumExp);
    "nearest", false, |T, m, n| reduce!(T, m, n, "SqDist(x,y)", ArgMin);
    "10-nearest", false, |T, m, n| reduce!(T, m, n, "SqDist(x,y)", ArgKMin(10));
};
