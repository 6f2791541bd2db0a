//! Positions in the text of a formula.

use std::ops::Range;

/// Where a piece of a formula stands.
///
/// For a formula written as a string: the byte range `start..end` of its text, on character boundaries. For a formula
/// written as a closure: `start..start + 1`, where `start` indexes the front end's table of token positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte; equal to `start` for a place between two characters.
    pub end: usize,
}

impl Span {
    /// The range `start..end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest range that holds both `self` and `other`.
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// The lines of `text` that `span` touches: each with the part of it that is covered, as a byte range in the line.
///
/// A span that is empty, or that reaches past the text, is clipped to the text, and so touches at least one line; a range
/// that does not fall on character boundaries is widened to them.
pub(crate) fn covered_lines(text: &str, span: Span) -> Vec<(&str, Range<usize>)> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let mut lines = Vec::new();
    let mut line_start = 0;
    for line in text.split('\n') {
        let line_end = line_start + line.len();
        if start <= line_end && (end > line_start || (lines.is_empty() && end >= line_start)) {
            let shown = line.strip_suffix('\r').unwrap_or(line);
            let from = start.saturating_sub(line_start).min(shown.len());
            let to = (end - line_start).clamp(from, shown.len());
            lines.push((shown, from..to));
        }
        line_start = line_end + 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_touched_by_a_span() {
        let text = "a+\nbb*\r\nc";
        assert_eq!(covered_lines(text, Span::new(0, 1)), [("a+", 0..1)]);
        assert_eq!(
            covered_lines(text, Span::new(1, 5)),
            [("a+", 1..2), ("bb*", 0..2)]
        );
        assert_eq!(
            covered_lines(text, Span::new(3, 9)),
            [("bb*", 0..3), ("c", 0..1)]
        );
        assert_eq!(covered_lines(text, Span::new(3, 3)), [("bb*", 0..0)]);
        assert_eq!(covered_lines(text, Span::new(9, 9)), [("c", 1..1)]);
        assert_eq!(covered_lines(text, Span::new(50, 60)), [("c", 1..1)]);
        assert_eq!(covered_lines("", Span::new(0, 0)), [("", 0..0)]);
        assert_eq!(covered_lines("é", Span::new(1, 1)), [("é", 0..2)]);
    }
}
