//! The stream that all chance of a run comes from.

use sha2::{Digest, Sha256};

/// Bytes of one block.
const BLOCK: usize = 32;

/// An endless stream of bytes: block `i` is SHA-256 of the seed and `i` as 64 bits, little-endian. Every byte is given out once.
pub(super) struct Stream {
    seed: [u8; 32],
    next: u64,
    block: [u8; BLOCK],
    /// Bytes of `block` that were given out.
    used: usize,
}

impl Stream {
    /// The stream of a seed.
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            next: 0,
            block: [0; BLOCK],
            used: BLOCK,
        }
    }

    /// Fills a buffer with what comes next.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        let mut rest = buffer;
        while !rest.is_empty() {
            if self.used == BLOCK {
                self.turn();
            }
            let left = self.block.get(self.used..).unwrap_or_default();
            let (now, later) = rest.split_at_mut(left.len().min(rest.len()));
            for (to, from) in now.iter_mut().zip(left) {
                *to = *from;
            }
            self.used += now.len();
            rest = later;
        }
    }

    fn turn(&mut self) {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.next.to_le_bytes());
        self.block = hash.finalize().into();
        self.next = self.next.wrapping_add(1);
        self.used = 0;
    }
}
