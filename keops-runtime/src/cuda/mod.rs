//! The driver for CUDA devices.
//!
//! A reduction is two kernels in one source, assembled from the text that the macro made of the formula and from the files in
//! `kernels/` (`source.rs`). NVIDIA's compiler library, loaded when it is first needed, makes a binary of it for the device at hand
//! ([`compile`]), which is kept in the process and on disk. Nothing here is generic over the formula.
//!
//! The features of parameters are computed on the host, those of rows and columns on the device: rows by the thread that owns them,
//! columns by the block that shares them, tile by tile.
//!
//! The vectors of a solve stay in the memory of the device ([`Memory`]): products read and write them there, and a fixed source of kernels has the
//! operations between products (`kernels/vectors.cu`).

#[cfg(feature = "cuda")]
mod arrays;
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
mod memory;
#[cfg(feature = "cuda")]
mod mirror;
#[cfg(feature = "cuda")]
mod product;
pub mod recipe;
#[cfg(feature = "cuda")]
mod resident;
#[cfg(feature = "cuda")]
mod results;
mod source;
#[cfg(feature = "cuda")]
mod spans;
mod terms;
#[cfg(feature = "cuda")]
mod vector_source;
#[cfg(feature = "cuda")]
mod vectors;

#[cfg(not(feature = "cuda"))]
mod absent;
#[cfg(feature = "cuda")]
mod reduce;

#[cfg(not(feature = "cuda"))]
pub(crate) use absent::{
    AddProduct, Device, Memory, Products, Requested, Resident, ResidentSelection, Strided, Sum,
    Uploads, Vectors,
};
#[cfg(feature = "cuda")]
pub(crate) use arrays::Matrix;
#[cfg(feature = "cuda")]
pub use arrays::source as array_source;
#[cfg(feature = "cuda")]
pub use device::{Buffer, Device};
#[cfg(feature = "cuda")]
pub use launch::Launch;
#[cfg(feature = "cuda")]
pub use memory::{Memory, Requested, Vectors};
#[cfg(feature = "cuda")]
pub(crate) use product::Products;
#[cfg(feature = "cuda")]
pub(crate) use reduce::Uploads;
#[cfg(feature = "cuda")]
pub use resident::device_context;
#[cfg(feature = "cuda")]
pub(crate) use resident::{Resident, ResidentSelection};
#[cfg(feature = "cuda")]
pub use results::{DeviceElement, ResidentCall};
#[cfg(feature = "cuda")]
pub(crate) use results::{Lent, ResidentProduct, copied, copying};
#[cfg(feature = "cuda")]
pub use vector_source::source as vector_source;
#[cfg(feature = "cuda")]
pub use vectors::{AddProduct, Strided, Sum};

pub use terms::{Rule, Term};

use crate::Error;

/// Rows of a small system that a device solves together.
pub(crate) const PANEL: usize = 32;

/// That the backend cannot run, and why not.
fn unavailable(reason: String) -> Error {
    Error::Backend {
        backend: "Cuda".into(),
        reason,
    }
}
