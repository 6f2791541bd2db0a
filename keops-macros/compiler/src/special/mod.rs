//! Approximations that are made while a formula is compiled, for the very parameters that stand in it.

pub(crate) mod bessel_k;
pub(crate) mod twofold;
