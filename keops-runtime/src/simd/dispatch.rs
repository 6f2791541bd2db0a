//! The choice of the instruction set, at run time.

use core::fmt;
use core::str::FromStr;
use std::sync::OnceLock;

use super::{Real, Simd};

/// The environment variable that overrides the detected instruction set.
const VARIABLE: &str = "KEOPS_ISA";

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstructionSet {
    /// x86-64 with AVX-512 F, DQ, BW, VL and FMA.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// What every processor of the compilation target has.
    Portable,
}

/// Why an instruction set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstructionSetError {
    /// The name is none of `avx512`, `avx2`, `portable`.
    #[error("unknown instruction set `{0}`: expected avx512, avx2 or portable")]
    Unknown(String),
    /// The processor does not have it.
    #[error("the instruction set {0} is not available on this processor")]
    Unavailable(InstructionSet),
}

impl InstructionSet {
    /// All instruction sets, best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether the running processor has it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// This one where the running processor has it. Never inlined: it would be compiled with every kernel.
    #[inline(never)]
    pub(crate) fn usable(self) -> Self {
        if self.is_available() {
            self
        } else {
            Self::Portable
        }
    }

    /// Those that the running processor has, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The best that the running processor has.
    pub fn detected() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    /// The one that the environment variable `KEOPS_ISA` names, or [`InstructionSet::detected`] where it is not set.
    /// The variable is read once per process.
    ///
    /// # Errors
    ///
    /// If the variable names no instruction set, or one that the processor does not have.
    pub fn from_environment() -> Result<Self, InstructionSetError> {
        static CHOICE: OnceLock<Result<InstructionSet, InstructionSetError>> = OnceLock::new();
        CHOICE
            .get_or_init(|| match std::env::var_os(VARIABLE) {
                None => Ok(Self::detected()),
                Some(name) => {
                    let isa: Self = name.to_string_lossy().parse()?;
                    isa.is_available()
                        .then_some(isa)
                        .ok_or(InstructionSetError::Unavailable(isa))
                }
            })
            .clone()
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

impl FromStr for InstructionSet {
    type Err = InstructionSetError;

    /// Reads `avx512`, `avx2` or `portable`, in any case.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|isa| name.eq_ignore_ascii_case(&isa.to_string()))
            .ok_or_else(|| InstructionSetError::Unknown(name.to_owned()))
    }
}

/// A computation written once for all instruction sets.
pub trait WithSimd<T: Real> {
    /// What it returns.
    type Output;
    /// Runs the computation. Implementations are `#[inline(always)]`: only what is inlined into [`dispatch`] is
    /// compiled for the instruction set.
    fn with<S: Simd<T = T>>(self, s: S) -> Self::Output;
}

/// Runs `work` compiled for `isa`, or for [`InstructionSet::Portable`] where the processor does not have it.
#[inline]
pub fn dispatch<T: Real, W: WithSimd<T>>(isa: InstructionSet, work: W) -> W::Output {
    // SAFETY: the instruction set has just been detected.
    unsafe { run_on(isa.usable(), work) }
}

/// Runs `work` compiled for `isa`.
///
/// # Safety
///
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn run_on<T: Real, W: WithSimd<T>>(isa: InstructionSet, work: W) -> W::Output {
    match isa {
        // SAFETY: the caller vouches for the features of the callee.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx512 => unsafe { avx512::run(work) },
        // SAFETY: the caller vouches for the features of the callee.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::Avx2 => unsafe { avx2::run(work) },
        _ => portable::run(work),
    }
}

/// Runs `work` in a function of its own.
///
/// This one has no instruction set: rustc (1.95) does not tell LLVM not to inline a function that has one, but LLVM does not inline it
/// into a function that has none.
#[inline(never)]
pub(super) fn run_apart<S: Simd, W: WithSimd<S::T>>(_: S, work: W) -> W::Output {
    // SAFETY: the token proves the instruction set.
    unsafe { run_on(S::SET, work) }
}

// Each a function of its own: inlined into its callers, the largest part of a kernel's code would be optimised once more with every one of them. And each in a
// module of its own, because rustc makes a unit of what is in a module, and compiles units at the same time: in one module, all kernels of a crate would be
// compiled one after the other.

mod portable {
    use super::{Real, Simd, WithSimd};

    #[inline(never)]
    pub(super) fn run<T: Real, W: WithSimd<T>>(work: W) -> W::Output {
        // SAFETY: the portable token needs no instruction set.
        work.with(unsafe { T::Portable::assume_available() })
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Real, Simd, WithSimd};

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
    pub(super) fn run<T: Real, W: WithSimd<T>>(work: W) -> W::Output {
        // SAFETY: the caller had to establish the features of this function.
        work.with(unsafe { T::Avx512::assume_available() })
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Real, Simd, WithSimd};

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run<T: Real, W: WithSimd<T>>(work: W) -> W::Output {
        // SAFETY: the caller had to establish the features of this function.
        work.with(unsafe { T::Avx2::assume_available() })
    }
}
