//! The two directions of a reduction.

use crate::cpu::{Pairing, RowsI, RowsJ};
use crate::kernel::Kernel;

/// The axis that a reduction runs over: `Axis<1>` reduces over `j` and gives a row per `i`, `Axis<0>` the reverse.
#[derive(Clone, Copy, Debug)]
pub struct Axis<const A: usize>;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Axis<0> {}
    impl Sealed for super::Axis<1> {}
}

/// One of [`Axis<0>`](Axis) and [`Axis<1>`](Axis).
pub trait Orientation: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The axis, 0 or 1.
    const AXIS: usize;
    /// The other one.
    type Other: Orientation<Other = Self>;
    /// The kernel `K` in this orientation.
    #[doc(hidden)]
    type Pairing<K: Kernel>: Pairing;
}

impl Orientation for Axis<1> {
    const AXIS: usize = 1;
    type Other = Axis<0>;
    type Pairing<K: Kernel> = RowsI<K>;
}

impl Orientation for Axis<0> {
    const AXIS: usize = 0;
    type Other = Axis<1>;
    type Pairing<K: Kernel> = RowsJ<K>;
}
