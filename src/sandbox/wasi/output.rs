//! What a run writes to standard output and standard error.

/// The beginning of the output; the rest is taken and dropped, so that writing never fails (`spec/sandbox.md`, 7.6).
pub(super) struct Output {
    kept: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Output {
    /// Keeps so many bytes.
    pub(super) fn keeping(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            cut: false,
        }
    }

    /// Takes all of it, keeps what fits.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.kept.len());
        let fits = bytes.get(..room).unwrap_or(bytes);
        self.kept.extend_from_slice(fits);
        self.cut |= fits.len() < bytes.len();
    }

    /// The text, at most as long as the limit; starts anew.
    pub(super) fn take(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.kept);
        if std::mem::take(&mut self.cut)
            && let Err(error) = std::str::from_utf8(&bytes)
            && error.error_len().is_none()
        {
            // The cut went through a character: its first half is no message of the code.
            bytes.truncate(error.valid_up_to());
        }
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        // A replacement character is longer than the byte that it replaces.
        text.truncate(text.floor_char_boundary(self.limit));
        text
    }
}
