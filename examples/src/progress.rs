//! A line on stderr that says how far a program is.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use keops_solve::solve::IterationState;

/// A line that is overwritten as work goes on, on a terminal; elsewhere a new line now and then.
pub struct Progress {
    what: String,
    started: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Begins to report on `what`.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            started: Instant::now(),
            shown: None,
            terminal: stderr().is_terminal(),
        }
    }

    /// Shows where the work stands, unless it did so a moment ago.
    pub fn show(&mut self, state: impl Display) {
        let pause = Duration::from_millis(if self.terminal { 100 } else { 2000 });
        // What is done within the first pause needs no report.
        let last = self.shown.unwrap_or(self.started);
        if last.elapsed() < pause {
            return;
        }
        self.shown = Some(Instant::now());
        let (what, seconds) = (&self.what, self.started.elapsed().as_secs_f64());
        // Whoever closed stderr does not want to know.
        let _ = if self.terminal {
            write!(stderr(), "\r\x1b[K{what}: {state} ({seconds:.1} s)")
        } else {
            writeln!(stderr(), "{what}: {state} ({seconds:.1} s)")
        };
    }

    /// A callback for `on_iteration` that shows the iteration and the largest residual.
    pub fn into_callback(mut self) -> impl FnMut(&IterationState<'_>) -> ControlFlow<()> {
        move |state| {
            let residual = state.residuals.iter().copied().fold(0.0, f64::max);
            self.show(format_args!(
                "iteration {}, residual {residual:.1e}",
                state.iteration
            ));
            ControlFlow::Continue(())
        }
    }
}

/// Clears the line.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.shown.is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
