//! The modified Bessel function of the second kind, K, of a fixed order.
//!
//! Near 0 it is a combination of two power series in x^2 (Temme, J. Comput. Phys. 19, 1975). From a [`border`] on it is
//! e^-x sqrt(pi / 2x) times a smooth function, here a polynomial in 1/(x + 1): the shift by 1 keeps the interval away
//! from the branch cut, so that one polynomial reaches from the border to infinity. Its coefficients are made for the
//! order, from an integral.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::twofold::{PI, Twofold};

/// Where the power series end and the polynomial begins: those of low orders cancel where x grows, and where it falls the
/// polynomials of high orders get steep.
pub(crate) fn border(order: f64) -> f64 {
    match order {
        0.0 => 0.6,
        // The difference of two powers cancels from here on, and the polynomial below.
        0.0..0.28 => 0.25,
        0.28..0.5 => 0.15,
        0.5..1.0 => 0.4,
        1.0..1.5 => 0.8,
        _ => 1.0,
    }
}

/// The largest order whose polynomial is accurate; higher ones take the recurrence.
pub(crate) const DIRECT: f64 = 1.75;

/// What is below this against 1 is left out of series.
const NEGLIGIBLE: f64 = 4e-18;

/// (x/2)^nu K_nu(x) = sum_k `regular[k]` x^2k + E sum_k `singular[k]` x^2k below the [`border`].
pub(crate) struct Series {
    pub(crate) regular: Vec<f64>,
    pub(crate) singular: Vec<f64>,
    pub(crate) extra: Extra,
}

/// The function E of a [`Series`]: always the one that cancels least.
pub(crate) enum Extra {
    /// log(x/2)
    Logarithm,
    /// (x/2)^e - 1 for a small exponent e
    PowerLessOne(f64),
    /// (x/2)^e
    Power(f64),
}

/// The order as an integer and a rest of magnitude at most 1/2.
fn split(order: f64) -> (usize, f64) {
    let nearest = order.round();
    let rest = order - nearest;
    // So small a rest changes no digit, and its inverse must not overflow.
    let rest = if rest.abs() < 1e-30 { 0.0 } else { rest };
    (nearest as usize, rest)
}

/// The series of the order, which is not negative.
pub(crate) fn series(order: f64) -> Series {
    const TERMS: usize = 16;
    let (steps, mu) = split(order);
    let (plus, minus) = (gamma_of_one_plus(mu), gamma_of_one_plus(-mu));
    let half = Twofold::from(0.5);
    // Temme's f, p and q, times (x/2)^mu: the parts without and with (x/2)^2mu - 1, or with log(x/2).
    let e_of_q = match mu {
        0.0 => Twofold::ZERO,
        _ => half * minus,
    };
    let slope = match mu {
        0.0 => -Twofold::ONE,
        _ => -(minus / (2.0 * mu).into()),
    };
    let mut f = [plus * minus * temme_gamma_1(mu), slope];
    let mut p = [half * plus, Twofold::ZERO];
    let mut q = [half * minus, e_of_q];
    let mut inverse_factorial = Twofold::ONE;
    // (x/2)^nu K_nu for the rest and for the rest plus 1, in powers of x^2 / 4.
    let mut lower = [[Twofold::ZERO; TERMS]; 2];
    let mut upper = [[Twofold::ZERO; TERMS]; 2];
    for k in 0..TERMS {
        let n = Twofold::from(k as f64);
        if k > 0 {
            let (less, more) = (n - mu.into(), n + mu.into());
            inverse_factorial = inverse_factorial / n;
            for part in 0..2 {
                f[part] = (n * f[part] + p[part] + q[part]) / (less * more);
                p[part] = p[part] / less;
                q[part] = q[part] / more;
            }
        }
        for part in 0..2 {
            lower[part][k] = inverse_factorial * f[part];
            upper[part][k] = inverse_factorial * (p[part] - n * f[part]);
        }
    }
    // K_(nu+1) = K_(nu-1) + 2 nu/x K_nu
    for step in 0..steps {
        let nu = Twofold::from(mu) + (step as f64 + 1.0).into();
        for part in 0..2 {
            let mut next = upper[part].map(|c| nu * c);
            for k in 1..TERMS {
                next[k] = next[k] + lower[part][k - 1];
            }
            lower[part] = upper[part];
            upper[part] = next;
        }
    }
    let extra = match 2.0 * mu {
        0.0 => Extra::Logarithm,
        exponent if exponent.abs() < 0.55 => Extra::PowerLessOne(exponent),
        exponent => Extra::Power(exponent),
    };
    if let Extra::Power(_) = extra {
        let [regular, singular] = &mut lower;
        for (regular, &singular) in regular.iter_mut().zip(&*singular) {
            *regular = *regular - singular;
        }
    }
    let reach = border(order) / 2.0;
    let coefficients = |part: [Twofold; TERMS], scale: f64| -> Vec<f64> {
        let size = |k: usize| part[k].rounded().abs() * reach.powi(2 * k as i32);
        let last = (0..TERMS).rfind(|&k| size(k) > NEGLIGIBLE * scale);
        let count = last.map_or(1, |k| k + 1);
        (0..count)
            .map(|k| part[k].rounded() * 0.25f64.powi(k as i32))
            .collect()
    };
    let sizes = lower.map(|part| part[0].rounded().abs());
    let scale = sizes[0].max(sizes[1]);
    Series {
        regular: coefficients(lower[0], scale),
        singular: coefficients(lower[1], scale),
        extra,
    }
}

/// Gamma(nu) for positive nu.
pub(crate) fn gamma(order: f64) -> Twofold {
    let (steps, mu) = split(order);
    let mut product = gamma_of_one_plus(mu);
    if steps == 0 {
        product = product / order.into();
    }
    for k in 1..steps {
        product = product * (Twofold::from(k as f64) + mu.into());
    }
    product
}

/// [`make_polynomial`], made once for each order: a formula is lowered several times.
pub(crate) fn polynomial(order: f64) -> Arc<[f64]> {
    static MADE: LazyLock<Mutex<HashMap<u64, Arc<[f64]>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let known = made.entry(order.to_bits());
    known
        .or_insert_with(|| make_polynomial(order).into())
        .clone()
}

/// Coefficients c of the polynomial in t = 2 (b + 1)/(x + 1) - 1 for which e^x sqrt(2x / pi) K_nu(x) =
/// 1 + (c_0 + c_1 t + ...)/(x + 1) from the [`border`] b on, for an order up to [`DIRECT`].
fn make_polynomial(order: f64) -> Vec<f64> {
    const NODES: usize = 48;
    // All cosines that interpolation at Chebyshev's nodes needs are among these.
    let step = PI / (2.0 * NODES as f64).into();
    let cosines: Vec<Twofold> = (0..4 * NODES)
        .map(|n| (step * (n as f64).into()).cos())
        .collect();
    let cosine = |n: usize| cosines[n % (4 * NODES)];
    let reach = Twofold::from(2.0 * (border(order) + 1.0));
    let values: Vec<Twofold> = (0..NODES)
        .map(|node| {
            let shifted = reach / (cosine(2 * node + 1) + Twofold::ONE);
            let x = shifted - Twofold::ONE;
            (asymptotic(order, x) - Twofold::ONE) * shifted
        })
        .collect();
    let mut chebyshev: Vec<Twofold> = (0..NODES)
        .map(|k| {
            let products = values
                .iter()
                .enumerate()
                .map(|(node, &value)| value * cosine(k * (2 * node + 1)));
            let sum = products.fold(Twofold::ZERO, |sum, product| sum + product);
            sum * (if k == 0 { 1.0 } else { 2.0 } / NODES as f64).into()
        })
        .collect();
    while chebyshev.len() > 1
        && chebyshev
            .last()
            .is_some_and(|c| c.rounded().abs() < NEGLIGIBLE)
    {
        chebyshev.pop();
    }
    // T_(k+1) = 2 t T_k - T_(k-1)
    let count = chebyshev.len();
    let mut monomials = vec![Twofold::ZERO; count];
    let mut previous = vec![Twofold::ZERO; count];
    let mut current = vec![Twofold::ZERO; count];
    current[0] = Twofold::ONE;
    for (k, &c) in chebyshev.iter().enumerate() {
        for (sum, &monomial) in monomials.iter_mut().zip(&current) {
            *sum = *sum + c * monomial;
        }
        let factor = if k == 0 { 1.0 } else { 2.0 };
        let next = (0..count)
            .map(|n| {
                let raised = if n > 0 { current[n - 1] } else { Twofold::ZERO };
                raised * Twofold::from(factor) - previous[n]
            })
            .collect();
        previous = std::mem::replace(&mut current, next);
    }
    monomials.into_iter().map(Twofold::rounded).collect()
}

/// e^x sqrt(2x / pi) K_nu(x), by the trapezoidal rule for the integral of e^(-x (cosh u - 1)) cosh(nu u) over u > 0
/// (DLMF 10.32.9), which converges faster than any power of the step.
fn asymptotic(order: f64, x: Twofold) -> Twofold {
    let step = Twofold::from((0.6 / x.rounded().sqrt()).min(0.18));
    let half = (step * 0.5.into()).exp();
    let growth = (step * order.into()).exp();
    let (mut root, mut power) = (Twofold::ONE, Twofold::ONE);
    let mut sum = Twofold::from(0.5);
    for k in 1..4000 {
        root = root * half;
        power = power * growth;
        let sinh = root - Twofold::ONE / root;
        let decay = x * sinh * sinh * 0.5.into();
        let cosh = (power + Twofold::ONE / power) * 0.5.into();
        sum = sum + (-decay).exp() * cosh;
        if decay.rounded() - order * f64::from(k) * step.rounded() > 50.0 {
            break;
        }
    }
    sum * step * (x * 2.0.into() / PI).sqrt()
}

/// Gamma(1 + x) for |x| <= 1/2
fn gamma_of_one_plus(x: f64) -> Twofold {
    let series = INVERSE_GAMMA.iter().rev();
    let inverse = series.fold(Twofold::ZERO, |sum, &(hi, lo)| {
        sum * x.into() + Twofold::new(hi, lo)
    });
    Twofold::ONE / inverse
}

/// (1/Gamma(1 - x) - 1/Gamma(1 + x)) / 2x: the odd part of the series, without cancellation.
fn temme_gamma_1(x: f64) -> Twofold {
    let square = Twofold::from(x) * x.into();
    let odd = INVERSE_GAMMA.iter().skip(1).step_by(2).rev();
    let sum = odd.fold(Twofold::ZERO, |sum, &(hi, lo)| {
        sum * square + Twofold::new(hi, lo)
    });
    -sum
}

/// The power series of 1/Gamma(1 + x) (Abramowitz and Stegun 6.1.34), from mpmath.
#[rustfmt::skip]
const INVERSE_GAMMA: [(f64, f64); 30] = [
    (1.0, 0.0), (0.5772156649015329, -4.942915152430645e-18),
    (-0.6558780715202539, 2.137185197068536e-17), (-0.04200263503409524, 1.4920306285650505e-18),
    (0.16653861138229148, 1.0189144546842026e-17), (-0.04219773455554433, -3.3579992682480134e-18),
    (-0.009621971527876973, -5.300031368830263e-19), (0.0072189432466631, -3.6006537063394283e-19),
    (-0.0011651675918590652, 5.659947853880981e-20), (-0.00021524167411495098, 2.3758686180729364e-21),
    (0.0001280502823881162, -9.359124499198967e-21), (-2.013485478078824e-05, 3.0488773972037385e-23),
    (-1.2504934821426706e-06, -2.66214092271898e-23), (1.133027231981696e-06, -4.622235212104869e-23),
    (-2.056338416977607e-07, -3.0061601618645134e-24), (6.116095104481416e-09, -2.693458298171306e-25),
    (5.002007644469223e-09, -1.538123614056751e-26), (-1.18127457048702e-09, -1.0052356155716208e-25),
    (1.0434267116911005e-10, -2.9298419956825035e-27), (7.782263439905071e-12, 4.397255556595848e-28),
    (-3.696805618642206e-12, 2.7050034921703885e-28), (5.100370287454476e-13, 2.253001461085878e-29),
    (-2.0583260535665066e-14, -1.4747481491954336e-30), (-5.348122539423018e-15, -1.6208384686356568e-31),
    (1.2267786282382608e-15, -5.072915146023867e-32), (-1.1812593016974588e-16, 6.422257838149681e-33),
    (1.1866922547516004e-18, -4.2037265494226014e-35), (1.4123806553180319e-18, -7.576946701116294e-35),
    (-2.29874568443537e-19, 1.3335481917069145e-36), (1.7144063219273374e-20, 5.230715150426935e-38),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// `(order, x, K)`, from mpmath.
    const VALUES: &[(f64, f64, f64)] = &[
        (0.0, 0.75, 0.6105824221164641),
        (0.0, 7.5, 0.00024917761635611437),
        (0.1, 0.75, 0.6133697498809494),
        (0.1, 1.25, 0.2985155943032158),
        (0.1, 7.5, 0.00024933403572791854),
        (0.1, 300.0, 3.723756813920509e-132),
        (0.5, 0.75, 0.6836100603495247),
        (0.5, 7.5, 0.0002531166375151459),
        (0.7, 0.75, 0.7606427299393438),
        (0.7, 7.5, 0.0002569545567615079),
        (1.0, 0.75, 0.9495804669621403),
        (1.0, 7.5, 0.0002652973901252895),
        (1.3, 0.75, 1.269492622837678),
        (1.3, 1.25, 0.49217170613913974),
        (1.3, 7.5, 0.0002770016611165741),
        (1.3, 300.0, 3.734180563839758e-132),
        (2.0, 0.75, 3.1427970006821715),
        (2.0, 7.5, 0.0003199235870561916),
        (2.5, 0.75, 7.063970623611755),
        (2.5, 7.5, 0.000367862846522012),
    ];

    #[test]
    fn integrals_agree_with_mpmath() {
        for &(order, x, expected) in VALUES {
            let scaled = asymptotic(order, x.into()).rounded();
            let value = scaled * (-x).exp() * (std::f64::consts::FRAC_PI_2 / x).sqrt();
            assert!(
                (value - expected).abs() <= 4e-16 * expected,
                "K_{order}({x}) = {value:e}, expected {expected:e}"
            );
        }
    }

    #[test]
    fn gamma_is_the_factorial_of_one_less() {
        let mut factorial = 1.0;
        for n in 1..20 {
            assert_eq!(gamma(f64::from(n)).rounded(), factorial);
            factorial *= f64::from(n);
        }
        let half = gamma(0.5).rounded();
        assert!((half * half - std::f64::consts::PI).abs() < 1e-15);
        assert!((gamma(0.3).rounded() - 2.991_568_987_687_591).abs() < 1e-15);
    }
}
