/// The element type of a vector: `f32` or `f64`.
pub trait Real: Copy + Send + Sync + PartialOrd + Default + core::fmt::Debug + 'static {
    /// Additive identity.
    const ZERO: Self;
    /// Nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
}

macro_rules! real {
    ($($t:ty),*) => {$(
        impl Real for $t {
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { f64::from(self) }
        }
    )*};
}
real!(f32, f64);
