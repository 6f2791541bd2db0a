//! Special values: zeros, infinities, NaN and the edges of overflow, as the C standard has them (annex F).

use core::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{Function, InstructionSet, Real, map};

const INFINITY: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// `(function, x, expected)`; the values of both types are these rounded.
const ONE_ARGUMENT: &[(Function, f64, f64)] = &[
    (Function::Exp, 0.0, 1.0),
    (Function::Exp, -0.0, 1.0),
    (Function::Exp, INFINITY, INFINITY),
    (Function::Exp, -INFINITY, 0.0),
    (Function::Exp, 1e30, INFINITY),
    (Function::Exp, -1e30, 0.0),
    (Function::Exp, 710.0, INFINITY),
    (Function::Exp, -750.0, 0.0),
    (Function::Exp2, 0.0, 1.0),
    (Function::Exp2, 10.0, 1024.0),
    (Function::Exp2, -3.0, 0.125),
    (Function::Exp2, INFINITY, INFINITY),
    (Function::Exp2, -INFINITY, 0.0),
    (Function::Exp2, 1024.0, INFINITY),
    (Function::Exp2, 3e38, INFINITY),
    (Function::Exp2, -3e38, 0.0),
    (Function::Expm1, 0.0, 0.0),
    (Function::Expm1, -0.0, -0.0),
    (Function::Expm1, INFINITY, INFINITY),
    (Function::Expm1, -INFINITY, -1.0),
    (Function::Expm1, -1e30, -1.0),
    (Function::Log, 1.0, 0.0),
    (Function::Log, 0.0, -INFINITY),
    (Function::Log, -0.0, -INFINITY),
    (Function::Log, INFINITY, INFINITY),
    (Function::Log, -1.0, NAN),
    (Function::Log, -1e-45, NAN),
    (Function::Log, -INFINITY, NAN),
    (Function::Log1p, 0.0, 0.0),
    (Function::Log1p, -0.0, -0.0),
    (Function::Log1p, -1.0, -INFINITY),
    (Function::Log1p, INFINITY, INFINITY),
    (Function::Log1p, -1.5, NAN),
    (Function::Log1p, -INFINITY, NAN),
    (Function::Sin, 0.0, 0.0),
    (Function::Sin, -0.0, -0.0),
    (Function::Sin, INFINITY, NAN),
    (Function::Sin, -INFINITY, NAN),
    (Function::Cos, 0.0, 1.0),
    (Function::Cos, -0.0, 1.0),
    (Function::Cos, INFINITY, NAN),
    (Function::Cos, -INFINITY, NAN),
    (Function::Asin, 0.0, 0.0),
    (Function::Asin, -0.0, -0.0),
    (Function::Asin, 1.0, FRAC_PI_2),
    (Function::Asin, -1.0, -FRAC_PI_2),
    (Function::Asin, 1.5, NAN),
    (Function::Asin, -INFINITY, NAN),
    (Function::Acos, 1.0, 0.0),
    (Function::Acos, 0.0, FRAC_PI_2),
    (Function::Acos, -0.0, FRAC_PI_2),
    (Function::Acos, -1.0, PI),
    (Function::Acos, 1.5, NAN),
    (Function::Acos, INFINITY, NAN),
    (Function::Atan, 0.0, 0.0),
    (Function::Atan, -0.0, -0.0),
    (Function::Atan, 1.0, FRAC_PI_4),
    (Function::Atan, INFINITY, FRAC_PI_2),
    (Function::Atan, -INFINITY, -FRAC_PI_2),
    (Function::Sinh, 0.0, 0.0),
    (Function::Sinh, -0.0, -0.0),
    (Function::Sinh, INFINITY, INFINITY),
    (Function::Sinh, -INFINITY, -INFINITY),
    (Function::Sinh, -1e30, -INFINITY),
    (Function::Cosh, 0.0, 1.0),
    (Function::Cosh, INFINITY, INFINITY),
    (Function::Cosh, -INFINITY, INFINITY),
    (Function::Cosh, 1e30, INFINITY),
    (Function::Tanh, 0.0, 0.0),
    (Function::Tanh, -0.0, -0.0),
    (Function::Tanh, INFINITY, 1.0),
    (Function::Tanh, -INFINITY, -1.0),
    (Function::Tanh, 1e30, 1.0),
    (Function::Erf, 0.0, 0.0),
    (Function::Erf, -0.0, -0.0),
    (Function::Erf, INFINITY, 1.0),
    (Function::Erf, -INFINITY, -1.0),
    (Function::Erf, -1e30, -1.0),
    (Function::Recip, 0.0, INFINITY),
    (Function::Recip, -0.0, -INFINITY),
    (Function::Recip, 4.0, 0.25),
    (
        Function::Recip,
        5.877471754111437540e-39,
        1.7014118346046923e38,
    ),
    (Function::Recip, INFINITY, 0.0),
    (Function::Recip, -INFINITY, -0.0),
    (Function::Rsqrt, 0.0, 0.0),
    (Function::Rsqrt, -0.0, 0.0),
    (Function::Rsqrt, 4.0, 0.5),
    (Function::Rsqrt, INFINITY, 0.0),
    (Function::Rsqrt, -1.0, NAN),
    (Function::Rsqrt, -INFINITY, NAN),
];

/// `(function, x, y, expected)` for `pow(x, y)` and `atan2(x, y)`.
const TWO_ARGUMENTS: &[(Function, f64, f64, f64)] = &[
    (Function::Pow, 2.0, 10.0, 1024.0),
    (Function::Pow, 2.0, -1.0, 0.5),
    (Function::Pow, -2.0, 3.0, -8.0),
    (Function::Pow, -2.0, 2.0, 4.0),
    (Function::Pow, -2.0, -1.0, -0.5),
    (Function::Pow, -2.0, 0.5, NAN),
    (Function::Pow, 0.0, 0.0, 1.0),
    (Function::Pow, 5.0, 0.0, 1.0),
    (Function::Pow, 5.0, -0.0, 1.0),
    (Function::Pow, NAN, 0.0, 1.0),
    (Function::Pow, INFINITY, 0.0, 1.0),
    (Function::Pow, -INFINITY, 0.0, 1.0),
    (Function::Pow, 1.0, NAN, 1.0),
    (Function::Pow, 1.0, 3e38, 1.0),
    (Function::Pow, 1.0, INFINITY, 1.0),
    (Function::Pow, -1.0, INFINITY, 1.0),
    (Function::Pow, -1.0, -INFINITY, 1.0),
    (Function::Pow, -1.0, 3.0, -1.0),
    (Function::Pow, -1.0, 3e38, 1.0),
    (Function::Pow, 0.0, 3.0, 0.0),
    (Function::Pow, -0.0, 3.0, -0.0),
    (Function::Pow, -0.0, 2.0, 0.0),
    (Function::Pow, -0.0, 0.5, 0.0),
    (Function::Pow, 0.0, -1.0, INFINITY),
    (Function::Pow, -0.0, -1.0, -INFINITY),
    (Function::Pow, -0.0, -2.0, INFINITY),
    (Function::Pow, 0.0, -0.5, INFINITY),
    (Function::Pow, 0.5, INFINITY, 0.0),
    (Function::Pow, 2.0, INFINITY, INFINITY),
    (Function::Pow, 0.5, -INFINITY, INFINITY),
    (Function::Pow, -2.0, -INFINITY, 0.0),
    (Function::Pow, INFINITY, 2.0, INFINITY),
    (Function::Pow, INFINITY, -2.0, 0.0),
    (Function::Pow, -INFINITY, 3.0, -INFINITY),
    (Function::Pow, -INFINITY, 2.0, INFINITY),
    (Function::Pow, -INFINITY, 0.5, INFINITY),
    (Function::Pow, -INFINITY, -3.0, -0.0),
    (Function::Pow, 10.0, 3e38, INFINITY),
    (Function::Pow, -10.0, 3e38, INFINITY),
    (Function::Pow, 0.1, 3e38, 0.0),
    (Function::Pow, 10.0, 400.0, INFINITY),
    (Function::Pow, 10.0, -400.0, 0.0),
    (Function::Pow, NAN, 1.0, NAN),
    (Function::Pow, 2.0, NAN, NAN),
    (Function::Atan2, 0.0, 0.0, 0.0),
    (Function::Atan2, -0.0, 0.0, -0.0),
    (Function::Atan2, 0.0, -0.0, PI),
    (Function::Atan2, -0.0, -0.0, -PI),
    (Function::Atan2, 0.0, 1.0, 0.0),
    (Function::Atan2, -0.0, 1.0, -0.0),
    (Function::Atan2, 0.0, -1.0, PI),
    (Function::Atan2, -0.0, -1.0, -PI),
    (Function::Atan2, 1.0, 0.0, FRAC_PI_2),
    (Function::Atan2, -1.0, -0.0, -FRAC_PI_2),
    (Function::Atan2, 1.0, 1.0, FRAC_PI_4),
    (Function::Atan2, 3e38, 3e38, FRAC_PI_4),
    (Function::Atan2, INFINITY, 1.0, FRAC_PI_2),
    (Function::Atan2, 1.0, INFINITY, 0.0),
    (Function::Atan2, -1.0, INFINITY, -0.0),
    (Function::Atan2, 1.0, -INFINITY, PI),
    (Function::Atan2, INFINITY, INFINITY, FRAC_PI_4),
    (Function::Atan2, -INFINITY, -INFINITY, -3.0 * FRAC_PI_4),
    (Function::Atan2, NAN, 1.0, NAN),
    (Function::Atan2, 1.0, NAN, NAN),
];

/// Bitwise equality, all NaN alike.
fn same<T: Real>(a: T, b: T) -> bool {
    let (a, b) = (a.to_f64(), b.to_f64());
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn check<T: Real>(function: Function, x: f64, y: f64, expected: f64) {
    for isa in InstructionSet::available() {
        // A short array, so that the lanes after it are computed too and must not disturb it.
        let got = map(isa, function, &[T::from_f64(x); 3], &[T::from_f64(y); 3]);
        for got in got {
            let expected = T::from_f64(expected);
            assert!(
                same(got, expected),
                "{function:?}({x:e}, {y:e}) on {isa}: got {got:?}, expected {expected:?}"
            );
        }
    }
}

#[test]
fn special_values() {
    for &(function, x, expected) in ONE_ARGUMENT {
        check::<f32>(function, x, 1.0, expected);
        check::<f64>(function, x, 1.0, expected);
    }
    for &(function, x, y, expected) in TWO_ARGUMENTS {
        check::<f32>(function, x, y, expected);
        // In double precision, too, 3e38 stands for an even number beyond all limits.
        check::<f64>(function, x, y, expected);
    }
}

#[test]
fn nan_stays_nan_whatever_its_payload() {
    for &function in Function::ALL {
        for payload in [0u32, 1, 0x1F, 0x0020_0000, 0x003F_FFFF] {
            for sign in [0, 1 << 31] {
                let single = f32::from_bits(0x7FC0_0000 | sign | payload);
                let double = f64::from_bits(
                    u64::from(0x7FF8_0000 | sign | payload >> 3) << 32 | u64::from(payload),
                );
                for isa in InstructionSet::available() {
                    let got = map(isa, function, &[single], &[0.7])[0];
                    assert!(
                        got.is_nan(),
                        "{function:?} of {:x} on {isa}: {got}",
                        single.to_bits()
                    );
                    let got = map(isa, function, &[double], &[0.7])[0];
                    assert!(
                        got.is_nan(),
                        "{function:?} of {:x} on {isa}: {got}",
                        double.to_bits()
                    );
                }
            }
        }
    }
}
