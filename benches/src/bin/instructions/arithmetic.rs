//! Which of the instructions that were executed compute with vectors.

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Instructions on vectors that only move numbers.
const MOVES: [&str; 7] = [
    "vmov",
    "vbroadcast",
    "vpbroadcast",
    "vinsert",
    "vextract",
    "vzero",
    "vlddqu",
];

/// The addresses of the instructions of this program that compute with vectors.
pub(crate) struct Arithmetic {
    addresses: HashSet<u64>,
}

impl Arithmetic {
    /// Reads the code of the running program, as objdump shows it.
    pub(crate) fn of_this_program() -> Result<Self, Box<dyn Error>> {
        let output = Command::new("objdump")
            .args(["-d", "--no-show-raw-insn", "-w"])
            .arg(std::env::current_exe()?)
            .output()
            .map_err(|error| format!("objdump (of binutils) cannot be run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let addresses = text.lines().filter_map(|line| {
            let (address, instruction) = line.trim_start().split_once(':')?;
            let address = u64::from_str_radix(address, 16).ok()?;
            computes(instruction.trim_start()).then_some(address)
        });
        let addresses = addresses.collect();
        Ok(Self { addresses })
    }

    /// How many of the instructions that callgrind counted, in `counts`, compute with vectors.
    pub(crate) fn executed(&self, counts: &Path) -> Result<f64, Box<dyn Error>> {
        let text = std::fs::read_to_string(counts)?;
        let mut sum = 0.0;
        let mut is_call = false;
        for line in text.lines() {
            // The line after a call has what the callee costs, which is counted there.
            if std::mem::replace(&mut is_call, line.starts_with("calls=")) {
                continue;
            }
            let mut words = line.split(' ');
            let address = words.next().and_then(|word| word.strip_prefix("0x"));
            let Some(address) = address.and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
                continue;
            };
            if self.addresses.contains(&address) {
                let count = words.next_back().ok_or("a line without a count")?;
                sum += count.parse::<f64>()?;
            }
        }
        Ok(sum)
    }
}

/// Whether an instruction computes with vectors: it is one of AVX on whole registers, and does more than move them.
fn computes(instruction: &str) -> bool {
    let name = instruction.split_whitespace().next().unwrap_or_default();
    let of_vectors = name.starts_with('v') && instruction.contains("%ymm");
    of_vectors && !MOVES.iter().any(|moves| name.starts_with(moves))
}
