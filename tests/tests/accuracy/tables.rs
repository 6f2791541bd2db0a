//! The tables of reference values, which `tests/accuracy/reference.py` writes.

/// One formula of the reference.
pub(crate) struct Table {
    pub(crate) formula: &'static str,
    pub(crate) x: Vec<f64>,
    /// 1 where the formula has no second argument.
    pub(crate) y: Vec<f64>,
    pub(crate) value: Vec<f64>,
    /// What the rounding of the value lost, in units in its last place.
    pub(crate) lost: Vec<f64>,
}

/// Values at arguments that are floats.
pub(crate) fn singles() -> Vec<Table> {
    parse(include_str!("../../accuracy/reference.txt"))
}

/// Values at doubles with all their digits, over their whole range, for some of the formulas of [`singles`].
pub(crate) fn doubles() -> Vec<Table> {
    parse(include_str!("../../accuracy/doubles.txt"))
}

/// The operation that a formula measures: the outermost one that does not just take a component.
pub(crate) fn operation(formula: &str) -> &str {
    let components = ["Elem(", "ComplexReal(", "ComplexImag("];
    let inner = components
        .iter()
        .find_map(|taken| formula.strip_prefix(taken));
    let formula = inner.unwrap_or(formula);
    formula.split('(').next().expect("a name")
}

/// A float of eight hexadecimal digits or a double of sixteen.
fn number(bits: &str) -> f64 {
    let value = u64::from_str_radix(bits, 16).expect("hexadecimal bits");
    match bits.len() {
        8 => f32::from_bits(value as u32).into(),
        _ => f64::from_bits(value),
    }
}

fn parse(text: &'static str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines() {
        if let Some(formula) = line.strip_prefix("= ") {
            tables.push(Table {
                formula,
                x: Vec::new(),
                y: Vec::new(),
                value: Vec::new(),
                lost: Vec::new(),
            });
            continue;
        }
        let table = tables.last_mut().expect("a formula before its values");
        let words: Vec<&str> = line.split(' ').collect();
        let (arguments, value) = words.split_at(words.len() - 2);
        table.x.push(number(arguments[0]));
        table.y.push(arguments.get(1).map_or(1.0, |y| number(y)));
        table.value.push(number(value[0]));
        table.lost.push(value[1].parse().expect("a number"));
    }
    tables
}
