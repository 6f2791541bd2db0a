//! Code generation: a [`Program`] in, source text out.

mod cpu;
mod cuda;
mod schedule;

pub use cpu::{kernel, live};
pub use cuda::functions as cuda_functions;

use crate::stages::Program;

/// More statements than these take minutes to compile: the time grows with their square (2000 exponentials, 10 000 statements: two minutes).
const MOST_STATEMENTS: usize = 1 << 14;
/// With more loops than these, one behind the other, LLVM's analysis of them may run out of stack (it did with twice as many; 900 compile in 20 s).
const MOST_LOOPS: usize = 1 << 10;

/// A pair may keep as many numbers for itself, a vector of each: 32 MiB in the widest instruction set.
const MOST_STORED: usize = 1 << 19;

/// Checks that a program is short enough for the compilers that its text is for.
///
/// # Errors
/// A sentence, with how large it is and what helps.
pub fn check_size(program: &Program) -> Result<(), String> {
    let stages = [&program.params, &program.i, &program.j, &program.pair];
    let sizes = stages.map(|graph| schedule::count(&schedule::schedule(graph, false)));
    let [statements, loops] = sizes
        .iter()
        .fold([0, 0], |sum, size| [sum[0] + size[0], sum[1] + size[1]]);
    let (number, what, most) = if statements > MOST_STATEMENTS {
        (statements, "statements", MOST_STATEMENTS)
    } else if loops > MOST_LOOPS {
        (loops, "loops", MOST_LOOPS)
    } else {
        let stored = program.pair.stored();
        if stored > MOST_STORED {
            return Err(format!(
                "this formula keeps {stored} numbers for each pair, and at most {MOST_STORED} are possible (Jacobians and tensor products \
                 that others are made of are large)"
            ));
        }
        return Ok(());
    };
    Err(format!(
        "this formula takes {number} {what} for each pair, and more than {most} keep the compiler too long (derivatives of high order grow fast)"
    ))
}
