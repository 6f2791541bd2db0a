//! Operations that KeOps does not have, through the macros.

use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;

/// Values of all functions at `v = x + y`, in the order of the formula below.
fn expected(v: f64, w: f64) -> [f64; 13] {
    let sigmoid = 1.0 / (1.0 + (-v).exp());
    // The Maclaurin series of the error function (DLMF 7.6.1), which converges fast for |v| < 3.
    let (mut erf, mut term) = (0.0, v);
    for n in 0..60 {
        erf += term / f64::from(2 * n + 1);
        term *= -v * v / f64::from(n + 1);
    }
    erf *= std::f64::consts::FRAC_2_SQRT_PI;
    [
        v.exp2(),
        v.exp_m1(),
        v.abs().ln_1p(),
        v.sinh(),
        v.cosh(),
        v.tanh(),
        sigmoid,
        v.exp().ln_1p(),
        erf,
        v.hypot(w),
        v.min(w),
        v.max(w),
        v.powf(2.0),
    ]
}

#[test]
fn functions_agree_with_std() {
    let all = genred!(
        |x: Vi(1), y: Vj(1), w: Pm(1)| {
            let v = x + y;
            let a = v.exp2().concat(v.expm1()).concat(v.abs().log1p()).concat(v.sinh());
            let b = v.cosh().concat(v.tanh()).concat(v.sigmoid()).concat(v.softplus());
            let c = v.erf().concat(v.hypot(w)).concat(v.minimum(w)).concat(v.maximum(w));
            a.concat(b).concat(c).concat(v.pow(2))
        },
        axis = 1,
    );
    let x = Array2::from_shape_fn((41, 1), |(i, _)| (i as f64 - 20.0) / 8.0);
    let y = Array2::from_elem((1, 1), 0.1);
    let w = 0.3;
    for isa in InstructionSet::available() {
        let double = all
            .bind(&x, &y, w)
            .instruction_set(isa)
            .run()
            .expect("a reduction");
        let (x32, y32) = (x.mapv(|v| v as f32), y.mapv(|v| v as f32));
        let single = all
            .bind(&x32, &y32, w as f32)
            .instruction_set(isa)
            .run()
            .expect("a reduction");
        for i in 0..41 {
            let exact = expected(x[(i, 0)] + y[(0, 0)], w);
            let exact32 = expected(f64::from(x32[(i, 0)] + y32[(0, 0)]), f64::from(w as f32));
            for k in 0..exact.len() {
                let scale = exact[k].abs().max(1e-3);
                let error = (double[(i, k)] - exact[k]).abs() / scale;
                assert!(
                    error < 2e-14,
                    "{isa}, component {k} at {}: {error:e}",
                    x[(i, 0)]
                );
                let error = (f64::from(single[(i, k)]) - exact32[k]).abs() / scale;
                assert!(
                    error < 1e-5,
                    "{isa}, f32, component {k} at {}: {error:e}",
                    x[(i, 0)]
                );
            }
        }
    }
}

/// A slope that is one minus nearly one has no digit left; these have all of theirs.
#[test]
fn slopes_keep_their_digits_where_functions_level_off_or_end() {
    let all = genred!(
        "Concat(Concat(Grad(Tanh(x),x,1), Grad(Sigmoid(x),x,1)), Concat(Grad(Asin(y),y,1), Grad(Acos(y),y,1)))",
        x = Vi(1),
        y = Vi(1),
        z = Vj(1),
        axis = 1
    );
    let x = [-700.0, -350.0, -18.5, 0.25, 18.5, 350.0, 700.0].map(|x: f64| [x]);
    let gap: [f64; 7] = [0.5, 1e-3, 1e-8, 1e-12, 1e-15, 0.25, 1.0];
    let y = gap.map(|gap| [1.0 - gap]);
    let found = all.bind(&x, &y, &[0.0][..]).run().unwrap();
    for i in 0..7 {
        // 1 / cosh^2 x and 1 / (4 cosh^2 (x / 2)), by exponentials that decay.
        let bell = |x: f64| {
            let decay = (-x.abs()).exp();
            decay / (1.0 + decay).powi(2)
        };
        // What 1 - y is after rounding is known exactly.
        let root = ((1.0 - y[i][0]) * (1.0 + y[i][0])).sqrt();
        let expected = [
            4.0 * bell(2.0 * x[i][0]),
            bell(x[i][0]),
            1.0 / root,
            -1.0 / root,
        ];
        for (k, expected) in expected.into_iter().enumerate() {
            let found = found[(i, k)];
            let close = (found - expected).abs() <= 2e-15 * expected.abs();
            assert!(close, "function {k} of row {i}: {found} and {expected}");
        }
    }
}

/// Of any order, as the limits are or 0.
#[test]
fn derivatives_of_powers_of_zero_are_finite() {
    let all = genred!(
        "Concat(Concat(Grad(Powf(x,p),x,1), Grad(Grad(Powf(x,p),x,1),x,1)), Concat(Grad(Powf(x,x),x,1), Grad(Grad(Powf(x,x),x,1),x,1)))",
        x = Vi(1),
        p = Vj(1),
        axis = 1
    );
    let zero = Array2::zeros((1, 1));
    // The slope of x^p and the slope of that.
    for (p, slopes) in [
        (0.5, [0.0, 0.0]),
        (1.0, [1.0, 0.0]),
        (1.5, [0.0, 0.0]),
        (2.0, [0.0, 2.0]),
        (3.0, [0.0, 0.0]),
    ] {
        let found = all.bind(&zero, &[p][..]).run().unwrap();
        assert_eq!([found[(0, 0)], found[(0, 1)]], slopes, "p = {p}");
        assert!(found.iter().all(|slope: &f64| slope.is_finite()), "{found}");
    }
}
