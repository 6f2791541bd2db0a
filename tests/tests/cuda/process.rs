//! Processes whose driver of CUDA is that of the tests. It is a library of the name of NVIDIA's, so that it takes a process of its own; of the other name that the
//! driver is looked for by, as NVRTC would call functions of a `libcuda.so.1` that this one lacks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use keops_solve::__private::cuda::compile::Compiler;

use crate::host;

/// Set in a process that has the driver.
const INSIDE: &str = "KEOPS_TEST_DRIVER";

/// A driver for a test.
pub(crate) struct Driver {
    /// The name of the test.
    test: &'static str,
    folder: PathBuf,
    /// The command that compiles a library.
    compiler: String,
    /// Whether the device has memory pools.
    pools: bool,
}

impl Driver {
    /// The driver for a test of this name; `None` without a compiler, and in the process that has the driver, where `inside` has then run.
    pub(crate) fn new(test: &'static str, inside: fn()) -> Option<Self> {
        if env::var_os(INSIDE).is_some() {
            inside();
            return None;
        }
        let compiler = host::compiler()?;
        if let Err(error) = Compiler::get() {
            assert!(env::var_os("KEOPS_NVRTC").is_none(), "{error}");
            println!("skipped: {error}");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test.replace("::", "-"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a writable folder");
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
        let options = host::options().join(" ");
        let compiler = format!("{compiler} {options} -shared -fPIC -I {}", here.display());
        let source = "#define main unused\n#include \"main.cpp\"\nconst Kernel* const kernels[1] = {};\n#include \"driver.cpp\"\n";
        fs::write(folder.join("library.cpp"), source).expect("a writable folder");
        let (from, to) = (folder.join("library.cpp"), folder.join("libnvcuda.so"));
        let command = format!("{compiler} {} -o {} -ldl", from.display(), to.display());
        let built = Command::new("sh").args(["-c", &command]).status();
        assert!(built.is_ok_and(|status| status.success()), "{command}");
        Some(Self {
            test,
            compiler: format!(
                "{compiler} -Wl,--no-as-needed -L{} -lnvcuda",
                folder.display()
            ),
            folder,
            pools: false,
        })
    }

    /// The same with memory that is allocated and freed in the order of a stream.
    pub(crate) fn with_pools(self) -> Self {
        Self {
            pools: true,
            ..self
        }
    }

    /// Runs what is inside with the driver, and returns the entries of the cache of kernels.
    pub(crate) fn run(&self) -> Vec<PathBuf> {
        let cache = self.folder.join("cache");
        let status = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", self.test, "--nocapture"])
            .env(INSIDE, "1")
            .env("KEOPS_CACHE", &cache)
            .env("KEOPS_TEST_FOLDER", &self.folder)
            .env("KEOPS_TEST_COMPILER", &self.compiler)
            .env("KEOPS_TEST_POOLS", if self.pools { "1" } else { "0" })
            .env("LD_LIBRARY_PATH", &self.folder)
            .status();
        assert!(status.is_ok_and(|status| status.success()));
        let entries = fs::read_dir(&cache).expect("a cache");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        paths
    }
}

/// Calls of the driver that are counted, and that can be made to fail.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Kind {
    Launch,
    Allocate,
    Write,
    Read,
    Copy,
}

/// Calls so far.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Counts {
    calls: [u64; 5],
    /// Bytes that the host has written and read.
    pub(crate) written: u64,
    pub(crate) read: u64,
}

impl Counts {
    /// Those of this process.
    pub(crate) fn now() -> Self {
        let mut counts = Self::default();
        // SAFETY: the function has this type, and the structure is laid out as in `driver.h`.
        let ask = unsafe { function::<unsafe extern "C" fn(*mut Self)>(b"keops_driver_counts") };
        // SAFETY: the pointer is to a structure that may be written.
        unsafe { ask(&mut counts) };
        counts
    }

    /// How many of a kind.
    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.calls[kind as usize]
    }

    /// What has been called since.
    pub(crate) fn since(self, before: Self) -> Self {
        let calls = |k: usize| self.calls[k] - before.calls[k];
        Self {
            calls: [0, 1, 2, 3, 4].map(calls),
            written: self.written - before.written,
            read: self.read - before.read,
        }
    }
}

/// Makes the call of a kind that comes after so many others fail: an allocation as for want of memory, others as of a device that is lost.
pub(crate) fn fail(kind: Kind, after: u64) {
    // SAFETY: the function has this type.
    let fail = unsafe { function::<unsafe extern "C" fn(u64, u64)>(b"keops_driver_fail") };
    // SAFETY: the function takes any numbers of this range.
    unsafe { fail(kind as u64, after + 1) };
}

/// Makes everything work again.
pub(crate) fn repair() {
    // SAFETY: the function has this type.
    let repair = unsafe { function::<unsafe extern "C" fn()>(b"keops_driver_repair") };
    // SAFETY: it can be called at any time.
    unsafe { repair() };
}

/// A function of the driver.
///
/// # Safety
/// It has the type `F`.
unsafe fn function<F: Copy>(name: &[u8]) -> F {
    // SAFETY: the library is loaded already.
    let library = unsafe { libloading::Library::new("libnvcuda.so") }.expect("the driver");
    // SAFETY: the caller knows the type.
    let function = *unsafe { library.get::<F>(name) }.expect("a function");
    // It stays loaded.
    std::mem::forget(library);
    function
}
