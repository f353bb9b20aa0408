//! Waiting: what is ready at once, or a sleep on the virtual clock.

use super::Wasi;
use super::errno::Errno;
use super::memory::Memory;

/// Subscriptions that one call may have.
const SUBSCRIPTIONS: u32 = 1024;
/// Bytes of a `subscription`.
const SUBSCRIPTION: u32 = 48;
/// Bytes of an `event`.
const EVENT: u32 = 32;

/// Tags of subscriptions and events.
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// When a subscription is ready.
enum Ready {
    /// At once, with so many bytes, or with an error.
    Now(Result<u64, Errno>),
    /// After so many nanoseconds.
    After(u64),
}

struct Subscription {
    userdata: u64,
    tag: u8,
    ready: Ready,
}

impl Wasi {
    /// Descriptors are always ready, so a call sleeps only if it waits for nothing but clocks: until the first of them, and it tells
    /// of all that are due then.
    pub(super) fn poll_oneoff(
        &mut self,
        memory: &mut Memory<'_>,
        subscriptions: u32,
        events: u32,
        count: u32,
        result: u32,
    ) -> Result<(), Errno> {
        if count == 0 || count > SUBSCRIPTIONS {
            return Err(Errno::Inval);
        }
        memory.check(result, 4)?;
        memory.check(events, count * EVENT)?;
        memory.check(subscriptions, count * SUBSCRIPTION)?;
        let waiting: Vec<Subscription> = (0..count)
            .map(|index| self.subscription(memory, subscriptions + index * SUBSCRIPTION))
            .collect::<Result<_, _>>()?;
        let sleep = waiting
            .iter()
            .map(|subscription| match subscription.ready {
                Ready::Now(_) => 0,
                Ready::After(ns) => ns,
            })
            .min()
            .unwrap_or_default();
        self.clock.sleep(sleep);

        let mut told = 0;
        for subscription in waiting {
            let outcome = match subscription.ready {
                Ready::Now(outcome) => outcome,
                Ready::After(ns) if ns <= sleep => Ok(0),
                Ready::After(_) => continue,
            };
            let (errno, bytes) = match outcome {
                Ok(bytes) => (0, bytes),
                Err(errno) => (errno.number(), 0),
            };
            let mut event = Vec::with_capacity(EVENT as usize);
            event.extend_from_slice(&subscription.userdata.to_le_bytes());
            event.extend_from_slice(&errno.to_le_bytes());
            event.extend_from_slice(&[subscription.tag, 0, 0, 0, 0, 0]);
            event.extend_from_slice(&bytes.to_le_bytes());
            event.resize(EVENT as usize, 0);
            memory.put(events + told * EVENT, &event)?;
            told += 1;
        }
        memory.put_u32(result, told)
    }

    fn subscription(&self, memory: &Memory<'_>, at: u32) -> Result<Subscription, Errno> {
        let tag = memory.u8(at + 8)?;
        let ready = match tag {
            CLOCK => self.due(
                memory.u32(at + 16)?,
                memory.u64(at + 24)?,
                memory.u16(at + 40)?,
            ),
            FD_READ | FD_WRITE => Ready::Now(self.available(memory.u32(at + 16)?, tag)),
            _ => return Err(Errno::Inval),
        };
        Ok(Subscription {
            userdata: memory.u64(at)?,
            tag,
            ready,
        })
    }

    /// When a clock reaches a time-out; bit 0 of `flags` says that it is a time and not a span.
    fn due(&self, id: u32, timeout: u64, flags: u16) -> Ready {
        match self.clock.read(id) {
            Err(errno) => Ready::Now(Err(errno)),
            Ok(_) if flags > 1 => Ready::Now(Err(Errno::Inval)),
            Ok(now) if flags == 1 => Ready::After(timeout.saturating_sub(now)),
            Ok(_) => Ready::After(timeout),
        }
    }

    /// How many bytes can be read; of a descriptor that can be written to, nothing is said.
    fn available(&self, fd: u32, tag: u8) -> Result<u64, Errno> {
        let descriptor = self.descriptors.get(fd)?;
        match descriptor.file(Errno::Spipe) {
            Ok((inode, offset)) if tag == FD_READ => {
                let len = self.tree.content(inode)?.len() as u64;
                Ok(len.saturating_sub(offset))
            }
            _ => Ok(0),
        }
    }
}
