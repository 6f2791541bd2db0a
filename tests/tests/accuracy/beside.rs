//! Operations whose values cancel: their errors are bounded beside something else than the value, as their documentation says.

use keops_solve::ndarray::Array2;
use keops_solve::{InstructionSet, genred};

use super::twofold::{Twofold, ZERO};
use super::{assert_below, spacing_f32, spacing_f64, worse};

/// Coefficients of high orders are below the smallest number of the type.
#[test]
fn spherical_bessel_functions_are_accurate_beside_their_values_at_zero() {
    let x = Array2::from_shape_fn((1000, 1), |(i, _)| i as f32 / 32.0);
    let wide = x.mapv(f64::from);
    for isa in InstructionSet::available() {
        macro_rules! check {
            ($($formula:literal)*) => {$(
                let all = genred!($formula, x = Vi(1), y = Vj(1), axis = 1);
                let double = all.bind(&wide, &[0.0][..]).run().expect("values");
                let single = all.bind(&x, &[0.0f32][..]).instruction_set(isa).run().expect("values");
                let unit = spacing_f32(double[[0, 0]]);
                let mut worst = (0.0, 0.0);
                for ((&x, &single), &double) in wide.iter().zip(&single).zip(&double) {
                    worst = worse(worst, ((f64::from(single) - double).abs() / unit, x));
                }
                assert_below(10.0, worst, $formula, isa);
            )*};
        }
        check! {
            "SphericalBessel(x,1)+y"
            "SphericalBessel(x,8)+y"
            "SphericalBessel(x,16)+y"
            "SphericalBessel(x,24)+y"
            "SphericalBessel(x,32)+y"
        }
    }
}

/// Doubles with all their digits, of both signs and of sizes from 2^-reach to 2^reach.
fn numbers(count: usize, reach: i32, mut state: u64) -> Vec<f64> {
    // Marsaglia's xorshift.
    let mut bits = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut number = || {
        let (digits, size) = (bits(), bits());
        let exponent = (size % (2 * reach as u64)) as i32 - reach;
        let mantissa = 1.0 + (digits >> 12) as f64 * 2f64.powi(-52);
        let sign = if size >> 63 == 0 { 1.0 } else { -1.0 };
        sign * mantissa * 2f64.powi(exponent)
    };
    (0..count).map(|_| number()).collect()
}

/// The error of f - n floor(f / n), where both sides of a jump are right.
fn error_of_remainder(value: f64, [f, n]: [f64; 2]) -> f64 {
    // What `%` gives is exact.
    let rest = f % n;
    let other = rest + n.copysign(-rest);
    let [error, beyond] = [rest, other].map(|rest| (value - rest).abs());
    error.min(beyond)
}

#[test]
fn remainders_are_accurate_beside_their_arguments() {
    const SAID: f64 = 2.0;
    let x = numbers(20_000, 30, 3);
    let y: Vec<f64> = numbers(20_000, 30, 5).iter().map(|y| y.abs()).collect();
    let [single_x, single_y] = [&x, &y].map(|v| v.iter().map(|&x| x as f32).collect::<Vec<_>>());
    let all = genred!("Mod(x,y)", x = Vi(1), y = Vi(1), axis = 1);
    for isa in InstructionSet::available() {
        let single = all.bind(&single_x, &single_y).instruction_set(isa).run();
        let double = all.bind(&x, &y).instruction_set(isa).run();
        let (single, double) = (single.expect("values"), double.expect("values"));
        let mut worst = [(0.0, 0.0); 2];
        for n in 0..x.len() {
            let arguments = [single_x[n], single_y[n]].map(f64::from);
            let unit = spacing_f32(arguments[0].abs().max(arguments[1]));
            let error = error_of_remainder(single[[n, 0]].into(), arguments) / unit;
            worst[0] = worse(worst[0], (error, arguments[0]));
            let unit = spacing_f64(x[n].abs().max(y[n]));
            let error = error_of_remainder(double[[n, 0]], [x[n], y[n]]) / unit;
            worst[1] = worse(worst[1], (error, x[n]));
        }
        assert_below(SAID, worst[0], "Mod(x,y)", isa);
        assert_below(SAID, worst[1], "f64 Mod(x,y)", isa);
    }
}

/// The real and the imaginary part of a product, or of a quotient, in numbers of two doubles.
fn complex([a, b]: [Twofold; 2], [c, d]: [Twofold; 2], quotient: bool) -> [Twofold; 2] {
    if !quotient {
        return [a * c - b * d, a * d + b * c];
    }
    let square = c * c + d * d;
    [(a * c + b * d) / square, (b * c - a * d) / square]
}

#[test]
fn complex_products_and_quotients_are_accurate_beside_their_moduli() {
    let count = 20_000;
    let parts = numbers(4 * count, 3, 7);
    let f = Array2::from_shape_fn((count, 2), |(i, k)| parts[4 * i + k]);
    let g = Array2::from_shape_fn((count, 2), |(i, k)| parts[4 * i + 2 + k]);
    let [single_f, single_g] = [&f, &g].map(|v| v.mapv(|x| x as f32));
    macro_rules! check {
        ($($formula:literal, $quotient:literal, $said:literal;)*) => {$(
            let all = genred!($formula, f = Vi(2), g = Vi(2), axis = 1);
            for isa in InstructionSet::available() {
                let single = all.bind(&single_f, &single_g).instruction_set(isa).run();
                let double = all.bind(&f, &g).instruction_set(isa).run();
                let (single, double) = (single.expect("values"), double.expect("values"));
                let mut worst = [(0.0, 0.0); 2];
                for i in 0..count {
                    let part = |v: &Array2<f64>| [0, 1].map(|k| Twofold::from(v[[i, k]]));
                    let nearest = |v: &Array2<f32>| [0, 1].map(|k| Twofold::from(f64::from(v[[i, k]])));
                    let exact = [
                        complex(nearest(&single_f), nearest(&single_g), $quotient),
                        complex(part(&f), part(&g), $quotient),
                    ];
                    for k in 0..2 {
                        let computed = [f64::from(single[[i, k]]), double[[i, k]]];
                        for (n, spacing) in [spacing_f32 as fn(f64) -> f64, spacing_f64].into_iter().enumerate() {
                            let modulus = exact[n].iter().fold(ZERO, |sum, &part| sum + part * part).sqrt();
                            let error = (Twofold::from(computed[n]) - exact[n][k]).abs().hi / spacing(modulus.hi);
                            worst[n] = worse(worst[n], (error, f[[i, 0]]));
                        }
                    }
                }
                assert_below($said, worst[0], $formula, isa);
                assert_below($said, worst[1], concat!("f64 ", $formula), isa);
            }
        )*};
    }
    check! {
        "ComplexMult(f,g)", false, 2.0;
        "ComplexDivide(f,g)", true, 4.0;
    }
}
