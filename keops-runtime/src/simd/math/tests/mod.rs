//! Accuracy of the elementary functions, on every instruction set of the machine.

mod f32_sweep;
mod f64_table;
mod special;

use super::super::{InstructionSet, Real, Simd, WithSimd, dispatch};

/// The accuracy that the documentation promises, in units in the last place.
const MAX_ULP: f64 = 2.0;

macro_rules! functions {
    ($($variant:ident $name:ident $($second:ident)?;)*) => {
        /// A function of one or two arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        enum Function { $($variant,)* }

        impl Function {
            const ALL: &[Self] = &[$(Self::$variant,)*];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)* }
            }

            #[inline(always)]
            fn apply<S: Simd>(self, s: S, x: S::V, y: S::V) -> S::V {
                let _ = y;
                match self { $(Self::$variant => s.$name(x $(, { let $second = y; $second })?),)* }
            }
        }
    };
}
functions! {
    Exp exp; Exp2 exp2; Expm1 expm1; Log log; Log1p log1p; Sin sin; Cos cos; Asin asin; Acos acos; Atan atan;
    Sinh sinh; Cosh cosh; Tanh tanh; Erf erf; Recip recip; Rsqrt rsqrt; Atan2 atan2 y; Pow pow y;
}

struct Map<'a, T> {
    function: Function,
    x: &'a [T],
    y: &'a [T],
}

impl<T: Real> WithSimd<T> for Map<'_, T> {
    type Output = Vec<T>;
    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) -> Vec<T> {
        let mut out = vec![T::ZERO; self.x.len().next_multiple_of(S::LANES)];
        for (l, out) in out.chunks_exact_mut(S::LANES).enumerate() {
            let from = l * S::LANES;
            let x = s.load_partial(&self.x[from..], T::ONE);
            let y = s.load_partial(&self.y[from.min(self.y.len())..], T::ONE);
            s.store(self.function.apply(s, x, y), out);
        }
        out.truncate(self.x.len());
        out
    }
}

/// `function` of every element of `x` (and `y`).
fn map<T: Real>(isa: InstructionSet, function: Function, x: &[T], y: &[T]) -> Vec<T> {
    dispatch(isa, Map { function, x, y })
}
