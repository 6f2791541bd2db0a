//! The value of every operation of the language, by its definition.

use crate::functions::{
    alignments, arc, atan2, clamp, cosh, equal, flat, hypot, modulo, nearest, power, round,
    scaled_matern, sigmoid, sinh, soft_min, softplus, spline, tanh,
};
use crate::noise::unspecified;
use crate::number::Number;
use crate::special;
use crate::tensors::{kron, tensor_dot};

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

    pub(crate) fn list(&self) -> &[usize] {
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
    // Slopes are asked for at the zeros too.
    let mut vector = vec![Number::ZERO.depending_on(f); dim];
    vector[start..start + f.len()].copy_from_slice(f);
    vector
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
            let factor = number(p.get(1).map_or(1.0, Parameter::number));
            each(a, |x| match p[0].number() {
                nu if nu > 0.0 => scaled_matern(factor * x[0], nu),
                nu => special::matern_family(factor * x[0], nu),
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
        "Step" => |a, _| each(a, |x| truth(x[0].real() >= 0.0 || x[0].is_nan())),
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
            if knots.windows(2).any(|pair| {
                pair.iter().any(|knot| knot.is_nan()) || pair[0].real() > pair[1].real()
            }) {
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
