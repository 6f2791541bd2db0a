//! A contestant: a process that computes when it is asked to. The protocol is described in `peers/worker.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use keops_benches::data;
use keops_solve::ndarray::Array2;

/// A running contestant, killed when dropped.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    time_limit: Duration,
    /// How often it computes for one time.
    runs: usize,
    /// What it runs on.
    pub(crate) versions: String,
    /// Seconds that its first computation took.
    pub(crate) first: f64,
}

impl Worker {
    /// Starts it and has it compute once. Each later time is the mean of `runs` computations.
    ///
    /// # Errors
    /// What kept it from answering.
    pub(crate) fn start(
        command: &mut Command,
        time_limit: Duration,
        runs: usize,
    ) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".to_owned());
        };
        // A thread reads the answers, so that waiting for one can end.
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut worker = Self {
            child,
            input,
            answers,
            time_limit,
            runs: 1,
            versions: String::new(),
            first: 0.0,
        };
        worker.versions = worker.expect("ready")?;
        worker.first = worker.run()?;
        worker.runs = runs;
        Ok(worker)
    }

    /// Has it compute, and returns the seconds that it took.
    ///
    /// # Errors
    /// If it has ended, exceeds the time limit, or answers anything else.
    pub(crate) fn run(&mut self) -> Result<f64, String> {
        // Threads that wait for work in a loop, as those of OpenMP do for a while, come to rest before it is another's turn.
        thread::sleep(Duration::from_millis(20));
        self.send(&format!("run {}", self.runs))?;
        let answer = self.expect("seconds")?;
        answer
            .parse()
            .map_err(|_| format!("`{answer}` is no number of seconds"))
    }

    /// The last result, as an array of `columns` columns.
    ///
    /// # Errors
    /// If it cannot be written or read.
    pub(crate) fn result(&mut self, path: &Path, columns: usize) -> Result<Array2<f64>, String> {
        self.send(&format!("save {}", path.display()))?;
        self.expect("saved")?;
        data::read(path, columns).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn send(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.input, "{line}").map_err(|error| format!("it has ended: {error}"))
    }

    /// The rest of the next line, which must begin with this word.
    fn expect(&mut self, word: &str) -> Result<String, String> {
        let line = self
            .answers
            .recv_timeout(self.time_limit)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    format!("no answer within {} s", self.time_limit.as_secs())
                }
                RecvTimeoutError::Disconnected => "it has ended without an answer".to_owned(),
            })?;
        match line.strip_prefix(word) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(format!("expected `{word} ..`, got `{line}`")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
