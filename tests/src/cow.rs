//! File contents that share pages: thousands of crash images of one small store cost little more
//! than one, and only touched pages are hashed again.

use std::sync::{Arc, LazyLock, OnceLock};

const PAGE: usize = 4096;

static ZERO: LazyLock<Arc<Page>> =
    LazyLock::new(|| Arc::new(Page { bytes: [0; PAGE], hash: OnceLock::new() }));

/// Content of a file.
#[derive(Clone, Default)]
pub struct CowFile {
    len: usize,
    /// Bytes behind `len` are zero.
    pages: Vec<Arc<Page>>,
}

struct Page {
    bytes: [u8; PAGE],
    hash: OnceLock<[u8; 16]>,
}

impl Clone for Page {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes, hash: OnceLock::new() }
    }
}

impl CowFile {
    /// A file with this content.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        file.write(0, bytes);
        file
    }

    /// Writes at an offset, growing the file.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.grow(offset + bytes.len());
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let from = at % PAGE;
            let n = rest.len().min(PAGE - from);
            let (now, later) = rest.split_at(n);
            let page = &mut self.pages[at / PAGE];
            if page.bytes[from..from + n] != *now {
                let page = Arc::make_mut(page);
                page.hash = OnceLock::new();
                page.bytes[from..from + n].copy_from_slice(now);
            }
            at += n;
            rest = later;
        }
    }

    /// Grows with zeros to at least `len`.
    pub fn grow(&mut self, len: usize) {
        if self.len < len {
            self.len = len;
            self.pages.resize_with(len.div_ceil(PAGE), || Arc::clone(&ZERO));
        }
    }

    /// Cuts or grows to `len`.
    pub fn set_len(&mut self, len: usize) {
        self.grow(len);
        if len < self.len {
            self.pages.truncate(len.div_ceil(PAGE));
            self.len = len;
            let tail = len % PAGE;
            if tail > 0 {
                let page = Arc::make_mut(&mut self.pages[len / PAGE]);
                page.hash = OnceLock::new();
                page.bytes[tail..].fill(0);
            }
        }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies from `offset`; fewer bytes at the end of the file.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len);
        let n = buf.len().min(self.len - from);
        let mut done = 0;
        while done < n {
            let at = from + done;
            let step = (n - done).min(PAGE - at % PAGE);
            let page = &self.pages[at / PAGE];
            buf[done..done + step].copy_from_slice(&page.bytes[at % PAGE..at % PAGE + step]);
            done += step;
        }
        n
    }

    /// The whole content.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.pages.len() * PAGE);
        for page in &self.pages {
            out.extend_from_slice(&page.bytes);
        }
        out.truncate(self.len);
        out
    }

    /// Feeds length and content, by page hashes, into a hash.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&(self.len as u64).to_le_bytes());
        for page in &self.pages {
            hasher.update(page.hash.get_or_init(|| {
                let mut short = [0; 16];
                short.copy_from_slice(&blake3::hash(&page.bytes).as_bytes()[..16]);
                short
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn hash(f: &CowFile) -> blake3::Hash {
        let mut h = blake3::Hasher::new();
        f.hash_into(&mut h);
        h.finalize()
    }

    #[test]
    fn equals_a_plain_vector() {
        let mut rng = Rng::new(7);
        let mut file = CowFile::default();
        let mut plain: Vec<u8> = Vec::new();
        for _ in 0..2000 {
            let at = rng.below(20_000);
            if rng.chance(20) {
                file.set_len(at);
                plain.resize(at, 0);
            } else {
                let bytes: Vec<u8> = (0..rng.below(9000)).map(|_| rng.next() as u8).collect();
                file.write(at, &bytes);
                plain.resize(plain.len().max(at + bytes.len()), 0);
                plain[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            assert_eq!(file.len(), plain.len());
        }
        assert_eq!(file.to_vec(), plain);
        assert_eq!(hash(&file), hash(&CowFile::from_bytes(&plain)));
        let mut part = vec![0; 5000];
        let n = file.read(&mut part, 3000);
        assert_eq!(&part[..n], &plain[3000..plain.len().min(8000)]);
    }

    #[test]
    fn a_copy_is_its_own() {
        let a = CowFile::from_bytes(b"abc");
        let mut b = a.clone();
        b.write(1, b"x");
        assert_eq!(a.to_vec(), b"abc");
        assert_ne!(hash(&a), hash(&b));
    }
}
