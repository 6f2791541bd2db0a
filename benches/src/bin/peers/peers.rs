//! The contestants, and how each is made available here.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::task::Task;

/// The arguments that turn this program into contestants: ours, ours that cannot see that points are the same, and the dense one.
pub(crate) const OURS: &str = "--worker";
pub(crate) const REVERSED: &str = "--worker-reversed";
pub(crate) const DENSE: &str = "--worker-dense";

/// How tables name ours on one thread, PyKeOps, and ours without symmetry.
pub(crate) const ONE_THREAD: &str = "keops-solve, 1 thread";
pub(crate) const PYKEOPS: &str = "PyKeOps, default flags";
pub(crate) const UNSYMMETRIC: &str = "keops-solve, symmetry unseen";

/// The sources of the peers.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A contestant.
pub(crate) struct Peer {
    /// How tables name it.
    pub(crate) name: &'static str,
    /// Which tasks it takes part in.
    pub(crate) takes: fn(&Task) -> bool,
    /// The program and its first arguments, or why it cannot be had.
    program: Result<Vec<OsString>, String>,
    /// Environment variables.
    environment: Vec<(&'static str, OsString)>,
}

impl Peer {
    /// The command that starts it on so many threads.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub(crate) fn command(&self, threads: usize) -> Result<Command, String> {
        let program = self.program.clone()?;
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]);
        for variable in [
            "RAYON_NUM_THREADS",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
        ] {
            command.env(variable, threads.to_string());
        }
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        Ok(command)
    }

    /// Makes PyKeOps compile anew, so that the first call shows what that takes.
    ///
    /// # Errors
    /// If its cache cannot be emptied.
    pub(crate) fn forget(&self) -> Result<(), String> {
        for (_, cache) in self
            .environment
            .iter()
            .filter(|(key, _)| *key == KEOPS_CACHE)
        {
            let _ = fs::remove_dir_all(cache);
            create(Path::new(cache))?;
        }
        Ok(())
    }
}

/// Where PyKeOps keeps what it has compiled.
const KEOPS_CACHE: &str = "KEOPS_CACHE_FOLDER";

/// All contestants, ours first. Those that cannot be had say so when they are started.
///
/// # Errors
/// If this program cannot find itself or `directory` cannot be made.
pub(crate) fn prepare(directory: &Path) -> Result<Vec<Peer>, String> {
    create(directory)?;
    let ours = std::env::current_exe().map_err(|error| error.to_string())?;
    let own = |argument: &str| Ok(vec![ours.clone().into(), argument.into()]);
    let python = virtual_environment(&directory.join("venv"));
    let worker = |peer: &str| {
        let script = Path::new(SOURCES).join("worker.py");
        let python = python.clone()?;
        Ok(vec![python.into(), script.into(), peer.into()])
    };
    let cache = |name: &str| (KEOPS_CACHE, directory.join(name).into());
    Ok(vec![
        Peer {
            name: "keops-solve",
            takes: |_| true,
            program: own(OURS),
            environment: vec![],
        },
        Peer {
            name: ONE_THREAD,
            takes: |_| true,
            program: own(OURS),
            environment: vec![("RAYON_NUM_THREADS", "1".into())],
        },
        Peer {
            name: UNSYMMETRIC,
            takes: |task| task.name() == "same",
            program: own(REVERSED),
            environment: vec![],
        },
        Peer {
            name: PYKEOPS,
            takes: |_| true,
            program: worker("pykeops"),
            environment: vec![cache("cache-default")],
        },
        Peer {
            name: "PyKeOps, `-march=native -ffast-math`",
            takes: |_| true,
            program: worker("pykeops"),
            environment: vec![
                cache("cache-native"),
                ("CXXFLAGS", "-march=native -ffast-math".into()),
            ],
        },
        Peer {
            name: "C++, `g++ -O3 -march=native -ffast-math`",
            takes: Task::is_plain,
            program: compiled(directory).map(|program| vec![program.into()]),
            environment: vec![],
        },
        Peer {
            name: "faer, dense",
            takes: |task| matches!(task.name(), "gaussian" | "same" | "solve"),
            program: own(DENSE),
            environment: vec![],
        },
        Peer {
            name: "NumPy, dense",
            takes: |task| matches!(task.name(), "gaussian" | "same" | "solve"),
            program: worker("numpy"),
            environment: vec![],
        },
        Peer {
            name: "SciPy, `cdist` in blocks of rows",
            takes: |task| !matches!(task.name(), "solve" | "gradient" | "batches"),
            program: worker("scipy"),
            environment: vec![],
        },
        Peer {
            name: "scikit-learn",
            takes: |task| matches!(task.name(), "gaussian" | "same" | "argmin" | "argkmin"),
            program: worker("sklearn"),
            environment: vec![],
        },
    ])
}

fn create(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

/// Runs a command to its end.
fn complete(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("");
    Err(format!("{program} failed: {last}"))
}

/// The Python of a virtual environment with what `requirements.txt` lists, made if it is not there.
fn virtual_environment(directory: &Path) -> Result<PathBuf, String> {
    let python = directory.join("bin/python");
    let requirements = Path::new(SOURCES).join("requirements.txt");
    let installed = directory.join("installed");
    // What was installed is noted last, so that an environment that was left unfinished is made again.
    let wanted = fs::read(&requirements).map_err(|error| error.to_string())?;
    if fs::read(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    eprintln!("Making a virtual environment in {}", directory.display());
    complete(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(directory),
    )?;
    complete(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&requirements),
    )?;
    fs::write(&installed, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

/// The C++ program, compiled anew.
fn compiled(directory: &Path) -> Result<PathBuf, String> {
    let program = directory.join("gaussian");
    let compile = |extra: &[&str]| {
        complete(
            Command::new("g++")
                .args(["-O3", "-march=native", "-ffast-math", "-fopenmp"])
                .args(extra)
                .arg("-o")
                .arg(&program)
                .arg(Path::new(SOURCES).join("gaussian.cpp")),
        )
    };
    // On processors with AVX-512 g++ would use half of its vectors; others do not know the option.
    compile(&["-mprefer-vector-width=512"]).or_else(|_| compile(&[]))?;
    Ok(program)
}
