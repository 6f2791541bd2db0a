//! The constants of the elementary functions, per element type.
//!
//! The polynomials are minimax approximations made with Sollya by the scripts in `sollya/`, lowest degree first.

// They are what they are, whichever named constant they come close to.
#![allow(clippy::approx_constant)]

/// Polynomials and constants of one element type.
pub trait Coefficients: Sized + Copy + 'static {
    /// `q` of `exp(r) = 1 + r + r^2 q(r)`, `|r| <= ln(2)/2`.
    const EXP: &[Self];
    /// `q` of `2^r = 1 + r q(r)`, `|r| <= 1/2`.
    const EXP2: &[Self];
    /// `q` of `exp(r) = 1 + r q(r)`, `|r| <= ln(2)/32`.
    const EXP_16: &[Self];
    /// `q` of `2^r = 1 + r q(r)`, `|r| <= 1/32`.
    const EXP2_16: &[Self];
    /// `q` of `ln(1 + f) = f - f^2/2 + f^3 q(f)`, `3/4 <= 1 + f < 3/2`.
    const LOG: &[Self];
    /// `t` of `log2((1 + s)/(1 - s)) = s (C0 + z (C1 + z t(z)))`, `z = s^2`, `3/4 <= (1 + s)/(1 - s) < 3/2`.
    const LOG2_RATIO: &[Self];
    /// `q` of `sin(r) = r + r^3 q(r^2)`, `|r| <= pi/2`.
    const SIN: &[Self];
    /// `q` of `asin(t) = t + t^3 q(t^2)`, `|t| <= 1/2`.
    const ASIN: &[Self];
    /// `q` of `atan(t) = t + t^3 q(t^2)`, `|t| <= 0.55`.
    const ATAN: &[Self];
    /// `q` of `sinh(t) = t + t^3 q(t^2)`, `|t| <= 1`.
    const SINH: &[Self];
    /// `q` of `tanh(t) = t + t^3 q(t^2)`, `|t| <= 0.7`.
    const TANH: &[Self];
    /// `q` of `erf(t) = t + t q(t^2)`, `|t| <= 1`.
    const ERF: &[Self];
    /// `q` of `erfc(a) = exp(-a^2) q((a - 2)/(a + 2))`, `a >= 1`, with an error weighted by `erfc`.
    const ERFC: &[Self];
    /// `2/ln(2)`, the constant `C0` of [`Coefficients::LOG2_RATIO`], in two words.
    const LOG2_RATIO_C0: [Self; 2];
    /// `2/(3 ln(2))`, the constant `C1` of [`Coefficients::LOG2_RATIO`], in two words.
    const LOG2_RATIO_C1: [Self; 2];
    /// `pi` in three words, all positive.
    const PI: [Self; 3];
    /// `1/ln(2)`.
    const LOG2_E: Self;
    /// `ln(2)`, upper word, short enough that its product with any exponent is exact.
    const LN_2_HI: Self;
    /// `ln(2)`, lower word.
    const LN_2_LO: Self;
    /// `1/pi`.
    const FRAC_1_PI: Self;
    /// `pi/4`.
    const FRAC_PI_4: Self;
    /// `pi/2`, upper word.
    const FRAC_PI_2_HI: Self;
    /// `pi/2`, lower word.
    const FRAC_PI_2_LO: Self;
    /// `1.5 * 2^(digits - 1)`: adding it rounds a number to an integer and leaves that in
    /// the lowest bits.
    const SHIFTER: Self;
    /// A sixteenth of `SHIFTER`: rounds to sixteenths.
    const SHIFTER_16: Self;
    /// `SHIFTER` plus the bias of the exponent.
    const SHIFTER_BIASED: Self;
    /// `2^(digits - 1)`: from here on every value is an integer. It shares the spacing with
    /// its successors, hence `or`-ing a small integer into its lowest bits adds that
    /// integer.
    const INTEGERS: Self;
    /// `INTEGERS` plus the bias of the exponent.
    const INTEGERS_BIASED: Self;
    /// The smallest normal number.
    const MIN_POSITIVE: Self;
    /// A power of two that makes every subnormal number normal.
    const SUBNORMAL_SCALE: Self;
    /// Its exponent.
    const SUBNORMAL_EXPONENT: Self;
    /// Bits of all but the lower half of the digits.
    const UPPER_HALF: Self;
    /// The topmost bit of the lower half alone.
    const HALF_OF_LOWER: Self;
    /// Below it, `exp` is less than `MIN_POSITIVE`.
    const EXP_MIN: Self;
    /// Above it, `exp` overflows.
    const EXP_MAX: Self;
    /// Below it, `2^x` is less than `MIN_POSITIVE`.
    const EXP2_MIN: Self;
    /// From it on, `2^x` overflows.
    const EXP2_MAX: Self;
    /// Not below `EXP_MAX`; `exp` overflows here.
    const EXP_INFINITY: Self;
    /// From it on, `2^x` overflows and `2^-x` rounds to zero, and half of it is still an
    /// exponent.
    const POW_LIMIT: Self;
    /// Below it, `expm1` rounds to -1.
    const EXPM1_MIN: Self;
    /// Up to it, the reduction of sine and cosine with three words of pi is accurate.
    const TRIG_MAX: Self;
    /// Not above half the largest number, so that a sum of two up to it is finite; and an
    /// eighth of the largest number is below half of it.
    const HUGE: Self;
    /// From it on, `erf` rounds to one.
    const ERF_ONE: Self;
    /// `2^(j/16)`.
    const EXP2_TABLE: [Self; 16];
    /// By how much `2^(j/16)` is more than its entry in the table, relatively.
    const EXP2_TABLE_REST: [Self; 16];
    /// Bits of the exponent field.
    const EXPONENT_MASK: Self;
    /// The topmost bit of the significand alone.
    const HALF_EXPONENT: Self;
}

#[rustfmt::skip]
impl Coefficients for f32 {
    const EXP: &[Self] = &[0.4999999, 0.16666521, 0.041668963, 0.008368674, 0.00137825];
    const EXP2: &[Self] = &[0.6931472, 0.24022645, 0.055503584, 0.009618829, 0.0013391473,
        0.00015243396];
    const EXP_16: &[Self] = &[1.0, 0.5000162, 0.16666856];
    const EXP2_16: &[Self] = &[0.6931476, 0.24018492, 0.05666273];
    const LOG: &[Self] = &[0.3333333, -0.2500005, 0.20000425, -0.16661651, 0.14259462, -0.12608668,
        0.1173893, -0.09875146, 0.045865495];
    const LOG2_RATIO: &[Self] = &[0.57707804, 0.41218922, 0.32144552, 0.23378217, 0.55042654];
    const SIN: &[Self] = &[-0.16666667, 0.00833336, -0.00019845011, 2.774652e-6, -2.7822361e-8];
    const ASIN: &[Self] = &[0.16666666, 0.07500153, 0.044585444, 0.031234162, 0.016596848, 0.034515806];
    const ATAN: &[Self] = &[-0.3333333, 0.19999672, -0.14273818, 0.1094159, -0.07940856, 0.03759152];
    const SINH: &[Self] = &[0.16666667, 0.008333298, 0.00019846359, 2.7591075e-6];
    const TANH: &[Self] = &[-0.3333333, 0.13333195, -0.053942166, 0.021662239, -0.0080593685,
        0.0020212072];
    const ERF: &[Self] = &[0.12837917, -0.3761263, 0.11283619, -0.026855174, 0.0051908446,
        -0.0008031836, 7.9241305e-5];
    const ERFC: &[Self] = &[0.25539568, -0.42718586, 0.24165727, -0.078986906, 0.0037297385,
        0.00721255];
    const LOG2_RATIO_C0: [Self; 2] = [2.88539, 3.851926e-8];
    const LOG2_RATIO_C1: [Self; 2] = [0.9617967, -7.028462e-9];
    const PI: [Self; 3] = [3.1415925, 1.5099579e-7, 1.0780605e-14];
    const LOG2_E: Self = core::f32::consts::LOG2_E;
    const LN_2_HI: Self = 0.693_145_75;
    const LN_2_LO: Self = 1.428_606_8e-6;
    const FRAC_1_PI: Self = core::f32::consts::FRAC_1_PI;
    const FRAC_PI_4: Self = core::f32::consts::FRAC_PI_4;
    const FRAC_PI_2_HI: Self = core::f32::consts::FRAC_PI_2;
    const FRAC_PI_2_LO: Self = -4.371_139e-8;
    const SHIFTER: Self = 12_582_912.0;
    const SHIFTER_16: Self = 786_432.0;
    const SHIFTER_BIASED: Self = 12_583_039.0;
    const INTEGERS: Self = 8_388_608.0;
    const INTEGERS_BIASED: Self = 8_388_735.0;
    const MIN_POSITIVE: Self = f32::MIN_POSITIVE;
    const SUBNORMAL_SCALE: Self = 16_777_216.0;
    const SUBNORMAL_EXPONENT: Self = 24.0;
    const UPPER_HALF: Self = f32::from_bits(!0 << 12);
    const HALF_OF_LOWER: Self = f32::from_bits(1 << 11);
    const EXP_MIN: Self = -87.336_54;
    const EXP_MAX: Self = 88.722_83;
    const EXP2_MIN: Self = -126.0;
    const EXP2_MAX: Self = 128.0;
    const EXP_INFINITY: Self = 89.0;
    const POW_LIMIT: Self = 200.0;
    const EXPM1_MIN: Self = -20.0;
    const TRIG_MAX: Self = 65_536.0;
    const HUGE: Self = 1e38;
    const ERF_ONE: Self = 4.0;
    const EXP2_TABLE: [Self; 16] = [1.0, 1.0442737, 1.0905077, 1.1387886, 1.1892071, 1.2418578,
        1.2968396, 1.3542556, 1.4142135, 1.4768262, 1.5422108, 1.6104903, 1.6817929, 1.7562522,
        1.8340081, 1.9152066];
    const EXP2_TABLE_REST: [Self; 16] = [0.0, 4.628547e-8, -1.1992157e-8, 4.7297824e-8, 3.193418e-8,
        3.6210573e-8, -3.099072e-8, -7.475213e-9, 1.7114271e-8, -3.0476834e-8, 5.233334e-9,
        6.1075916e-9, -1.4719605e-8, -5.258795e-9, -6.12826e-9, 5.140609e-9];
    const EXPONENT_MASK: Self = f32::from_bits(0x7F80_0000);
    const HALF_EXPONENT: Self = f32::from_bits(0x0040_0000);
}

#[rustfmt::skip]
impl Coefficients for f64 {
    const EXP: &[Self] = &[0.5000000000000011, 0.16666666666666424, 0.041666666666526964,
        0.00833333333348704, 0.0013888888944350514, 0.00019841269522566756, 2.4801492432692467e-5,
        2.7557572108406547e-6, 2.7630465846616767e-7, 2.5004582713130317e-8];
    const EXP2: &[Self] = &[0.6931471805599453, 0.24022650695910136, 0.05550410866482233,
        0.009618129107592572, 0.0013333558146358705, 0.00015403530458788097, 1.525273382879197e-5,
        1.3215434541074828e-6, 1.0178076641422462e-7, 7.073898733637242e-9, 4.451512654753768e-10];
    const EXP_16: &[Self] = &[1.0000000000000022, 0.49999999999999656, 0.16666666662855992,
        0.04166666668655478, 0.008333496122641846, 0.0013888723249362524];
    const EXP2_16: &[Self] = &[0.6931471805599377, 0.2402265069614646, 0.05550410841941963,
        0.00961814080769729, 0.0013330741478048218, 0.000157363294684215];
    const LOG: &[Self] = &[0.3333333333333333, -0.2500000000000005, 0.2000000000000571,
        -0.16666666666646449, 0.14285714284027035, -0.12500000000561495, 0.11111111292192151,
        -0.10000000271067631, 0.0909089989490644, -0.08333305976909149, 0.07692538507067227,
        -0.07143934265633603, 0.06664402124489628, -0.06229883312445701, 0.05869650490049748,
        -0.05713882076403918, 0.05669207062631538, -0.04956980431117069, 0.029870927325259547,
        -0.00856167243693017];
    const LOG2_RATIO: &[Self] = &[0.5770780163555853, 0.4121985831112111, 0.3205988979407682,
        0.2623081961489109, 0.2219523377306712, 0.1924066789742738, 0.16791157787718144,
        0.19333365777408856, -0.3806068551584399, 2.8588340739422033];
    const SIN: &[Self] = &[-0.16666666666666666, 0.008333333333333156, -0.0001984126984117079,
        2.7557319199087744e-6, -2.5052105065032435e-8, 1.6058792554797776e-10, -7.636328391664924e-13,
        2.563310938586106e-15, 1.5262173543654002e-17];
    const ASIN: &[Self] = &[0.16666666666666669, 0.07499999999998022, 0.04464285714699303,
        0.03038194409553674, 0.02237217450285803, 0.017352358601520144, 0.013971691375998288,
        0.011474729574004819, 0.010350533427761736, 0.005343025057448214, 0.017701448822731527,
        -0.015306036797815937, 0.029058483788489842];
    const ATAN: &[Self] = &[-0.3333333333333333, 0.19999999999999082, -0.14285714285579945,
        0.11111111101966459, -0.09090908739432504, 0.07692299215563021, -0.06666529965047739,
        0.05880819184732029, -0.05250894519282515, 0.046911511392237565, -0.04052381486030453,
        0.03111621282812536, -0.017998217448054177, 0.005553999714540877];
    const SINH: &[Self] = &[0.16666666666666666, 0.008333333333333678, 0.0001984126984089726,
        2.7557319401386144e-6, 2.5052065019318852e-8, 1.606472202642e-10, 7.26841245394101e-13,
        1.2929606112600346e-14];
    const TANH: &[Self] = &[-0.3333333333333333, 0.13333333333332842, -0.053968253967870077,
        0.021869488522274466, -0.00886323524815538, 0.003592124475837025, -0.001455804606159987,
        0.0005898565344331115, -0.00023844312408923988, 9.497908241441428e-5, -3.5463755474098565e-5,
        1.078391746709949e-5, -1.88495663647068e-6];
    const ERF: &[Self] = &[0.1283791670955126, -0.37612638903183904, 0.11283791670960576,
        -0.02686617064604515, 0.005223977634073006, -0.0008548327531698304, 0.00012055352777056031,
        -1.4926177682672624e-5, 1.6471870255665493e-6, -1.6491065926921991e-7, 1.5900284295665428e-8,
        -1.8471139377955165e-9, 2.97334443651494e-10, -3.538145284358096e-11];
    const ERFC: &[Self] = &[0.25539567631050575, -0.42718584741395826, 0.2416581942424582,
        -0.07897858101587533, 0.0037328924051637552, 0.006997461763515902, -0.0008471431958227433,
        -0.0009819781249425002, 4.354936574902086e-5, 0.00017436940394171627, 2.7666192886905598e-5,
        -2.7312797064929035e-5, -1.4599492180626963e-5, -1.6213690043591664e-6];
    const LOG2_RATIO_C0: [Self; 2] = [2.8853900817779268, 4.0710547481862066e-17];
    const LOG2_RATIO_C1: [Self; 2] = [0.9617966939259756, 5.0577616648125907e-17];
    const PI: [Self; 3] = [3.141592653589793, 1.224646799147353e-16, 2.1657133478438278e-32];
    const LOG2_E: Self = core::f64::consts::LOG2_E;
    const LN_2_HI: Self = 0.693_147_180_369_123_8;
    const LN_2_LO: Self = 1.908_214_929_270_587_7e-10;
    const FRAC_1_PI: Self = core::f64::consts::FRAC_1_PI;
    const FRAC_PI_4: Self = core::f64::consts::FRAC_PI_4;
    const FRAC_PI_2_HI: Self = core::f64::consts::FRAC_PI_2;
    const FRAC_PI_2_LO: Self = 6.123_233_995_736_766e-17;
    const SHIFTER: Self = 6_755_399_441_055_744.0;
    const SHIFTER_16: Self = 422_212_465_065_984.0;
    const SHIFTER_BIASED: Self = 6_755_399_441_056_767.0;
    const INTEGERS: Self = 4_503_599_627_370_496.0;
    const INTEGERS_BIASED: Self = 4_503_599_627_371_519.0;
    const MIN_POSITIVE: Self = f64::MIN_POSITIVE;
    const SUBNORMAL_SCALE: Self = 18_014_398_509_481_984.0;
    const SUBNORMAL_EXPONENT: Self = 54.0;
    const UPPER_HALF: Self = f64::from_bits(!0 << 27);
    const HALF_OF_LOWER: Self = f64::from_bits(1 << 26);
    const EXP_MIN: Self = -708.396_418_532_264;
    const EXP_MAX: Self = 709.782_712_893_384;
    const EXP2_MIN: Self = -1022.0;
    const EXP2_MAX: Self = 1024.0;
    const EXP_INFINITY: Self = 710.0;
    const POW_LIMIT: Self = 1200.0;
    const EXPM1_MIN: Self = -40.0;
    const TRIG_MAX: Self = 1_073_741_824.0;
    const HUGE: Self = 8e307;
    const ERF_ONE: Self = 6.0;
    const EXP2_TABLE: [Self; 16] = [1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916,
        1.189207115002721, 1.241857812073484, 1.2968395546510096, 1.3542555469368927,
        1.4142135623730951, 1.4768261459394993, 1.5422108254079407, 1.6104903319492543,
        1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474];
    const EXP2_TABLE_REST: [Self; 16] = [0.0, 8.189317638195515e-17, -2.7939114859515733e-17,
        7.826573258636076e-17, 3.3484623336251524e-17, 3.750854201303127e-17,
        1.9572585293112036e-17, 5.68648095791174e-17, -6.835808657661922e-17,
        -2.3591094770850053e-17, 5.1548301170786783e-17, 1.5341410053603723e-17,
        4.875160526227062e-17, 1.685487290628973e-17, 1.790126907604513e-17,
        -5.545065618639427e-17];
    const EXPONENT_MASK: Self = f64::from_bits(0x7FF0_0000_0000_0000);
    const HALF_EXPONENT: Self = f64::from_bits(0x0008_0000_0000_0000);
}
