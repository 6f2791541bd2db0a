//! From source to a binary, by NVIDIA's compiler library NVRTC.

use core::ffi::{c_char, c_int};
use std::ffi::CString;
use std::panic::catch_unwind;
use std::sync::OnceLock;

use cudarc::nvrtc::{result, sys};

use super::unavailable;
use crate::Error;

/// How to get the library; the end of errors.
const REMEDY: &str = "install it with `pip install nvidia-cuda-nvrtc` (the version of your driver's CUDA) and set \
                      KEOPS_NVRTC=/path/to/libnvrtc.so, or put the library of a CUDA toolkit on the search path";

/// Multiply-adds are fused where the formula says so and nowhere else, as on the processor.
const OPTIONS: [&str; 2] = ["--fmad=false", "--diag-suppress=177"];

/// The compiler library.
#[derive(Debug)]
pub struct Compiler {
    /// Major and minor version.
    version: (c_int, c_int),
    /// The architectures that it compiles for, such as 90, in ascending order.
    architectures: Vec<u32>,
}

/// A compiled kernel.
#[derive(Debug)]
pub struct Binary {
    /// What the driver loads.
    pub cubin: Vec<u8>,
    /// What the compiler said.
    pub log: String,
}

impl Compiler {
    /// The library of this process.
    ///
    /// # Errors
    /// [`Error::Backend`] if it is not there.
    pub fn get() -> Result<&'static Self, Error> {
        static COMPILER: OnceLock<Result<Compiler, Error>> = OnceLock::new();
        COMPILER
            .get_or_init(Self::load)
            .as_ref()
            .map_err(Clone::clone)
    }

    fn load() -> Result<Self, Error> {
        if let Some(path) = std::env::var_os("KEOPS_NVRTC") {
            open_global(&path).map_err(|reason| {
                unavailable(format!("KEOPS_NVRTC={}: {reason}", path.display()))
            })?;
        }
        // SAFETY: loading the library runs its initialisation, which asks for nothing.
        if !unsafe { sys::is_culib_present() } {
            return Err(unavailable(format!("NVRTC was not found; {REMEDY}")));
        }
        // A library that lacks a function makes the bindings panic.
        catch_unwind(Self::ask)
            .unwrap_or(Err(sys::nvrtcResult::NVRTC_ERROR_INTERNAL_ERROR))
            .map_err(|error| unavailable(format!("NVRTC does not work ({error:?}); {REMEDY}")))
    }

    /// What the library says about itself.
    fn ask() -> Result<Self, sys::nvrtcResult> {
        let done = |status| match status {
            sys::nvrtcResult::NVRTC_SUCCESS => Ok(()),
            error => Err(error),
        };
        let (mut major, mut minor, mut count) = (0, 0, 0);
        // SAFETY: the pointers are to variables of the right types, and to an array of as many numbers as the library said.
        let architectures = unsafe {
            done(sys::nvrtcVersion(&mut major, &mut minor))?;
            done(sys::nvrtcGetNumSupportedArchs(&mut count))?;
            let mut architectures = vec![0 as c_int; usize::try_from(count).unwrap_or(0)];
            done(sys::nvrtcGetSupportedArchs(architectures.as_mut_ptr()))?;
            architectures
        };
        let mut architectures: Vec<u32> = architectures
            .into_iter()
            .filter_map(|a| u32::try_from(a).ok())
            .collect();
        architectures.sort_unstable();
        Ok(Self {
            version: (major, minor),
            architectures,
        })
    }

    /// The major version of the library, which the driver must know.
    pub fn major(&self) -> c_int {
        self.version.0
    }

    /// The version as text, such as `12.9`.
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// The best architecture to compile for, for a device of architecture `device`: binaries run on devices of the same generation
    /// that are not older.
    ///
    /// # Errors
    /// [`Error::Backend`] if the library knows none.
    pub fn architecture(&self, device: u32) -> Result<u32, Error> {
        let fitting = |&&known: &&u32| known / 10 == device / 10 && known <= device;
        let best = self.architectures.iter().rev().find(fitting).copied();
        best.ok_or_else(|| {
            let version = self.version();
            unavailable(format!(
                "NVRTC {version} does not compile for this device (sm_{device}); {REMEDY}"
            ))
        })
    }

    /// All that a binary depends on besides its source.
    pub(super) fn circumstances(&self, architecture: u32) -> String {
        format!(
            "NVRTC {} sm_{architecture} {}",
            self.version(),
            OPTIONS.join(" ")
        )
    }

    /// Compiles a kernel for an architecture, with further options.
    ///
    /// # Errors
    /// [`Error::Backend`] with the compiler's messages.
    pub fn compile(
        &self,
        source: &str,
        architecture: u32,
        options: &[&str],
    ) -> Result<Binary, Error> {
        let refused = |what: String| unavailable(format!("NVRTC {}: {what}", self.version()));
        let source = CString::new(source).map_err(|error| refused(error.to_string()))?;
        let program = Program::new(&source).map_err(|error| refused(format!("{error:?}")))?;
        let mut all = vec![format!("--gpu-architecture=sm_{architecture}")];
        all.extend(OPTIONS.iter().chain(options).map(ToString::to_string));
        // SAFETY: the program is alive.
        let compiled = unsafe { result::compile_program(program.0, &all) };
        let log = program.log();
        compiled.map_err(|error| refused(format!("{error:?}\n{log}")))?;
        let cubin = program
            .cubin()
            .map_err(|error| refused(format!("{error:?}")))?;
        Ok(Binary { cubin, log })
    }
}

/// A program of the library.
struct Program(sys::nvrtcProgram);

impl Program {
    fn new(source: &CString) -> Result<Self, result::NvrtcError> {
        result::create_program(source, Some(c"keops.cu")).map(Self)
    }

    fn log(&self) -> String {
        // SAFETY: the program is alive.
        let log = unsafe { result::get_program_log(self.0) }.unwrap_or_default();
        let bytes: Vec<u8> = log
            .iter()
            .map(|&c| c as u8)
            .take_while(|&c| c != 0)
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn cubin(&self) -> Result<Vec<u8>, result::NvrtcError> {
        let mut size = 0;
        // SAFETY: the program is alive, and the array is as long as the library said.
        unsafe {
            sys::nvrtcGetCUBINSize(self.0, &mut size).result()?;
            let mut cubin = vec![0u8; size];
            sys::nvrtcGetCUBIN(self.0, cubin.as_mut_ptr().cast::<c_char>()).result()?;
            Ok(cubin)
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program is alive and not used again. There is nothing to be done about an error.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Loads a library for good, so that it is found by its name from now on.
#[cfg(unix)]
fn open_global(path: &std::ffi::OsStr) -> Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading the library runs its initialisation; the user named it for this purpose.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    std::mem::forget(library.map_err(|error| error.to_string())?);
    Ok(())
}

/// Loads a library for good, so that it is found by its name from now on.
#[cfg(not(unix))]
fn open_global(path: &std::ffi::OsStr) -> Result<(), String> {
    // SAFETY: loading the library runs its initialisation; the user named it for this purpose.
    let library = unsafe { libloading::Library::new(path) };
    std::mem::forget(library.map_err(|error| error.to_string())?);
    Ok(())
}
