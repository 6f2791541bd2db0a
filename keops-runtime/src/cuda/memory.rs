//! Vectors in the memory of a device, and what goes between them and the host.
//!
//! Work is queued on the device, whose errors come to light later; so an error is kept here, and from then on nothing is done and all numbers
//! that are read are NaN. Who draws conclusions from numbers asks [`Memory::error`] when they are not finite. Memory that vectors give back is kept for the next ones, as
//! the blocks of a solve have few sizes: an iteration asks the driver for none.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::device::{Buffer, Device, Fixed, Function};
use super::vector_source::{KERNELS, source};
use crate::Error;

/// Results of sums that fit into the memory kept for them at first.
const RESULTS: usize = 4096;

/// Memory of a device for the vectors of a solve, with the operations on them. Copies share it.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    device: &'static Device,
    kernels: &'static [Function],
    state: Mutex<State>,
}

/// What operations leave for the next.
#[derive(Default)]
pub(super) struct State {
    /// What ended the work.
    error: Option<Error>,
    /// Memory that vectors have given back, by how many numbers it holds.
    free: BTreeMap<usize, Vec<Buffer>>,
    /// Memory that operations use, by purpose, and how many numbers it holds.
    scratch: HashMap<Scratch, (usize, Buffer)>,
    /// Sums that have been queued and not read.
    pending: Vec<(usize, Arc<Answer>)>,
    /// Numbers of these.
    used: usize,
}

/// What memory is used for between two operations, or within one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scratch {
    /// Results of sums.
    Results,
    /// What leaves have found of them.
    Partials,
    /// Small matrices that are too large for an argument.
    Numbers,
}

/// Results of sums, once they are read.
type Answer = Mutex<Option<Vec<f64>>>;

/// Sums that have been asked for. The first that are taken bring all that have been asked for from the device.
pub struct Requested {
    memory: Memory,
    answer: Arc<Answer>,
    count: usize,
}

/// Numbers in the memory of a device.
pub struct Vectors {
    memory: Memory,
    /// Where they are, and how many there is room for; nowhere if something has gone wrong.
    place: Option<(usize, Buffer)>,
    len: usize,
}

impl State {
    /// Memory for `len` numbers among what has been given back: the smallest that is large enough, and not much larger.
    fn take(&mut self, len: usize) -> Option<(usize, Buffer)> {
        let fitting = self.free.range_mut(len..=len.saturating_mul(2));
        let (&room, buffers) = fitting.into_iter().find(|(_, free)| !free.is_empty())?;
        Some((room, buffers.pop()?))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Memory of a device.
    ///
    /// # Errors
    /// [`Error::Backend`] if the kernels for vectors do not run there.
    pub fn new(device: &'static Device) -> Result<Self, Error> {
        device.enter()?;
        Ok(Self(Arc::new(Shared {
            device,
            kernels: device.fixed_kernels(Fixed::Vectors, source, &KERNELS)?,
            state: Mutex::default(),
        })))
    }

    /// What has gone wrong.
    pub fn error(&self) -> Option<Error> {
        lock(&self.0.state).error.clone()
    }

    /// Takes note of what has gone wrong.
    pub(super) fn fail(&self, error: Error) {
        self.attempt::<()>(|_| Err(error));
    }

    pub(super) fn device(&self) -> &'static Device {
        self.0.device
    }

    pub(super) fn kernel(&self, place: usize) -> Function {
        self.0.kernels[place]
    }

    /// Does some work, unless something has gone wrong before, and keeps its error.
    pub(super) fn attempt<R>(
        &self,
        work: impl FnOnce(&mut State) -> Result<R, Error>,
    ) -> Option<R> {
        let mut state = lock(&self.0.state);
        if state.error.is_some() {
            return None;
        }
        match self.0.device.enter().and_then(|()| work(&mut state)) {
            Ok(result) => Some(result),
            Err(error) => {
                state.error = Some(error);
                None
            }
        }
    }

    /// So many numbers, which mean nothing yet.
    pub fn vectors(&self, len: usize) -> Vectors {
        let place = self.attempt(|state| {
            if let Some(place) = state.take(len) {
                return Ok(place);
            }
            let new = || self.0.device.buffer(len.saturating_mul(size_of::<f64>()));
            let buffer = new().or_else(|error| match error {
                // What nobody uses may be enough.
                Error::DeviceMemory { .. } if !state.free.is_empty() => {
                    state.free.clear();
                    new()
                }
                error => Err(error),
            });
            buffer.map(|buffer| (len, buffer))
        });
        Vectors {
            memory: self.clone(),
            place,
            len,
        }
    }

    /// Copies of numbers of the host.
    pub fn upload(&self, values: &[f64]) -> Vectors {
        let vectors = self.vectors(values.len());
        if let Some((_, buffer)) = &vectors.place {
            self.attempt(|_| buffer.write(values));
        }
        vectors
    }

    /// Room for `count` results of sums, and who is to have them.
    pub(super) fn ask(&self, state: &mut State, count: usize) -> Result<(u64, Requested), Error> {
        let room = state
            .scratch
            .get(&Scratch::Results)
            .map_or(0, |kept| kept.0);
        if state.used + count > room {
            self.answer(state)?;
        }
        let results = self.scratch(state, Scratch::Results, count.max(RESULTS))?;
        let address = results + (state.used * size_of::<f64>()) as u64;
        let answer = Arc::default();
        state.pending.push((count, Arc::clone(&answer)));
        state.used += count;
        let memory = self.clone();
        Ok((
            address,
            Requested {
                memory,
                answer,
                count,
            },
        ))
    }

    /// Brings all results that have been asked for to the host, which waits for the device.
    fn answer(&self, state: &mut State) -> Result<(), Error> {
        let (pending, used) = (std::mem::take(&mut state.pending), state.used);
        state.used = 0;
        let mut values = vec![0.0; used];
        if let Some((_, results)) = state.scratch.get(&Scratch::Results) {
            results.read(&mut values)?;
        }
        let mut from = 0;
        for (count, answer) in pending {
            *lock(&answer) = Some(values[from..from + count].to_vec());
            from += count;
        }
        Ok(())
    }

    /// Memory for at least so many numbers, for a purpose.
    pub(super) fn scratch(
        &self,
        state: &mut State,
        purpose: Scratch,
        numbers: usize,
    ) -> Result<u64, Error> {
        if let Some((room, buffer)) = state.scratch.get(&purpose)
            && *room >= numbers
        {
            return Ok(buffer.address());
        }
        let buffer = self
            .0
            .device
            .buffer(numbers.saturating_mul(size_of::<f64>()))?;
        let address = buffer.address();
        state.scratch.insert(purpose, (numbers, buffer));
        Ok(address)
    }

    /// The same with these numbers in it.
    pub(super) fn scratch_of(
        &self,
        state: &mut State,
        purpose: Scratch,
        values: &[f64],
    ) -> Result<u64, Error> {
        let address = self.scratch(state, purpose, values.len())?;
        if let Some((_, buffer)) = state.scratch.get(&purpose) {
            buffer.write(values)?;
        }
        Ok(address)
    }
}

impl Requested {
    /// The results; NaN if something has gone wrong.
    pub fn take(self) -> Vec<f64> {
        let answered = || lock(&self.answer).take();
        let Some(values) = answered().or_else(|| {
            self.memory.attempt(|state| self.memory.answer(state));
            answered()
        }) else {
            return vec![f64::NAN; self.count];
        };
        values
    }
}

impl Vectors {
    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.len
    }

    /// Where they are: in the memory of which device.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The address of the first number; 0 if something has gone wrong, after which no kernel is launched.
    pub(super) fn address(&self) -> u64 {
        self.place
            .as_ref()
            .map_or(0, |(_, buffer)| buffer.address())
    }

    /// The numbers, which the host waits for; NaN if something has gone wrong.
    pub fn read(&self) -> Vec<f64> {
        let mut values = vec![f64::NAN; self.len];
        if let Some((_, buffer)) = &self.place {
            self.memory.attempt(|_| buffer.read(&mut values));
        }
        values
    }
}

impl Clone for Vectors {
    fn clone(&self) -> Self {
        let copy = self.memory.vectors(self.len);
        if let (Some((_, from)), Some((_, to))) = (&self.place, &copy.place) {
            self.memory
                .attempt(|_| to.copy(from, self.len * size_of::<f64>()));
        }
        copy
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        if let Some((room, buffer)) = self.place.take() {
            let mut state = lock(&self.memory.0.state);
            state.free.entry(room).or_default().push(buffer);
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory of {:?}", self.0.device)
    }
}

impl fmt::Debug for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} numbers in the {:?}", self.len, self.memory)
    }
}
