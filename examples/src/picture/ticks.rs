//! Where the ticks of an axis stand, and what is written there.

/// About `count` round numbers, multiples of 1, 2 or 5 times a power of ten, from `from` to `to`.
pub(super) fn linear(from: f64, to: f64, count: usize) -> Vec<f64> {
    let rough = (to - from) / count.max(1) as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return vec![from];
    }
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= 0.999 * rough)
        .unwrap_or(rough);
    // An end that is a tick but for rounding errors keeps it.
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// The powers of ten from `10^from` to `10^to`, as exponents, `count` or so at most.
pub(super) fn decades(from: f64, to: f64, count: usize) -> Vec<f64> {
    let (first, last) = ((from - 1e-9).ceil() as i64, (to + 1e-9).floor() as i64);
    let stride = ((last - first + 1).max(1) as usize).div_ceil(count.max(1));
    (first..=last)
        .step_by(stride)
        .map(|exponent| exponent as f64)
        .collect()
}

/// A number as short as it can be written without showing rounding errors.
pub(super) fn label(value: f64) -> String {
    let rounded = (value * 1e9).round() / 1e9;
    if rounded == 0.0 {
        "0".into()
    } else if rounded < 0.0 {
        format!("\u{2212}{}", -rounded)
    } else {
        rounded.to_string()
    }
}

/// The power of ten of an exponent: `10⁻³`.
pub(super) fn power_label(exponent: f64) -> String {
    let superscript = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The others follow each other.
        _ => char::from_u32(u32::from(c) - u32::from('0') + u32::from('⁰')).unwrap_or(c),
    };
    let digits: String = format!("{exponent:.0}").chars().map(superscript).collect();
    format!("10{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            linear(0.0, 1.0, 5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(linear(-3.0, 39.0, 4), [0.0, 20.0]);
        assert_eq!(
            linear(1958.2, 2006.0, 5),
            [1960.0, 1970.0, 1980.0, 1990.0, 2000.0]
        );
        assert_eq!(linear(-0.11, 0.13, 6), [-0.1, -0.05, 0.0, 0.05, 0.1]);
        assert_eq!(linear(2.0, 2.0, 5), [2.0]);
        assert_eq!(linear(f64::NAN, 1.0, 5).len(), 1);
    }

    #[test]
    fn decades_are_whole() {
        assert_eq!(decades(-2.3, 1.0, 10), [-2.0, -1.0, 0.0, 1.0]);
        assert_eq!(decades(-6.5, 0.2, 4), [-6.0, -4.0, -2.0, 0.0]);
        assert!(decades(0.2, 0.8, 4).is_empty());
    }

    #[test]
    fn labels_are_short() {
        let labels = [0.1 + 0.2, -0.05, -1e-17, 2000.0].map(label);
        assert_eq!(labels, ["0.3", "−0.05", "0", "2000"]);
        let powers = [-12.0, 0.0, 3.0, 6.0].map(power_label);
        assert_eq!(powers, ["10⁻¹²", "10⁰", "10³", "10⁶"]);
    }
}
