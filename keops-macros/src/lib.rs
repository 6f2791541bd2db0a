//! The procedural macros of keops-solve.
//!
//! Use them through the crate `keops-solve`, whose `macro_rules!` of the same names put `$crate` in front of the user's
//! tokens. This crate turns tokens and spans into what the compiler ([`keops_compiler`]) takes, and its results into
//! tokens.

mod closure;
mod expand;
mod input;

use input::Macro;
use proc_macro::TokenStream;

/// The procedural part of `genred!`.
#[proc_macro]
pub fn genred(tokens: TokenStream) -> TokenStream {
    expand::expand(Macro::Genred, tokens.into()).into()
}

/// The procedural part of `kernel_solve!`.
#[proc_macro]
pub fn kernel_solve(tokens: TokenStream) -> TokenStream {
    expand::expand(Macro::KernelSolve, tokens.into()).into()
}

/// The procedural part of `lazy!`.
#[proc_macro]
pub fn lazy(tokens: TokenStream) -> TokenStream {
    expand::expand(Macro::Lazy, tokens.into()).into()
}
