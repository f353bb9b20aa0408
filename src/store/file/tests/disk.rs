//! A disk in memory that forgets what was not flushed, and fails when it is told to.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Writing, and growing: there is no room.
    Write,
    /// Making durable.
    Flush,
}

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    now: Vec<u8>,
    flushed: Vec<u8>,
    /// What fails, and how often it does not before.
    fault: Option<(Fault, usize)>,
    recorded: Option<Record>,
}

#[derive(Debug, Clone, Default)]
struct Record {
    before: Vec<u8>,
    operations: Vec<Operation>,
}

#[derive(Debug, Clone)]
enum Operation {
    Write(usize, Vec<u8>),
    Length(usize),
    Flush,
}

impl Operation {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Operation::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Operation::Length(length) => to.resize(*length, 0),
            Operation::Flush => {}
        }
    }

    /// Half of a write; all of anything else.
    fn half(&self) -> Self {
        match self {
            Operation::Write(offset, bytes) => {
                Operation::Write(*offset, bytes[..bytes.len() / 2].to_vec())
            }
            whole => whole.clone(),
        }
    }

    /// A write whose second half is not what was meant. The first sector holds the file's header; of a sector, each byte is the
    /// old one or the new one.
    fn garbled(&self) -> Self {
        let mut garbled = self.half();
        if let Operation::Write(offset @ 1.., bytes) = self {
            let mut bytes = bytes.clone();
            let half = bytes.len() / 2;
            bytes[half..].iter_mut().for_each(|byte| *byte ^= 0x5a);
            garbled = Operation::Write(*offset, bytes);
        }
        garbled
    }
}

impl State {
    fn meets(&mut self, fault: Fault) -> io::Result<()> {
        match &mut self.fault {
            Some((kind, 0)) if *kind == fault => Err(match fault {
                Fault::Write => io::Error::from(io::ErrorKind::StorageFull),
                Fault::Flush => io::Error::other("input/output error"),
            }),
            Some((kind, left)) if *kind == fault => {
                *left -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn perform(&mut self, operation: Operation) {
        operation.apply(&mut self.now);
        if let Some(record) = &mut self.recorded {
            record.operations.push(operation);
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics in here")
    }

    fn of(image: Vec<u8>) -> Self {
        let state = State {
            flushed: image.clone(),
            now: image,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// From now on this fails after so often; nothing with `None`.
    pub(super) fn fail(&self, fault: Option<(Fault, usize)>) {
        self.state().fault = fault;
    }

    /// Another disk with what was flushed to this one.
    pub(super) fn crashed(&self) -> Self {
        Self::of(self.state().flushed.clone())
    }

    /// From now on what is done is recorded.
    pub(super) fn record(&self) {
        let mut state = self.state();
        let before = state.now.clone();
        state.recorded = Some(Record {
            before,
            operations: Vec::new(),
        });
    }

    /// How much is recorded.
    pub(super) fn written(&self) -> usize {
        let state = self.state();
        state
            .recorded
            .as_ref()
            .map_or(0, |record| record.operations.len())
    }

    /// What a disk may hold that lost its power after so many operations: what was flushed, and of the rest all, all but the last
    /// half, all with the last half garbled, every other one, or nothing.
    pub(super) fn torn(&self, cut: usize) -> Vec<Disk> {
        let record = self.state().recorded.clone().expect("recorded");
        let done = &record.operations[..cut];
        let flushed = done.iter().rposition(|one| matches!(one, Operation::Flush));
        let (safe, loose) = done.split_at(flushed.map_or(0, |place| place + 1));
        let mut image = record.before;
        safe.iter().for_each(|one| one.apply(&mut image));
        let with = |operations: &mut dyn Iterator<Item = Operation>| {
            let mut image = image.clone();
            operations.for_each(|one| one.apply(&mut image));
            Disk::of(image)
        };
        let Some((end, others)) = loose.split_last() else {
            return vec![with(&mut std::iter::empty())];
        };
        vec![
            with(&mut std::iter::empty()),
            with(&mut loose.iter().cloned()),
            with(&mut others.iter().cloned().chain([end.half()])),
            with(&mut others.iter().cloned().chain([end.garbled()])),
            with(&mut loose.iter().step_by(2).cloned()),
            with(&mut loose.iter().skip(1).step_by(2).cloned()),
        ]
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let start = offset as usize;
        let found = state.now.get(start..start + out.len());
        let found = found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        if length as usize > state.now.len() {
            state.meets(Fault::Write)?;
        }
        state.perform(Operation::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.meets(Fault::Flush)?;
        state.perform(Operation::Flush);
        state.flushed = state.now.clone();
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.meets(Fault::Write)?;
        state.perform(Operation::Write(offset as usize, bytes.to_vec()));
        Ok(())
    }
}
