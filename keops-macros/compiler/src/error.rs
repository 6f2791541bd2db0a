//! Errors of the compiler, and how they are shown to the author of a formula.

use std::fmt;

use crate::source::{Span, covered_lines};

/// What is wrong with a formula, and where.
///
/// The message is one line without position; [`render`](Self::render) draws the place under the text of the formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    span: Span,
    message: String,
    help: Option<String>,
    about: Subject,
}

/// What an error is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The formula, at the span of the error.
    Formula,
    /// The name that the caller gave for the unknown of a system.
    Unknown,
}

impl Error {
    /// An error at `span`. The message says what was expected and what stands there, in one line without a full stop.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
            about: Subject::Formula,
        }
    }

    /// The same error, about something else than the formula.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.about = subject;
        self
    }

    /// What the error is about.
    pub fn subject(&self) -> Subject {
        self.about
    }

    /// The same error with a line that says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error with the help line `did you mean ...?`, if there is a suggestion (from
    /// [`closest`](crate::suggest::closest)).
    #[must_use]
    pub fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Where the error is.
    pub fn span(&self) -> Span {
        self.span
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The error with its place marked in the text of the formula:
    ///
    /// ```text
    /// unknown operation `SqDost`
    ///     Exp(-g*SqDost(x,y))*b
    ///            ^^^^^^
    ///   help: did you mean `SqDist`?
    /// ```
    ///
    /// Of a formula of several lines, those that the error touches are shown.
    pub fn render(&self, formula: &str) -> String {
        let lines = covered_lines(formula, self.span);
        let indentation = |line: &str| line.len() - line.trim_start().len();
        // An indented raw string is shown from where its text begins; a blank line has no say in that.
        let margin = lines
            .iter()
            .filter(|(line, _)| !line.trim().is_empty())
            .map(|(line, _)| indentation(line))
            .min()
            .unwrap_or(0);

        let mut text = self.message.clone();
        for (line, covered) in lines {
            let from = margin.min(line.len());
            // Where the span runs over a line break, the indentation of the next line is not what is meant.
            let skipped = indentation(&line[covered.clone()]);
            let start = if skipped < covered.len() {
                covered.start + skipped
            } else {
                covered.start
            };
            let pad: String = line
                .get(from..start)
                .unwrap_or_default()
                .chars()
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let carets = "^".repeat(line[start..covered.end].chars().count().max(1));
            text.push_str(&format!("\n    {}\n    {pad}{carets}", &line[from..]));
        }
        if let Some(help) = &self.help {
            text.push_str("\n  help: ");
            text.push_str(help);
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(formula: &str, start: usize, end: usize) -> String {
        Error::new(Span::new(start, end), "message").render(formula)
    }

    #[test]
    fn one_line() {
        let error = Error::new(Span::new(7, 13), "unknown operation `SqDost`");
        let expected = "\
unknown operation `SqDost`
    Exp(-g*SqDost(x,y))*b
           ^^^^^^
  help: did you mean `SqDist`?";
        assert_eq!(
            error
                .did_you_mean(Some("SqDist"))
                .render("Exp(-g*SqDost(x,y))*b"),
            expected
        );
    }

    #[test]
    fn empty_spans_and_the_end() {
        assert_eq!(render("", 0, 0), "message\n    \n    ^");
        assert_eq!(render("x+", 2, 2), "message\n    x+\n      ^");
        assert_eq!(render("x+", 9, 12), "message\n    x+\n      ^");
        assert_eq!(render("x+\n", 3, 3), "message\n    \n    ^");
    }

    #[test]
    fn characters_not_bytes() {
        assert_eq!(render("σ*µ+x", 3, 5), "message\n    σ*µ+x\n      ^");
        assert_eq!(render("\tx*y", 1, 2), "message\n    x*y\n    ^");
        assert_eq!(render("x\t*y", 2, 3), "message\n    x\t*y\n     \t^");
    }

    #[test]
    fn several_lines() {
        let formula = "Exp(\n      -g\n    * x\n)";
        assert_eq!(render(formula, 11, 13), "message\n    -g\n    ^^");
        let expected = "message\n      -g\n      ^^\n    * x\n    ^^^";
        assert_eq!(render(formula, 11, 21), expected);
    }
}
