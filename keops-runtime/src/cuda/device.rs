//! Devices, their memory, and the kernels that have been loaded.

use core::ffi::{CStr, c_void};
use core::fmt;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::{CudaContext, CudaStream, DriverError, result, sys};

use super::cache::Cache;
use super::compile::Compiler;
use super::recipe::Recipe;
use super::unavailable;
use crate::Error;

/// A device with its primary context, which lives as long as the process.
pub struct Device {
    ordinal: usize,
    context: sys::CUcontext,
    /// The compute capability, such as 90.
    architecture: u32,
    /// Multiprocessors.
    pub(super) processors: usize,
    /// Whether memory comes from a pool of the driver's, which takes no synchronisation.
    pools: bool,
    /// Each is compiled once, by the first thread that needs it, while the others that do wait.
    modules: Mutex<HashMap<Recipe<'static>, Arc<OnceLock<Result<Module, Error>>>>>,
    /// The kernels of fixed sources, by [`Fixed`].
    fixed: [OnceLock<Result<Vec<Function>, Error>>; 2],
    /// The default stream, on which all work is queued, as those know it who keep the order between streams.
    stream: OnceLock<Result<Arc<CudaStream>, Error>>,
}

/// Kernels whose source depends on no formula.
#[derive(Clone, Copy)]
pub(super) enum Fixed {
    /// Those for the vectors of solves.
    Vectors,
    /// Those for copies of arrays.
    Arrays,
}

// SAFETY: a context may be current to several threads at once, and the driver serialises what has to be.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cuda({}), sm_{}", self.ordinal, self.architecture)
    }
}

/// The kernels of a recipe, loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module {
    pub(super) reduce: Function,
    pub(super) merge: Function,
}

/// A kernel, loaded. It stays so as long as the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function(pub(super) sys::CUfunction);

// SAFETY: functions are handles that any thread may launch.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

/// An error of the driver.
pub(super) fn failed(what: &str, error: DriverError) -> Error {
    unavailable(format!("{what}: {error:?}"))
}

/// The number of devices.
fn count() -> Result<usize, Error> {
    static COUNT: OnceLock<Result<usize, Error>> = OnceLock::new();
    let found = COUNT.get_or_init(|| {
        // SAFETY: loading the library runs its initialisation, which asks for nothing.
        if !unsafe { sys::is_culib_present() } {
            return Err(unavailable(
                "no CUDA driver was found on this machine (libcuda.so); install NVIDIA's driver, or use Backend::Cpu".into(),
            ));
        }
        // A stub of the driver, as containers have it, lacks functions, which makes the bindings panic.
        let asked = catch_unwind(|| {
            result::init()?;
            result::device::get_count()
        });
        match asked {
            Ok(Ok(count)) if count > 0 => Ok(usize::try_from(count).unwrap_or(0)),
            Ok(Ok(_)) | Ok(Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE))) => {
                Err(unavailable("the CUDA driver finds no device on this machine".into()))
            }
            Ok(Err(error)) => Err(failed("the CUDA driver does not start", error)),
            Err(_) => Err(unavailable("the CUDA driver is incomplete (a stub?)".into())),
        }
    });
    found.clone()
}

impl Device {
    /// The device of this index.
    ///
    /// # Errors
    /// [`Error::Backend`], which says what is missing.
    pub fn get(ordinal: usize) -> Result<&'static Self, Error> {
        static DEVICES: OnceLock<Vec<OnceLock<Result<Device, Error>>>> = OnceLock::new();
        let count = count()?;
        let devices = DEVICES.get_or_init(|| (0..count).map(|_| OnceLock::new()).collect());
        let device = devices.get(ordinal).ok_or_else(|| {
            unavailable(format!(
                "this machine has {count} CUDA devices, from 0, and no device {ordinal}"
            ))
        })?;
        let device = device.get_or_init(|| Self::open(ordinal));
        device.as_ref().map_err(Clone::clone)
    }

    fn open(ordinal: usize) -> Result<Self, Error> {
        use sys::CUdevice_attribute as Attribute;
        // Without a compiler there is no use for the device.
        let compiler = Compiler::get()?;
        let mut supported = 0;
        // SAFETY: the driver is initialised, and the pointer is to a variable of the right type.
        unsafe { sys::cuDriverGetVersion(&mut supported) }
            .result()
            .map_err(|error| failed("the version of the driver", error))?;
        if compiler.major() > supported / 1000 {
            let (major, minor) = (supported / 1000, supported % 1000 / 10);
            return Err(unavailable(format!(
                "the driver supports CUDA {major}.{minor}, and NVRTC is of version {}; update the driver, or set KEOPS_NVRTC \
                 to the library of CUDA {major} (`pip install nvidia-cuda-nvrtc-cu{major}`)",
                compiler.version()
            )));
        }
        let number = i32::try_from(ordinal).unwrap_or(i32::MAX);
        let device = result::device::get(number).map_err(|error| failed("the device", error))?;
        // SAFETY: the device comes from the driver.
        let attribute = |which| unsafe { result::device::get_attribute(device, which) };
        let [major, minor, processors, pools] = [
            Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
            Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED,
        ]
        .map(attribute);
        let known = |value: Result<i32, DriverError>| match value {
            Ok(value) => Ok(value.unsigned_abs()),
            Err(error) => Err(failed("the device's attributes", error)),
        };
        // SAFETY: the device comes from the driver.
        let context = unsafe { result::primary_ctx::retain(device) };
        Ok(Self {
            ordinal,
            context: context.map_err(|error| failed("the device's context", error))?,
            architecture: 10 * known(major)? + known(minor)?,
            processors: known(processors)? as usize,
            pools: known(pools)? != 0 && keep_freed_memory(device).is_ok(),
            modules: Mutex::default(),
            fixed: Default::default(),
            stream: OnceLock::new(),
        })
    }

    /// The number of the device, from 0.
    pub(super) fn ordinal(&self) -> usize {
        self.ordinal
    }

    /// Makes the device the one that the calls of this thread go to.
    pub(super) fn enter(&self) -> Result<(), Error> {
        // SAFETY: the context lives as long as the process.
        unsafe { result::ctx::set_current(self.context) }
            .map_err(|error| failed("the device's context", error))
    }

    /// The kernels of a recipe, compiled at their first use.
    pub(super) fn module(&self, recipe: &Recipe<'static>) -> Result<Module, Error> {
        let entry = {
            let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(modules.entry(*recipe).or_default())
        };
        let load = || {
            let found = self.load(&recipe.source(), &recipe.reduction.kernels())?;
            match found[..] {
                [reduce, merge] => Ok(Module { reduce, merge }),
                _ => Err(unavailable("a kernel lacks a function".into())),
            }
        };
        entry.get_or_init(load).clone()
    }

    /// The kernels of a fixed source, which is made and compiled at their first use.
    pub(super) fn fixed_kernels(
        &self,
        of: Fixed,
        source: fn() -> String,
        names: &[&CStr],
    ) -> Result<&[Function], Error> {
        let kernels = self.fixed[of as usize].get_or_init(|| self.load(&source(), names));
        kernels.as_deref().map_err(Error::clone)
    }

    /// The default stream of the primary context.
    pub(super) fn stream(&self) -> Result<Arc<CudaStream>, Error> {
        let open = || match CudaContext::new(self.ordinal) {
            Ok(context) => Ok(context.default_stream()),
            Err(error) => Err(failed("the device's context", error)),
        };
        self.stream.get_or_init(open).clone()
    }

    /// Whether this is the context that all work is done in.
    pub(super) fn is_context(&self, context: sys::CUcontext) -> bool {
        self.context == context
    }

    fn load(&self, source: &str, names: &[&CStr]) -> Result<Vec<Function>, Error> {
        let compiler = Compiler::get()?;
        let architecture = compiler.architecture(self.architecture)?;
        let key = format!("{}\n{source}", compiler.circumstances(architecture));
        let cache = Cache::new();
        let kept = cache.read(&key);
        if let Some(functions) = kept.and_then(|cubin| Self::link(&cubin, names).ok()) {
            return Ok(functions);
        }
        let binary = compiler.compile(source, architecture, &[])?;
        cache.write(&key, &binary.cubin);
        Self::link(&binary.cubin, names)
    }

    fn link(cubin: &[u8], names: &[&CStr]) -> Result<Vec<Function>, Error> {
        // SAFETY: the image is one that the compiler made, whole; the module is never unloaded.
        let module = unsafe { result::module::load_data(cubin.as_ptr().cast::<c_void>()) }
            .map_err(|error| failed("loading a kernel", error))?;
        let function = |&name: &&CStr| {
            // SAFETY: the module is loaded.
            unsafe { result::module::get_function(module, name.to_owned()) }
                .map(Function)
                .map_err(|error| failed("a kernel's function", error))
        };
        names.iter().map(function).collect()
    }
}

/// Bytes of freed memory that the driver's pool keeps for the next call instead of giving them back, which would wait for the device.
const KEPT_BYTES: u64 = 1 << 30;

/// Makes the pool of a device keep freed memory.
fn keep_freed_memory(device: sys::CUdevice) -> Result<(), DriverError> {
    let mut pool = core::ptr::null_mut();
    let mut bytes = KEPT_BYTES;
    // SAFETY: the device comes from the driver, and the pointers are to variables of the types that the driver reads and writes.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&mut pool, device).result()?;
        let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut bytes).cast::<c_void>()).result()
    }
}

/// Memory of a device.
#[derive(Debug)]
pub struct Buffer {
    address: sys::CUdeviceptr,
    context: sys::CUcontext,
    owner: Owner,
}

/// Whose memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Ours, from the pool of the device.
    Pool,
    /// Ours, from the driver.
    Driver,
    /// The user's.
    User,
}

// SAFETY: memory is a number that any thread may pass to the driver, and a context may be current to several threads.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Device {
    /// Memory for so many bytes.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] if there is not so much.
    pub(super) fn buffer(&self, bytes: usize) -> Result<Buffer, Error> {
        let buffer = |address| Buffer {
            address,
            context: self.context,
            owner: if self.pools {
                Owner::Pool
            } else {
                Owner::Driver
            },
        };
        if bytes == 0 {
            return Ok(buffer(0));
        }
        self.enter()?;
        // SAFETY: the context is current, and the memory is freed once, when it is dropped.
        let allocated = unsafe {
            if self.pools {
                result::malloc_async(core::ptr::null_mut(), bytes)
            } else {
                result::malloc_sync(bytes)
            }
        };
        match allocated {
            Ok(address) => Ok(buffer(address)),
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let free = result::mem_get_info().map_or(0, |(free, _)| free);
                Err(Error::DeviceMemory { bytes, free })
            }
            Err(error) => Err(failed("device memory", error)),
        }
    }

    /// Memory of the user's, who keeps it for as long as it is used.
    pub(super) fn foreign(&self, address: u64) -> Buffer {
        Buffer {
            address,
            context: self.context,
            owner: Owner::User,
        }
    }

    /// Memory that holds these values.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] if there is not so much.
    pub fn upload<T: Copy>(&self, values: &[T]) -> Result<Buffer, Error> {
        let buffer = self.buffer(size_of_val(values))?;
        buffer.write(values)?;
        Ok(buffer)
    }
}

impl Buffer {
    /// Writes a slice, of at most as many bytes as the memory has, to it. Its context is current.
    pub(super) fn write<T: Copy>(&self, values: &[T]) -> Result<(), Error> {
        if size_of_val(values) == 0 {
            return Ok(());
        }
        // SAFETY: the memory is at least as long as the slice.
        unsafe { result::memcpy_htod_sync(self.address, values) }
            .map_err(|error| failed("copying to the device", error))
    }

    /// Copies so many bytes, of which both have as many, from other memory of the device. Its context is current.
    pub(super) fn copy(&self, other: &Self, bytes: usize) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the memory of both is at least as long.
        unsafe {
            result::memcpy_dtod_async(self.address, other.address, bytes, core::ptr::null_mut())
        }
        .map_err(|error| failed("copying on the device", error))
    }

    /// Fills a slice, of at most as many bytes as the memory has, from it.
    pub(super) fn read<T: Copy>(&self, values: &mut [T]) -> Result<(), Error> {
        if size_of_val(values) == 0 {
            return Ok(());
        }
        // SAFETY: the memory is at least as long as the slice.
        unsafe { result::memcpy_dtoh_sync(values, self.address) }
            .map_err(|error| failed("copying from the device", error))
    }

    /// The address, as an argument of a kernel.
    pub(super) fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.address == 0 || self.owner == Owner::User {
            return;
        }
        // SAFETY: the context lives as long as the process, the memory was allocated in it and is not used again: what the stream
        // still has to do with it comes before. There is nothing to be done about an error.
        unsafe {
            let _ = result::ctx::set_current(self.context);
            let _ = if self.owner == Owner::Pool {
                result::free_async(self.address, core::ptr::null_mut())
            } else {
                result::free_sync(self.address)
            };
        }
    }
}
