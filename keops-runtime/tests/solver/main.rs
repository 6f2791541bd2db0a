//! The solver against problems whose answers are known from elsewhere, and against everything that can go wrong.

mod operators;
mod precision;
mod reference;
mod robustness;
