//! The value of every operation of the language, by its definition.

use crate::number::{Number, blurred, unspecified};
use crate::special;

/// A parameter of an operation.
#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    Integer(i64),
    List(Vec<usize>),
    Number(f64),
}

impl Parameter {
    fn integer(&self) -> i64 {
        match self {
            Parameter::Integer(n) => *n,
            other => panic!("{other:?} is no integer"),
        }
    }

    fn size(&self) -> usize {
        self.integer() as usize
    }

    fn number(&self) -> f64 {
        match self {
            Parameter::Integer(n) => *n as f64,
            Parameter::Number(x) => *x,
            Parameter::List(list) => panic!("{list:?} is no number"),
        }
    }

    fn list(&self) -> &[usize] {
        match self {
            Parameter::List(list) => list,
            other => panic!("{other:?} is no list"),
        }
    }
}

type Vector = Vec<Number>;

/// An operation: its value from those of its arguments, and its parameters.
pub(crate) type Operation = fn(&[Vector], &[Parameter]) -> Vector;

fn number(x: f64) -> Number {
    x.into()
}

fn truth(holds: bool) -> Number {
    number(if holds { 1.0 } else { 0.0 })
}

/// The same function of every component; vectors of one component have it everywhere.
fn each(args: &[Vector], function: impl Fn(&[Number]) -> Number) -> Vector {
    let dim = args.iter().map(Vec::len).max().unwrap_or(1);
    let component = |k: usize| {
        let operands: Vector = args
            .iter()
            .map(|arg| arg[if arg.len() == 1 { 0 } else { k }])
            .collect();
        function(&operands).depending_on(&operands)
    };
    (0..dim).map(component).collect()
}

/// The same function of every complex number, as pairs of real and imaginary part.
fn each_complex(args: &[Vector], function: impl Fn(&[[Number; 2]]) -> Vector) -> Vector {
    let numbers = args.iter().map(|arg| arg.len() / 2).max().unwrap_or(1);
    let component = |k: usize| {
        let operands: Vec<[Number; 2]> = args
            .iter()
            .map(|arg| if arg.len() == 2 { 0 } else { k })
            .zip(args)
            .map(|(k, arg)| [arg[2 * k], arg[2 * k + 1]])
            .collect();
        function(&operands)
    };
    (0..numbers).flat_map(component).collect()
}

fn dot(f: &[Number], g: &[Number]) -> Number {
    let products = each(&[f.to_vec(), g.to_vec()], |x| x[0] * x[1]);
    products.into_iter().sum()
}

fn difference(f: &[Number], g: &[Number]) -> Vector {
    each(&[f.to_vec(), g.to_vec()], |x| x[0] - x[1])
}

/// The sum of s_kl f_k f_l, where s is one weight, a diagonal or a matrix.
fn weighted_square(s: &[Number], f: &[Number]) -> Vector {
    let n = f.len();
    let weight = |k: usize, l: usize| match s.len() {
        1 if k == l => s[0],
        dim if dim == n && k == l => s[k],
        dim if dim == n * n && dim != n => s[k * n + l],
        _ => Number::ZERO,
    };
    let diagonal = s.len() == 1 || s.len() == n;
    let pairs = (0..n).flat_map(|k| (0..n).map(move |l| (k, l)));
    let terms = pairs.filter(|(k, l)| !diagonal || k == l);
    vec![terms.map(|(k, l)| weight(k, l) * (f[k] * f[l])).sum()]
}

/// The position of the first component that none is `before`.
fn extremum(f: &[Number], before: fn(f64, f64) -> bool) -> usize {
    if f.iter().any(|x| x.is_nan()) {
        unspecified();
    }
    let mut best = 0;
    for k in 1..f.len() {
        if before(f[k].real(), f[best].real()) {
            best = k;
        }
    }
    best
}

fn less(x: f64, y: f64) -> bool {
    x < y
}

fn more(x: f64, y: f64) -> bool {
    x > y
}

fn padded(f: &[Number], start: usize, dim: usize) -> Vector {
    let mut vector = vec![Number::ZERO; dim];
    vector[start..start + f.len()].copy_from_slice(f);
    vector
}

/// Without its derivatives: what jumps has none.
fn flat(f: Number, function: impl Fn(f64) -> f64) -> Number {
    number(function(f.real()))
}

fn clamp(x: &[Number]) -> Number {
    match x {
        [f, a, _] if f.real() < a.real() => *a,
        [f, _, b] if f.real() > b.real() => *b,
        _ => x[0],
    }
}

fn modulo(x: &[Number]) -> Number {
    let (f, n) = (x[0], x[1]);
    let d = x.get(2).copied().unwrap_or(Number::ZERO);
    f - n * flat((f - d) / n, f64::floor)
}

/// Whether they are equal. A difference of the size of rounding errors may be none elsewhere.
fn equal(f: Number, g: Number) -> bool {
    let (f, g) = (f.real(), g.real());
    if f != g && (f - g).abs() < 1e-13 * f.abs().max(g.abs()).max(1.0) {
        unspecified();
    }
    f == g
}

/// The higher one of two integers that are equally near.
fn nearest(x: f64) -> f64 {
    let below = x.floor();
    if x - below < 0.5 { below } else { below + 1.0 }
}

/// f rounded to decimals, halves away from zero.
fn round(f: f64, decimals: i64) -> f64 {
    let power = 10f64.powi(decimals.unsigned_abs() as i32);
    let scaled = match decimals {
        0 => number(f),
        1.. => number(f) * number(power),
        _ => number(f) / number(power),
    };
    let scaled = scaled.real();
    if scaled.is_nan() || scaled.abs() >= 2f64.powi(53) {
        return f;
    }
    let rounded = scaled.round();
    match decimals {
        1.. => rounded / power,
        _ => rounded * power,
    }
}

/// f^g; where f is 0 the slopes are 0 unless g >= 1.
fn power(f: Number, g: Number) -> Number {
    let base = |f: Number, g: Number| {
        let less = g - number(1.0);
        if f.real() == 0.0 && (less.real() < 0.0 || less.is_nan()) {
            return Number::ZERO;
        }
        g * power(f, less)
    };
    let exponent = |f: Number, g: Number| {
        if f.real() == 0.0 {
            // Which mixed derivatives there are depends on the order in which they are taken.
            unspecified();
            return Number::ZERO;
        }
        f.ln() * power(f, g)
    };
    f.through2(g, &f64::powf, [&base, &exponent])
}

fn hypot(f: Number, g: Number) -> Number {
    let slope = |f: Number, g: Number| match hypot(f, g) {
        root if root.real() == 0.0 => Number::ZERO,
        root => f / root,
    };
    let value = |f: f64, g: f64| {
        if f.is_nan() || g.is_nan() {
            f + g
        } else {
            f.hypot(g)
        }
    };
    f.through2(g, &value, [&slope, &|f, g| slope(g, f)])
}

fn atan2(f: Number, g: Number) -> Number {
    let slope = |of: Number, f: Number, g: Number| match f * f + g * g {
        square if square.real() == 0.0 => Number::ZERO,
        square => of / square,
    };
    let value = |f: f64, g: f64| {
        if f == 0.0 && g < 0.0 {
            // It is pi or -pi by the sign of a zero, which has no meaning.
            unspecified();
        }
        (f + 0.0).atan2(g + 0.0)
    };
    f.through2(g, &value, [&|f, g| slope(g, f, g), &|f, g| slope(-f, f, g)])
}

fn arc(f: Number, value: fn(f64) -> f64, sign: f64) -> Number {
    let one = number(1.0);
    f.through(&value, &|x| number(sign) * ((one - x) * (one + x)).rsqrt())
}

fn sinh(f: Number) -> Number {
    f.through(&f64::sinh, &cosh)
}

fn cosh(f: Number) -> Number {
    f.through(&f64::cosh, &sinh)
}

fn tanh(f: Number) -> Number {
    f.through(&f64::tanh, &|x| {
        let inverse = number(1.0) / cosh(x);
        inverse * inverse
    })
}

fn sigmoid(f: Number) -> Number {
    let value = |x: f64| 1.0 / (1.0 + (-x).exp());
    f.through(&value, &|x| sigmoid(x) * sigmoid(-x))
}

fn softplus(f: Number) -> Number {
    let value = |x: f64| {
        if x > 0.0 {
            x + (-x).exp().ln_1p()
        } else {
            x.exp().ln_1p()
        }
    };
    f.through(&value, &sigmoid)
}

/// -g log(sum of e^(-f_k / g)), shifted by the smallest f_k.
fn soft_min(f: &[Number], g: Number) -> Number {
    if let [only] = f {
        return *only;
    }
    if !(g.real() > 0.0 && g.real().is_finite()) || f.iter().any(|x| !x.real().is_finite()) {
        unspecified();
    }
    let least = f.iter().map(|x| x.real()).fold(f64::INFINITY, f64::min);
    let sum: Number = f.iter().map(|&x| ((number(least) - x) / g).exp()).sum();
    let value = number(least) - g * sum.ln();
    // Derivatives are weights e^((value - f_k) / g), of which the smallest component is a part.
    let size = 1e-15 * f.iter().map(|x| x.real().abs()).fold(0.0, f64::max);
    value + number(blurred(0.0, size))
}

/// f^(nu/2) K_nu(sqrt f), relative to its limit at 0; even the 1 there may be rounded.
fn scaled_matern(f: Number, nu: f64) -> Number {
    let rounded_one = number(1.0 + blurred(0.0, 1e-15));
    rounded_one * special::matern_family(f, nu) / number(special::limit(nu))
}

/// The costs of all alignments of two series from the pair (i, j) on.
fn alignments(x: &[Number], y: &[Number], (i, j): (usize, usize)) -> Vector {
    let distance = x[i] - y[j];
    let cost = distance * distance;
    let steps = [(i + 1, j), (i, j + 1), (i + 1, j + 1)];
    let steps = steps
        .into_iter()
        .filter(|&(i, j)| i < x.len() && j < y.len());
    let mut costs = Vector::new();
    for step in steps {
        costs.extend(alignments(x, y, step).into_iter().map(|rest| cost + rest));
    }
    if costs.is_empty() {
        costs.push(cost);
    }
    costs
}

/// The B-spline of degree k that begins at knot i, by Cox and de Boor's recursion; a quotient by an empty interval is 0.
fn spline(knots: &[Number], x: Number, i: usize, k: usize) -> Number {
    if k == 0 {
        return truth(knots[i].real() <= x.real() && x.real() < knots[i + 1].real());
    }
    let part = |distance: Number, length: Number, i: usize| match length.real() {
        0.0 => Number::ZERO,
        _ => distance / length * spline(knots, x, i, k - 1),
    };
    let (first, last) = (knots[i], knots[i + k + 1]);
    part(x - first, knots[i + k] - first, i) + part(last - x, last - knots[i + 1], i + 1)
}

/// All indices into a tensor, in the order in which it is stored.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![Vec::new()], |indices, &extent| {
        let longer = indices
            .iter()
            .flat_map(|index| (0..extent).map(|k| index.iter().copied().chain([k]).collect()));
        longer.collect()
    })
}

fn position(index: &[usize], shape: &[usize]) -> usize {
    index
        .iter()
        .zip(shape)
        .fold(0, |position, (k, extent)| position * extent + k)
}

/// numpy.tensordot: every product of two components goes to the place that the kept axes name.
fn tensor_dot(args: &[Vector], params: &[Parameter]) -> Vector {
    let [f_shape, g_shape, f_axes, g_axes] = [0, 1, 2, 3].map(|n| params[n].list());
    let kept = |index: &[usize], axes: &[usize]| -> Vec<usize> {
        (0..index.len())
            .filter(|axis| !axes.contains(axis))
            .map(|axis| index[axis])
            .collect()
    };
    let natural: Vec<usize> = [kept(f_shape, f_axes), kept(g_shape, g_axes)].concat();
    let places: Vec<usize> = match params.get(4).map(Parameter::list) {
        Some(order) if !order.is_empty() => order.to_vec(),
        _ => (0..natural.len()).collect(),
    };
    let permuted = |index: &[usize]| {
        let mut to = vec![0; index.len()];
        places
            .iter()
            .zip(index)
            .for_each(|(&place, &k)| to[place] = k);
        to
    };
    let shape = permuted(&natural);
    let mut result = vec![Vector::new(); shape.iter().product()];
    for f in indices(f_shape) {
        for g in indices(g_shape) {
            if f_axes.iter().zip(g_axes).all(|(&a, &b)| f[a] == g[b]) {
                let index = permuted(&[kept(&f, f_axes), kept(&g, g_axes)].concat());
                let factors = [
                    args[0][position(&f, f_shape)],
                    args[1][position(&g, g_shape)],
                ];
                result[position(&index, &shape)].push(factors[0] * factors[1]);
            }
        }
    }
    result
        .into_iter()
        .map(|terms| terms.into_iter().sum())
        .collect()
}

/// numpy.kron
fn kron(args: &[Vector], params: &[Parameter]) -> Vector {
    let [f_shape, g_shape] = [0, 1].map(|n| params[n].list());
    let shape: Vec<usize> = f_shape.iter().zip(g_shape).map(|(f, g)| f * g).collect();
    let component = |index: Vec<usize>| {
        let f: Vec<usize> = index.iter().zip(g_shape).map(|(k, g)| k / g).collect();
        let g: Vec<usize> = index.iter().zip(g_shape).map(|(k, g)| k % g).collect();
        args[0][position(&f, f_shape)] * args[1][position(&g, g_shape)]
    };
    indices(&shape).into_iter().map(component).collect()
}

/// The operation called `name`.
pub(crate) fn find(name: &str) -> Option<Operation> {
    let operation: Operation = match name {
        "Add" => |a, _| each(a, |x| x[0] + x[1]),
        "Subtract" => |a, _| each(a, |x| x[0] - x[1]),
        "Mult" => |a, _| each(a, |x| x[0] * x[1]),
        "Divide" => |a, _| each(a, |x| x[0] / x[1]),
        "Minus" => |a, _| each(a, |x| -x[0]),
        "Inv" => |a, _| each(a, |x| number(1.0) / x[0]),
        "Square" => |a, _| each(a, |x| x[0] * x[0]),
        "Pow" => |a, p| each(a, |x| x[0].powi(p[0].integer())),
        "Powf" => |a, _| each(a, |x| power(x[0], x[1])),
        "Sqrt" => |a, _| each(a, |x| x[0].sqrt()),
        "Rsqrt" => |a, _| each(a, |x| x[0].rsqrt()),
        "Abs" => |a, _| {
            each(a, |x| match x[0].real() {
                0.0 => Number::ZERO,
                value if value < 0.0 => -x[0],
                _ => x[0],
            })
        },
        "Hypot" => |a, _| each(a, |x| hypot(x[0], x[1])),
        "IntCst" => |_, p| vec![number(p[0].integer() as f64)],
        "IntInv" => |_, p| vec![number(1.0) / number(p[0].integer() as f64)],
        "RatCst" => |_, p| vec![number(p[0].integer() as f64) / number(p[1].integer() as f64)],
        "Zero" => |_, p| vec![Number::ZERO; p[0].size()],

        "Exp" => |a, _| each(a, |x| x[0].exp()),
        "Log" => |a, _| each(a, |x| x[0].ln()),
        "XLogX" => |a, _| {
            each(a, |x| {
                let slope = |x: Number| x.ln() + number(1.0);
                // Infinite at 0, and multiplied by changes that are 0 elsewhere.
                slope(number(x[0].real()));
                let value = |x: f64| if x == 0.0 { 0.0 } else { x * x.ln() };
                x[0].through(&value, &slope)
            })
        },
        "Sin" => |a, _| each(a, |x| x[0].sin()),
        "Cos" => |a, _| each(a, |x| x[0].cos()),
        "SinXDivX" => |a, _| each(a, |x| special::spherical_bessel(x[0], 0)),
        "SphericalBessel" => |a, p| each(a, |x| special::spherical_bessel(x[0], p[0].size())),
        "Asin" => |a, _| each(a, |x| arc(x[0], f64::asin, 1.0)),
        "Acos" => |a, _| each(a, |x| arc(x[0], f64::acos, -1.0)),
        "Atan" => |a, _| {
            each(a, |x| {
                let one = number(1.0);
                x[0].through(&f64::atan, &|x| one / (one + x * x))
            })
        },
        "Atan2" => |a, _| each(a, |x| atan2(x[0], x[1])),

        "Exp2" => |a, _| {
            each(a, |x| {
                let ln2 = number(std::f64::consts::LN_2);
                x[0].through(&f64::exp2, &|x| ln2 * (ln2 * x).exp())
            })
        },
        "Expm1" => |a, _| each(a, |x| x[0].through(&f64::exp_m1, &Number::exp)),
        "Log1p" => |a, _| {
            each(a, |x| {
                x[0].through(&f64::ln_1p, &|x| number(1.0) / (number(1.0) + x))
            })
        },
        "Sinh" => |a, _| each(a, |x| sinh(x[0])),
        "Cosh" => |a, _| each(a, |x| cosh(x[0])),
        "Tanh" => |a, _| each(a, |x| tanh(x[0])),
        "Sigmoid" => |a, _| each(a, |x| sigmoid(x[0])),
        "Softplus" => |a, _| each(a, |x| softplus(x[0])),
        "Erf" => |a, _| each(a, |x| special::erf(x[0])),

        "Matern" => |a, p| {
            each(a, |x| {
                let nu = p[0].number();
                scaled_matern(number(2.0 * nu) * x[0], nu)
            })
        },
        "MaternFamily" => |a, p| {
            each(a, |x| match p[0].number() {
                nu if nu > 0.0 => scaled_matern(x[0], nu),
                nu => special::matern_family(x[0], nu),
            })
        },
        "BesselK" => |a, p| each(a, |x| special::bessel_k(x[0], p[0].number())),
        "LGamma" => |a, _| each(a, |x| special::lgamma(x[0])),
        "Polygamma" => |a, p| each(a, |x| special::polygamma(x[0], p[0].size())),

        "Minimum" => |a, _| {
            each(a, |x| match (x[0].real(), x[1].real()) {
                (f, g) if f <= g => x[0],
                _ => x[1],
            })
        },
        "Maximum" => |a, _| {
            each(a, |x| match (x[0].real(), x[1].real()) {
                (f, g) if f >= g => x[0],
                _ => x[1],
            })
        },
        "Sign" => |a, _| {
            each(a, |x| {
                flat(x[0], |x| match x {
                    x if x > 0.0 => 1.0,
                    x if x < 0.0 => -1.0,
                    _ => 0.0,
                })
            })
        },
        "Step" => |a, _| each(a, |x| truth(!(x[0].real() < 0.0))),
        "ReLU" => |a, _| {
            each(a, |x| {
                if x[0].real() < 0.0 {
                    Number::ZERO
                } else {
                    x[0]
                }
            })
        },
        "Clamp" => |a, _| each(a, clamp),
        "ClampInt" => |a, p| {
            each(a, |x| {
                let [low, high] = [0, 1].map(|n| number(p[n].integer() as f64));
                clamp(&[x[0], low, high])
            })
        },
        "IfElse" => |a, _| each(a, |x| if x[0].real() >= 0.0 { x[1] } else { x[2] }),
        "Mod" => |a, _| each(a, modulo),
        "Floor" => |a, _| each(a, |x| flat(x[0], f64::floor)),
        "Round" => |a, p| {
            each(a, |x| {
                flat(x[0], |x| round(x, p.first().map_or(0, Parameter::integer)))
            })
        },
        "Equal" => |a, _| each(a, |x| truth(equal(x[0], x[1]))),
        "NotEqual" => |a, _| each(a, |x| truth(!equal(x[0], x[1]))),
        "LessThan" => |a, _| each(a, |x| truth(x[0].real() < x[1].real())),
        "LessOrEqual" => |a, _| each(a, |x| truth(x[0].real() <= x[1].real())),

        "Sum" => |a, _| vec![a[0].iter().copied().sum()],
        "SumT" => |a, p| vec![a[0][0]; p[0].size()],
        "Min" => |a, _| vec![a[0][extremum(&a[0], less)]],
        "Max" => |a, _| vec![a[0][extremum(&a[0], more)]],
        "ArgMin" => |a, _| vec![number(extremum(&a[0], less) as f64)],
        "ArgMax" => |a, _| vec![number(extremum(&a[0], more) as f64)],
        "Scalprod" => |a, _| vec![dot(&a[0], &a[1])],
        "SqNorm2" => |a, _| vec![dot(&a[0], &a[0])],
        "Norm2" => |a, _| vec![dot(&a[0], &a[0]).sqrt()],
        "SqDist" => |a, _| {
            let d = difference(&a[0], &a[1]);
            vec![dot(&d, &d)]
        },
        "Normalize" => |a, _| {
            let inverse = dot(&a[0], &a[0]).rsqrt();
            a[0].iter().map(|&f| inverse * f).collect()
        },
        "WeightedSqNorm" | "SqNormIso" | "SqNormDiag" | "SymSqNorm" => {
            |a, _| weighted_square(&a[0], &a[1])
        }
        "WeightedSqDist" => |a, _| weighted_square(&a[0], &difference(&a[1], &a[2])),

        "Elem" => |a, p| vec![a[0][p[0].size()]],
        "ElemT" => |a, p| padded(&a[0], p[1].size(), p[0].size()),
        "Extract" => |a, p| a[0][p[0].size()..][..p[1].size()].to_vec(),
        "ExtractT" => |a, p| padded(&a[0], p[0].size(), p[1].size()),
        "Concat" => |a, _| a.concat(),
        "OneHot" => |a, p| {
            let at = nearest(a[0][0].real());
            (0..p[0].size()).map(|k| truth(k as f64 == at)).collect()
        },

        "MatVecMult" => |a, _| a[0].chunks(a[1].len()).map(|row| dot(row, &a[1])).collect(),
        "VecMatMult" => |a, _| {
            let columns = a[1].len() / a[0].len();
            let column = |k: usize| a[1].iter().copied().skip(k).step_by(columns).collect();
            (0..columns)
                .map(|k| dot(&a[0], &Vector::from_iter::<Vector>(column(k))))
                .collect()
        },
        "TensorProd" => |a, _| {
            let row = |&f: &Number| a[1].iter().map(move |&g| f * g);
            a[0].iter().flat_map(row).collect()
        },
        "TensorDot" => tensor_dot,
        "Kron" => kron,

        "BSpline" => |a, p| {
            let (knots, x, k) = (&a[0], a[1][0], p[0].size());
            if knots
                .windows(2)
                .any(|pair| !(pair[0].real() <= pair[1].real()))
            {
                unspecified();
            }
            (0..knots.len() - k - 1)
                .map(|i| spline(knots, x, i, k))
                .collect()
        },
        "SoftMin" => |a, _| vec![soft_min(&a[0], a[1][0])],
        "SoftDTW_SqDist" => |a, _| {
            let costs = alignments(&a[0], &a[1], (0, 0));
            vec![soft_min(&costs, a[2][0])]
        },

        "Real2Complex" => |a, _| a[0].iter().flat_map(|&f| [f, Number::ZERO]).collect(),
        "Imag2Complex" => |a, _| a[0].iter().flat_map(|&f| [Number::ZERO, f]).collect(),
        "ComplexReal" => |a, _| each_complex(a, |z| vec![z[0][0]]),
        "ComplexImag" => |a, _| each_complex(a, |z| vec![z[0][1]]),
        "Conj" => |a, _| each_complex(a, |z| vec![z[0][0], -z[0][1]]),
        "ComplexAdd" => |a, _| each_complex(a, |z| vec![z[0][0] + z[1][0], z[0][1] + z[1][1]]),
        "ComplexSubtract" => |a, _| each_complex(a, |z| vec![z[0][0] - z[1][0], z[0][1] - z[1][1]]),
        "ComplexMult" => |a, _| {
            each_complex(a, |z| {
                let [[a, b], [c, d]] = [z[0], z[1]];
                vec![a * c - b * d, a * d + b * c]
            })
        },
        "ComplexRealScal" => |a, _| each(a, |x| x[0] * x[1]),
        "ComplexDivide" => |a, _| {
            each_complex(a, |z| {
                let [[a, b], [c, d]] = [z[0], z[1]];
                let square = c * c + d * d;
                vec![(a * c + b * d) / square, (b * c - a * d) / square]
            })
        },
        "ComplexAbs" => |a, _| each_complex(a, |z| vec![dot(&z[0], &z[0]).sqrt()]),
        "ComplexSquareAbs" => |a, _| each_complex(a, |z| vec![dot(&z[0], &z[0])]),
        "ComplexAngle" => |a, _| each_complex(a, |z| vec![atan2(z[0][1], z[0][0])]),
        "ComplexSum" => |a, _| {
            let part = |which: usize| a[0].iter().copied().skip(which).step_by(2).sum();
            vec![part(0), part(1)]
        },
        "ComplexSumT" => |a, p| a[0].iter().copied().cycle().take(p[0].size()).collect(),
        "ComplexExp" => |a, _| {
            each_complex(a, |z| {
                let size = z[0][0].exp();
                vec![size * z[0][1].cos(), size * z[0][1].sin()]
            })
        },
        "ComplexExp1j" => |a, _| a[0].iter().flat_map(|&f| [f.cos(), f.sin()]).collect(),
        _ => return None,
    };
    Some(operation)
}
