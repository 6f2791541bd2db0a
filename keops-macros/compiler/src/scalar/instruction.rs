//! The core instructions: everything a backend has to know.

/// A scalar instruction of the core. Operations of the formula language are defined by these, and a backend
/// implements these alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(u8)]
pub enum Instruction {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
    /// a / b
    Div,
    /// 1 / a
    Recip,
    /// a * b + c
    Fma,
    /// a * b - c
    Fms,
    /// c - a * b
    Fnma,
    /// What the rounding of a * b lost: a * b less the product.
    ProductError,
    /// c - a * b of the product before its rounding: exactly, where c is the product but for a few roundings.
    Residual,
    /// -a
    Neg,
    /// |a|
    Abs,
    /// Smaller of two: a if a < b, else b.
    Min,
    /// Larger of two: a if a > b, else b.
    Max,
    /// Largest integer not above a.
    Floor,
    /// Nearest integer, halves away from zero.
    Round,
    /// sqrt(a), NaN below zero.
    Sqrt,
    /// 1 / sqrt(a), and 0 at 0.
    Rsqrt,
    /// e^a
    Exp,
    /// 2^a
    Exp2,
    /// e^a - 1, accurate near 0.
    Expm1,
    /// Natural logarithm.
    Log,
    /// log(1 + a), accurate near 0.
    Log1p,
    /// sin(a)
    Sin,
    /// cos(a)
    Cos,
    /// arcsin(a)
    Asin,
    /// arccos(a)
    Acos,
    /// arctan(a)
    Atan,
    /// sinh(a)
    Sinh,
    /// cosh(a)
    Cosh,
    /// tanh(a)
    Tanh,
    /// The error function.
    Erf,
    /// Angle of the point (b, a), so that atan2(0, 0) = 0.
    Atan2,
    /// a^b as C's pow.
    Pow,
    /// c if a < b, else d.
    SelectLt,
    /// c if a <= b, else d.
    SelectLe,
    /// c if a = b, else d.
    SelectEq,
}

/// The properties of an instruction.
pub struct Info {
    /// Name of the method of the runtime's `Simd` trait.
    pub method: &'static str,
    /// The expression in CUDA, with operands `$a`, `$b`, `$c`, `$d`. Functions that CUDA does not have stand in the runtime's
    /// `cuda/prelude.cu`.
    pub cuda: &'static str,
    /// Number of operands.
    pub arity: usize,
    /// Cost in units of one vector addition on AVX-512, for the choice of blocks and threads.
    pub cost: usize,
    /// The instruction in double precision.
    pub eval: fn(&[f64]) -> f64,
}

const fn info(
    method: &'static str,
    cuda: &'static str,
    arity: usize,
    cost: usize,
    eval: fn(&[f64]) -> f64,
) -> Info {
    Info {
        method,
        cuda,
        arity,
        cost,
        eval,
    }
}

/// One entry per instruction, in the order of the enum.
static TABLE: &[(Instruction, Info)] = {
    use Instruction::*;
    &[
        (Add, info("add", "$a + $b", 2, 1, |a| a[0] + a[1])),
        (Sub, info("sub", "$a - $b", 2, 1, |a| a[0] - a[1])),
        (Mul, info("mul", "$a * $b", 2, 1, |a| a[0] * a[1])),
        (Div, info("div", "$a / $b", 2, 8, |a| a[0] / a[1])),
        (Recip, info("recip", "1 / $a", 1, 4, |a| 1.0 / a[0])),
        (
            Fma,
            info("fma", "fma($a, $b, $c)", 3, 1, |a| a[0].mul_add(a[1], a[2])),
        ),
        (
            Fms,
            info("fms", "fma($a, $b, -$c)", 3, 1, |a| {
                a[0].mul_add(a[1], -a[2])
            }),
        ),
        (
            Fnma,
            info("fnma", "fma(-$a, $b, $c)", 3, 1, |a| {
                (-a[0]).mul_add(a[1], a[2])
            }),
        ),
        (
            ProductError,
            info("product_error", "fma($a, $b, -($a * $b))", 2, 2, |a| {
                a[0].mul_add(a[1], -(a[0] * a[1]))
            }),
        ),
        (
            Residual,
            info("residual", "fma(-$a, $b, $c)", 3, 1, |a| {
                (-a[0]).mul_add(a[1], a[2])
            }),
        ),
        (Neg, info("neg", "-$a", 1, 1, |a| -a[0])),
        (Abs, info("abs", "fabs($a)", 1, 1, |a| a[0].abs())),
        (
            Min,
            info("min", "$a < $b ? $a : $b", 2, 1, |a| {
                if a[0] < a[1] { a[0] } else { a[1] }
            }),
        ),
        (
            Max,
            info("max", "$a > $b ? $a : $b", 2, 1, |a| {
                if a[0] > a[1] { a[0] } else { a[1] }
            }),
        ),
        (Floor, info("floor", "floor($a)", 1, 1, |a| a[0].floor())),
        (Round, info("round", "round($a)", 1, 4, |a| a[0].round())),
        (Sqrt, info("sqrt", "sqrt($a)", 1, 10, |a| a[0].sqrt())),
        (
            Rsqrt,
            info("rsqrt", "inverse_sqrt($a)", 1, 10, |a| {
                if a[0] == 0.0 { 0.0 } else { 1.0 / a[0].sqrt() }
            }),
        ),
        (Exp, info("exp", "exp($a)", 1, 12, |a| a[0].exp())),
        (
            Exp2,
            info("exp2", "power_of_two($a)", 1, 11, |a| a[0].exp2()),
        ),
        (Expm1, info("expm1", "expm1($a)", 1, 18, |a| a[0].exp_m1())),
        (Log, info("log", "log($a)", 1, 18, |a| a[0].ln())),
        (Log1p, info("log1p", "log1p($a)", 1, 20, |a| a[0].ln_1p())),
        (Sin, info("sin", "sin($a)", 1, 24, |a| a[0].sin())),
        (Cos, info("cos", "cos($a)", 1, 24, |a| a[0].cos())),
        (Asin, info("asin", "asin($a)", 1, 24, |a| a[0].asin())),
        (Acos, info("acos", "acos($a)", 1, 24, |a| a[0].acos())),
        (Atan, info("atan", "atan($a)", 1, 24, |a| a[0].atan())),
        (Sinh, info("sinh", "sinh($a)", 1, 26, |a| a[0].sinh())),
        (Cosh, info("cosh", "cosh($a)", 1, 22, |a| a[0].cosh())),
        (Tanh, info("tanh", "tanh($a)", 1, 26, |a| a[0].tanh())),
        (Erf, info("erf", "erf($a)", 1, 36, |a| libm::erf(a[0]))),
        (
            Atan2,
            info("atan2", "atan2($a, $b)", 2, 32, |a| a[0].atan2(a[1])),
        ),
        (Pow, info("pow", "pow($a, $b)", 2, 60, |a| a[0].powf(a[1]))),
        (
            SelectLt,
            info("select_lt", "$a < $b ? $c : $d", 4, 2, |a| {
                if a[0] < a[1] { a[2] } else { a[3] }
            }),
        ),
        (
            SelectLe,
            info("select_le", "$a <= $b ? $c : $d", 4, 2, |a| {
                if a[0] <= a[1] { a[2] } else { a[3] }
            }),
        ),
        (
            SelectEq,
            info("select_eq", "$a == $b ? $c : $d", 4, 2, |a| {
                if a[0] == a[1] { a[2] } else { a[3] }
            }),
        ),
    ]
};

impl Instruction {
    /// All instructions.
    pub fn all() -> impl Iterator<Item = Instruction> {
        TABLE.iter().map(|(instruction, _)| *instruction)
    }

    /// The entry of this instruction.
    pub fn info(self) -> &'static Info {
        &TABLE[self as usize].1
    }

    /// Whether the operands of a binary instruction may be exchanged.
    pub fn commutes(self) -> bool {
        matches!(
            self,
            Instruction::Add | Instruction::Mul | Instruction::ProductError
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (position, (instruction, _)) in TABLE.iter().enumerate() {
            assert_eq!(*instruction as usize, position);
        }
        assert_eq!(Instruction::SelectEq as usize + 1, TABLE.len());
    }
}
