//! Kernels for CUDA, without a device: their sources are compiled as C++ and run on the processor, thread by thread and barrier
//! by barrier, and are compiled by NVIDIA's compiler.

mod arrays;
mod conformance;
mod driver;
mod host;
mod loops;
mod nvrtc;
mod process;
mod resident_solves;
mod schemes;
mod solves;
mod vectors;
