//! The solver against problems whose answers are known from elsewhere, and against everything that can go wrong.

mod data;
mod dependent;
mod determinant;
mod endings;
mod errors;
mod long;
mod operators;
mod path;
mod precision;
mod process;
mod real_data;
mod reference;
mod robustness;
mod several;
