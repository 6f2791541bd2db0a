//! The arithmetic of every instruction set against the language's own, lane by lane.

use super::{Block, InstructionSet, LaneArray, Pair, Quad, Real, Scalar, Simd, WithSimd, dispatch};

macro_rules! operations {
    ($($name:ident($($operand:literal),*);)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// The results of all operations, in the order of `NAMES`.
        #[inline(always)]
        fn all<S: Simd>(s: S, operands: [S::V; 4]) -> [S::V; NAMES.len()] {
            [$(s.$name($(operands[$operand]),*)),*]
        }
    };
}
operations! {
    add(0, 1); sub(0, 1); mul(0, 1); div(0, 1); neg(0); abs(0); sqrt(0); floor(0); round(0); min(0, 1); max(0, 1);
    copysign(0, 1); select_lt(0, 1, 2, 3); select_le(0, 1, 2, 3); select_eq(0, 1, 2, 3); fma(0, 1, 2); fms(0, 1, 2);
    fnma(0, 1, 2); product_error(0, 1);
}

/// What the operations are, by name.
trait Expected: Real {
    fn expected(name: &str, fused: bool, a: Self, b: Self, c: Self, d: Self) -> Self;
    fn same(self, other: Self) -> bool;
}

macro_rules! expected {
    ($($t:ty),*) => {$(
        impl Expected for $t {
            fn expected(name: &str, fused: bool, a: $t, b: $t, c: $t, d: $t) -> $t {
                match name {
                    "add" => a + b,
                    "sub" => a - b,
                    "mul" => a * b,
                    "div" => a / b,
                    "neg" => -a,
                    "abs" => a.abs(),
                    "sqrt" => a.sqrt(),
                    "floor" => a.floor(),
                    "round" => a.round(),
                    "min" => if a < b { a } else { b },
                    "max" => if a > b { a } else { b },
                    "copysign" => a.copysign(b),
                    "select_lt" => if a < b { c } else { d },
                    "select_le" => if a <= b { c } else { d },
                    "select_eq" => if a == b { c } else { d },
                    "fma" if fused => a.mul_add(b, c),
                    "fms" if fused => a.mul_add(b, -c),
                    "product_error" => a.mul_add(b, -(a * b)),
                    "fnma" if fused => (-a).mul_add(b, c),
                    "fma" => a * b + c,
                    "fms" => a * b - c,
                    "fnma" => c - a * b,
                    _ => unreachable!("{name}"),
                }
            }
            fn same(self, other: $t) -> bool {
                self.to_bits() == other.to_bits() || self.is_nan() && other.is_nan()
            }
        }
    )*};
}
expected!(f32, f64);

/// Numbers of every kind.
fn values<T: Real>() -> Vec<T> {
    let mut values: Vec<f64> = vec![
        0.0,
        0.1,
        0.3,
        0.5,
        0.499_999_97,
        0.75,
        1.0,
        1.5,
        2.5,
        3.999_999,
        1e-40,
        1.2e-38,
        1e-310,
        4_194_303.5,
        8_388_607.5,
        8_388_608.0,
        16_777_217.0,
        4_503_599_627_370_495.5,
        4_503_599_627_370_497.0,
        1e30,
        3e38,
        f64::INFINITY,
        f64::NAN,
    ];
    values.extend(values.clone().iter().map(|x| -x));
    values.into_iter().map(T::from_f64).collect()
}

struct Check<T> {
    isa: String,
    values: Vec<T>,
}

impl<T: Expected> WithSimd<T> for Check<T> {
    type Output = ();
    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let n = self.values.len();
        // Every pair of values once, a third and a fourth with them, and neighbours in other lanes.
        for first in (0..n * n).step_by(S::LANES) {
            let lane = |l: usize| (first + l) % (n * n);
            let a = |l| self.values[lane(l) / n];
            let b = |l| self.values[lane(l) % n];
            let c = |l| self.values[(lane(l) * 7 + 3) % n];
            let d = |l| self.values[(lane(l) * 5 + 1) % n];
            let results = all(
                s,
                [
                    s.lanes_from(a),
                    s.lanes_from(b),
                    s.lanes_from(c),
                    s.lanes_from(d),
                ],
            );
            // Promised only where nothing overflows or underflows on its way.
            let moderate = |x: T| (1e-10..1e10).contains(&x.to_f64().abs());
            let [va, vb] = [s.lanes_from(a), s.lanes_from(b)];
            let residual = s.residual(va, vb, s.mul(va, vb));
            let error = s.product_error(va, vb);
            for l in (0..S::LANES).filter(|&l| moderate(a(l)) && moderate(b(l))) {
                assert_eq!(
                    s.lane(residual, l).to_f64(),
                    -s.lane(error, l).to_f64(),
                    "residual({:?}, {:?}) on {}",
                    a(l),
                    b(l),
                    self.isa
                );
            }
            for (name, result) in NAMES.iter().zip(results) {
                for l in 0..S::LANES {
                    if *name == "product_error" && !(moderate(a(l)) && moderate(b(l))) {
                        continue;
                    }
                    let expected = T::expected(name, S::FUSED, a(l), b(l), c(l), d(l));
                    let got = s.lane(result, l);
                    assert!(
                        got.same(expected),
                        "{name}({:?}, {:?}, {:?}, {:?}) on {}: got {got:?}, expected {expected:?}",
                        a(l),
                        b(l),
                        c(l),
                        d(l),
                        self.isa
                    );
                }
            }
        }
    }
}

/// Runs the same for every instruction set of the machine, and for arrays of lanes, which other processors than x86-64 have in their place.
macro_rules! everywhere {
    ($t:ty, $lanes:literal, $work:expr) => {
        for isa in InstructionSet::available() {
            dispatch::<$t, _>(isa, $work(isa.to_string()));
        }
        $work("array".to_owned()).with(LaneArray::<$t, $lanes>::new());
        $work("scalar".to_owned()).with(Scalar::<$t>::new());
    };
}

#[test]
fn arithmetic_agrees_with_the_language() {
    everywhere!(f32, 8, |isa| Check::<f32> {
        isa,
        values: values(),
    });
    everywhere!(f64, 4, |isa| Check::<f64> {
        isa,
        values: values(),
    });
}

struct Truths;

impl<T: Expected> WithSimd<T> for Truths {
    type Output = ();
    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        // A pattern of no symmetry, at every place.
        for start in 0..32 {
            let truth =
                |l: usize| 0b1110_1000_1101_0011_0001_1011_0110_0101_u64 >> ((start + l) % 32) & 1;
            let ones = s.lanes_from(|l| T::from_f64(truth(l) as f64));
            let mask = s.lt(s.splat(T::ZERO), ones);
            let expected = (0..S::LANES).fold(0, |bits, l| bits | u128::from(truth(l)) << l);
            assert_eq!((s.bits(mask), s.any(mask)), (expected, expected != 0));
        }
        let none = s.lt(s.splat(T::ZERO), s.splat(T::ZERO));
        assert_eq!((s.bits(none), s.any(none)), (0, false));
    }
}

#[test]
fn truth_values_are_bits() {
    everywhere!(f32, 8, |_| Truths);
    everywhere!(f64, 4, |_| Truths);
    everywhere!(f32, 8, |_| Blocked);
}

/// The same for blocks.
struct Blocked;

impl<T: Expected> WithSimd<T> for Blocked {
    type Output = ();
    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        Truths.with(Quad::new(s));
        Truths.with(Pair::<Quad<S>>::new(s));
    }
}

struct Memory;

impl<T: Expected> WithSimd<T> for Memory {
    type Output = ();
    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let numbers: Vec<T> = (0..3 * S::LANES)
            .map(|n| T::from_f64(n as f64 + 1.0))
            .collect();
        let fill = T::from_f64(-1.0);
        for start in 0..S::LANES {
            let mut out = vec![T::ZERO; S::LANES + 2];
            s.store(s.load(&numbers[start..]), &mut out[1..]);
            assert!(
                out[0] == T::ZERO && out[S::LANES + 1] == T::ZERO,
                "store writes one vector"
            );
            assert_eq!(out[1..=S::LANES], numbers[start..start + S::LANES]);

            s.store(s.load_partial(&numbers[..start], fill), &mut out);
            assert_eq!(out[..start], numbers[..start]);
            assert!(out[start..S::LANES].iter().all(|&x| x == fill));
        }
    }
}

#[test]
fn memory_needs_no_alignment() {
    everywhere!(f32, 8, |_| Memory);
    everywhere!(f64, 4, |_| Memory);
}

#[test]
fn names_of_instruction_sets() {
    for isa in InstructionSet::ALL {
        assert_eq!(isa.to_string().parse(), Ok(isa));
        assert_eq!(isa.to_string().to_uppercase().parse(), Ok(isa));
    }
    let unknown = "avx1024".parse::<InstructionSet>();
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "unknown instruction set `avx1024`: expected avx512, avx2 or portable"
    );
    assert!(InstructionSet::detected().is_available());
    assert_eq!(
        InstructionSet::available().last(),
        Some(InstructionSet::Portable)
    );
}
