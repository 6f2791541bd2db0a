//! Scalars that closures capture.

/// A number that a formula in closure form may capture from the scope around it: `f32`, `f64`, `half::f16`, an integer, or a
/// reference to one. It becomes a parameter of the kernel.
#[diagnostic::on_unimplemented(
    message = "a formula cannot capture a value of type `{Self}`",
    label = "expected a number",
    note = "arrays are bound as `Vi`, `Vj` or `Pm`: declare them as parameters of the closure"
)]
pub trait Scalar: Copy {
    /// The value in double precision.
    #[doc(hidden)]
    fn widened(self) -> f64;
}

macro_rules! scalar {
    ($($t:ty),*) => {$(
        impl Scalar for $t {
            #[inline]
            fn widened(self) -> f64 { self as f64 }
        }
    )*};
}
scalar!(f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl Scalar for half::f16 {
    #[inline]
    fn widened(self) -> f64 {
        self.to_f64()
    }
}

impl<S: Scalar> Scalar for &S {
    #[inline]
    fn widened(self) -> f64 {
        (*self).widened()
    }
}

/// For expansions: a captured scalar in double precision.
#[doc(hidden)]
#[inline]
pub fn scalar(value: impl Scalar) -> f64 {
    value.widened()
}
