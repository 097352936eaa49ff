//! Stdin without a buffer that keeps what was typed: the library's own one holds the last lines until
//! others come over them, or the process ends.

use std::fs::File;
use std::io::{self, BufRead, Read};

/// Reads stdin through a buffer that is wiped behind the reader. What it has read ahead goes with it.
#[cfg(unix)]
pub(crate) fn stdin() -> io::Result<Forgetful> {
    use std::os::fd::AsFd as _;
    Ok(Forgetful::new(File::from(io::stdin().as_fd().try_clone_to_owned()?)))
}

/// Elsewhere from the console's name.
#[cfg(not(unix))]
pub(crate) fn stdin() -> io::Result<Forgetful> {
    File::open("CONIN$").map(Forgetful::new)
}

/// A buffer of which only what is still to be read stands in memory.
pub(crate) struct Forgetful {
    file: File,
    buffer: Vec<u8>,
    /// What of the buffer is still to be read.
    from: usize,
    to: usize,
}

impl Forgetful {
    fn new(file: File) -> Self {
        Self { file, buffer: vec![0; 8 * 1024], from: 0, to: 0 }
    }
}

impl BufRead for Forgetful {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
            self.to = self.file.read(&mut self.buffer)?;
        }
        Ok(self.buffer.get(self.from..self.to).unwrap_or_default())
    }

    fn consume(&mut self, n: usize) {
        let to = self.to.min(self.from + n);
        if let Some(read) = self.buffer.get_mut(self.from..to) {
            read.fill(0);
        }
        self.from = to;
    }
}

impl Read for Forgetful {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}
