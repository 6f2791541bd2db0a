//! The solver against problems whose answers are known from elsewhere, and against everything that can go wrong.

mod determinant;
mod operators;
mod path;
mod precision;
mod process;
mod reference;
mod robustness;
