//! "Did you mean": the known name that an unknown one is closest to.

/// The candidate that the author most likely meant by `name`, if one is close enough.
///
/// A candidate that differs in upper and lower case alone wins. Otherwise it is the one at the smallest edit distance
/// (insertions, deletions, substitutions and transpositions of neighbours, ignoring case), as long as no more than a third of the longer
/// name changes; the first of several equally close.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let lower: Vec<char> = candidate.to_lowercase().chars().collect();
        let allowed = name.len().max(lower.len()) / 3;
        let limit = best.map_or(allowed, |(distance, _)| {
            allowed.min(distance.saturating_sub(1))
        });
        // The lengths alone can rule a candidate out, however long the name is.
        if name.len().abs_diff(lower.len()) > limit {
            continue;
        }
        let distance = edit_distance(&name, &lower);
        if distance <= limit && best.is_none_or(|(smallest, _)| distance < smallest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance (Damerau 1964, each substring edited once).
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut current = previous.clone();
    for i in 1..=a.len() {
        current[0] = i;
        for j in 1..=b.len() {
            let substituted = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            current[j] = substituted.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                current[j] = current[j].min(before[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before, &mut previous);
        std::mem::swap(&mut previous, &mut current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 8] = [
        "Exp",
        "SqDist",
        "Sum",
        "SumT",
        "Square",
        "Sqrt",
        "TensorDot",
        "x",
    ];

    #[test]
    fn suggestions() {
        for (name, expected) in [
            ("SqDost", Some("SqDist")),
            ("exp", Some("Exp")),
            ("sumt", Some("SumT")),
            ("SQDIST", Some("SqDist")),
            ("Sqaure", Some("Square")),
            ("TensrDot", Some("TensorDot")),
            ("Esp", Some("Exp")),
            ("X", Some("x")),
            ("y", None),
            ("Bessel", None),
            ("", None),
        ] {
            assert_eq!(closest(name, NAMES), expected, "{name}");
        }
        assert_eq!(closest("anything", []), None);
    }

    #[test]
    fn distances() {
        let distance = |a: &str, b: &str| {
            edit_distance(
                &a.chars().collect::<Vec<_>>(),
                &b.chars().collect::<Vec<_>>(),
            )
        };
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("σx", "σy"), 1);
    }
}
