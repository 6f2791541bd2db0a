//! The driver for CUDA devices.
//!
//! A reduction is two kernels in one source, assembled from the text that the macro made of the formula and from the files in
//! `kernels/` (`source.rs`). NVIDIA's compiler library, loaded when it is first needed, makes a binary of it for the device at hand
//! ([`compile`]), which is kept in the process and on disk. Nothing here is generic over the formula.
//!
//! The features of parameters are computed on the host, those of rows and columns on the device: rows by the thread that owns them,
//! columns by the block that shares them, tile by tile.

#[cfg(feature = "cuda")]
mod cache;
#[cfg(feature = "cuda")]
pub mod compile;
#[cfg(feature = "cuda")]
mod device;
#[cfg(feature = "cuda")]
mod launch;
pub mod layout;
#[cfg(feature = "cuda")]
mod mirror;
pub mod recipe;
mod source;
#[cfg(feature = "cuda")]
mod spans;

#[cfg(not(feature = "cuda"))]
mod absent;
#[cfg(feature = "cuda")]
mod reduce;

#[cfg(not(feature = "cuda"))]
pub(crate) use absent::{Device, Uploads};
#[cfg(feature = "cuda")]
pub use device::{Buffer, Device};
#[cfg(feature = "cuda")]
pub use launch::Launch;
#[cfg(feature = "cuda")]
pub(crate) use reduce::Uploads;

use crate::Error;

/// That the backend cannot run, and why not.
fn unavailable(reason: String) -> Error {
    Error::Backend {
        backend: "Cuda".into(),
        reason,
    }
}
