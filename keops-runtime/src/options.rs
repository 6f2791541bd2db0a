//! How a reduction is to be carried out: the options between `bind` and `run`.

use crate::Error;
use crate::cpu::Problem;
use crate::cuda::{Device, Resident};
use crate::ranges::{Pattern, Ranges};
use crate::signature::Sizes;
use crate::simd::{InstructionSet, InstructionSetError};
#[cfg(feature = "cuda")]
use cudarc::driver::CudaStream;
use std::sync::Arc;

/// The hardware that evaluates the formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A CUDA device, the first one, where there is one and the work is worth it; otherwise the processor. With arrays on a device, that device.
    #[default]
    Auto,
    /// The processor, all threads of the current rayon pool.
    Cpu,
    /// The CUDA device of this index. Where it cannot be used, running is an [`Error::Backend`] that says what is missing.
    Cuda(usize),
}

/// The type in which the terms of a sum are accumulated (KeOps' `dtype_acc` and `use_double_acc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accumulate {
    /// The type in which the formula is evaluated, except where blocks are added, whose accumulators are `f64`: with one addition for 256 terms
    /// that costs nothing.
    #[default]
    Same,
    /// `f32`.
    F32,
    /// `f64`.
    F64,
}

/// The order and care with which the terms of a sum are added (KeOps' `sum_scheme`). Reductions that add nothing, such as `Min`, do the same whatever it is.
///
/// With unit roundoff `u` and `n` terms, the worst case relative error of a sum of positive terms is about `n u` for
/// [`Direct`](SumScheme::Direct), `256 u` for [`Block`](SumScheme::Block) (`(256 + n / 256) u` with accumulators of the type of the terms) and `2 u` for
/// [`Kahan`](SumScheme::Kahan) (Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SumScheme {
    /// The scheme with the best balance: [`SumScheme::Block`].
    #[default]
    Auto,
    /// Every term is added to an accumulator of the type that [`Accumulate`] names. With few rows and much work there is one for each of several parts of the
    /// columns, cut by the shape of the problem alone, whose sums are added in the end.
    Direct,
    /// At most 256 terms are added in the type of the formula, then their sum to an accumulator of the type that
    /// [`Accumulate`] names. As fast as `Direct`.
    Block,
    /// Every addition is compensated (Kahan 1965). Several times slower than `Block`, as is `Direct` with an accumulator
    /// of another type than the terms.
    Kahan,
}

/// All options of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// The hardware.
    pub backend: Backend,
    /// The type of the accumulator.
    pub accumulate: Accumulate,
    /// The scheme of summation.
    pub sum_scheme: SumScheme,
    /// The instruction set; `None` is the one that the environment variable `KEOPS_ISA` names (`avx512`, `avx2` or
    /// `portable`), or else the best that the processor has.
    pub instruction_set: Option<InstructionSet>,
    /// The pairs that a block-sparse reduction takes; `None` are all.
    pub ranges: Option<Ranges>,
}

impl CallOptions {
    /// Which columns each row is reduced over, if not all.
    ///
    /// # Errors
    /// [`Error::Ranges`] if the ranges speak of points that there are not.
    pub(crate) fn pattern(&self, axis: usize, sizes: Sizes) -> Result<Option<Arc<Pattern>>, Error> {
        let ranges = self.ranges.as_ref();
        ranges.map(|ranges| ranges.half(axis, sizes)).transpose()
    }

    /// The hardware to use.
    ///
    /// # Errors
    /// [`Error::Backend`] if a device is asked for that cannot be used, [`Error::InstructionSet`] if the option or the environment names an
    /// instruction set that cannot be used.
    pub(crate) fn resolve(&self) -> Result<Hardware, Error> {
        if let Backend::Cuda(device) = self.backend {
            Device::get(device).map_err(|error| match error {
                Error::Backend { reason, .. } => Error::Backend {
                    backend: format!("Cuda({device})"),
                    reason,
                },
                other => other,
            })?;
        }
        Ok(Hardware {
            isa: self.isa()?,
            backend: self.backend,
        })
    }

    fn isa(&self) -> Result<InstructionSet, Error> {
        let Some(requested) = self.instruction_set else {
            return InstructionSet::from_environment().map_err(|source| Error::InstructionSet {
                origin: "KEOPS_ISA",
                source,
            });
        };
        if requested.is_available() {
            Ok(requested)
        } else {
            Err(Error::InstructionSet {
                origin: "instruction_set",
                source: InstructionSetError::Unavailable(requested),
            })
        }
    }
}

/// Where reductions run.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Hardware {
    /// The instruction set of what runs on the processor.
    pub(crate) isa: InstructionSet,
    backend: Backend,
}

/// From so many instructions (per pair, not per vector of pairs) on a device is worth the way of the arrays: a Gaussian product of 1000 points took an H200 0.11 ms and 16 cores
/// 0.2 to 0.4 ms.
const DEVICE_WORK: u128 = 1 << 24;

impl Hardware {
    /// The processor, even where a device is chosen.
    pub(crate) fn processor(self) -> Self {
        Hardware {
            backend: Backend::Cpu,
            ..self
        }
    }

    /// The same where an array is on a device.
    ///
    /// # Errors
    /// [`Error::Backend`] if other hardware is chosen, or the array is not where reductions on the device can read it.
    pub(crate) fn with_resident(self, name: &str, array: &Resident<'_>) -> Result<Self, Error> {
        let ordinal = array.ordinal();
        let refused = |backend: String, reason: String| Error::Backend {
            backend,
            reason: format!("{name}: {reason}"),
        };
        let elsewhere = || format!("the array is in the memory of the CUDA device {ordinal}");
        match self.backend {
            Backend::Cpu => return Err(refused("Cpu".into(), elsewhere())),
            Backend::Cuda(chosen) if chosen != ordinal => {
                return Err(refused(format!("Cuda({chosen})"), elsewhere()));
            }
            Backend::Cuda(_) | Backend::Auto => {}
        }
        let usable = Device::get(ordinal).and_then(|device| device.check_resident(array));
        usable.map_err(|error| match error {
            Error::Backend { reason, .. } => refused(format!("Cuda({ordinal})"), reason),
            other => other,
        })?;
        Ok(Hardware {
            backend: Backend::Cuda(ordinal),
            ..self
        })
    }

    /// The same for results that stay on the device of a stream, which is returned too.
    ///
    /// # Errors
    /// [`Error::Backend`] if other hardware is chosen, or the stream is not of the context that reductions run in.
    #[cfg(feature = "cuda")]
    pub(crate) fn with_stream(self, stream: &CudaStream) -> Result<(Self, &'static Device), Error> {
        let ordinal = stream.context().ordinal();
        let refused = |backend: String, reason: String| Error::Backend { backend, reason };
        let elsewhere =
            || format!("the result is to stay on the CUDA device {ordinal}, that of the stream");
        match self.backend {
            Backend::Cpu => return Err(refused("Cpu".into(), elsewhere())),
            Backend::Cuda(chosen) if chosen != ordinal => {
                return Err(refused(format!("Cuda({chosen})"), elsewhere()));
            }
            Backend::Cuda(_) | Backend::Auto => {}
        }
        let device = Device::get(ordinal)?;
        device.check_context(stream.context())?;
        let hardware = Hardware {
            backend: Backend::Cuda(ordinal),
            ..self
        };
        Ok((hardware, device))
    }

    /// The device that arrays are on, which is the one that is used.
    ///
    /// # Errors
    /// [`Error::Backend`] if none is.
    pub(crate) fn resident(self) -> Result<&'static Device, Error> {
        match self.backend {
            Backend::Cuda(ordinal) => Device::get(ordinal),
            Backend::Auto | Backend::Cpu => Device::get(0),
        }
    }

    /// The device that reductions of terms of so many instructions go to, if any, and whether that is a free choice.
    pub(crate) fn device(
        self,
        problem: &Problem<'_>,
        cost: usize,
    ) -> Option<(&'static Device, bool)> {
        let (ordinal, free) = match self.backend {
            Backend::Cuda(ordinal) => (ordinal, false),
            Backend::Auto if self.has_device(problem, cost) => (0, true),
            Backend::Cpu | Backend::Auto => return None,
        };
        Some((Device::get(ordinal).ok()?, free))
    }

    /// Whether the reduction of terms of so many instructions goes to a device.
    pub(crate) fn has_device(self, problem: &Problem<'_>, cost: usize) -> bool {
        match self.backend {
            Backend::Cpu => false,
            Backend::Cuda(_) => true,
            Backend::Auto => {
                let worth = problem.pairs().saturating_mul(cost as u128) >= DEVICE_WORK;
                worth && Device::get(0).is_ok()
            }
        }
    }

    /// Runs a reduction of terms of so many instructions on a device, if that is the choice, and tells whether it was. Where the choice is free, a
    /// device that fails, for want of memory for example, leaves the work to the processor.
    pub(crate) fn on_device(
        self,
        problem: &Problem<'_>,
        cost: usize,
        run: &mut dyn FnMut(&Device) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        match self.backend {
            Backend::Cpu => Ok(false),
            Backend::Cuda(device) => run(Device::get(device)?).map(|()| true),
            Backend::Auto if self.has_device(problem, cost) => {
                Ok(Device::get(0).is_ok_and(|device| run(device).is_ok()))
            }
            Backend::Auto => Ok(false),
        }
    }
}

/// The option methods that every bound formula has, on a type with a field `options: CallOptions`.
macro_rules! option_methods {
    () => {
        /// Chooses the hardware.
        pub fn backend(mut self, backend: $crate::Backend) -> Self {
            self.options.backend = backend;
            self
        }

        /// Chooses the type in which sums are accumulated.
        pub fn accumulate(mut self, accumulate: $crate::Accumulate) -> Self {
            self.options.accumulate = accumulate;
            self
        }

        /// Chooses the scheme of summation.
        pub fn sum_scheme(mut self, scheme: $crate::SumScheme) -> Self {
            self.options.sum_scheme = scheme;
            self
        }

        /// Restricts reductions and products to some pairs of points.
        pub fn ranges(mut self, ranges: &$crate::Ranges) -> Self {
            self.options.ranges = Some(ranges.clone());
            self
        }

        /// Chooses the instruction set of the processor, instead of the best it has.
        pub fn instruction_set(mut self, isa: $crate::simd::InstructionSet) -> Self {
            self.options.instruction_set = Some(isa);
            self
        }
    };
}
pub(crate) use option_methods;
