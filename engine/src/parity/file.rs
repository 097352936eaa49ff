//! A file that ends with its parity pages, and what one lost page of it held.

use std::io;
use std::sync::Arc;

use crate::parity::{PAGE_LEN, data_pages, pages_for, xor};
use crate::vfs::ReadAt;

/// A page in memory.
pub type Page = Box<[u8; PAGE_LEN]>;

/// An immutable file with parity, open for reading. Clones share the file.
#[derive(Clone)]
pub struct ParityFile {
    file: Arc<dyn ReadAt>,
    data: u64,
}

impl ParityFile {
    /// A file whose length fits data and parity; else `None` and the length.
    pub fn new(file: Arc<dyn ReadAt>) -> io::Result<Result<Self, u64>> {
        let len = file.len()?;
        let pages = len / PAGE_LEN as u64;
        let data = if len.is_multiple_of(PAGE_LEN as u64) { data_pages(pages) } else { None };
        Ok(data.map(|data| Self { file, data }).ok_or(len))
    }

    /// A file that should have so many pages of data, whatever is there of it: what is cut off
    /// reads as an end that comes too early.
    pub const fn cut(file: Arc<dyn ReadAt>, data: u64) -> Self {
        Self { file, data }
    }

    /// Pages of data.
    pub const fn data_pages(&self) -> u64 {
        self.data
    }

    /// Bytes of data, with the zeros to the end of the last page.
    pub const fn data_len(&self) -> u64 {
        self.data * PAGE_LEN as u64
    }

    /// Bytes of data and parity.
    pub const fn len(&self) -> u64 {
        (self.data + self.groups()) * PAGE_LEN as u64
    }

    /// Whether there are none, which is so of a file that is lost only.
    pub const fn is_empty(&self) -> bool {
        self.data == 0
    }

    /// Parity pages.
    pub const fn groups(&self) -> u64 {
        pages_for(self.data)
    }

    /// Reads as the file is.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    /// Reads a page as it is.
    pub fn page(&self, number: u64) -> io::Result<Page> {
        let mut page = Box::new([0; PAGE_LEN]);
        self.read(&mut *page, number * PAGE_LEN as u64)?;
        Ok(page)
    }

    /// What a page of data held, if all others of its group and their parity page are right.
    pub fn reconstruct(&self, number: u64) -> io::Result<Page> {
        if self.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut sum = self.page(self.data + number % self.groups())?;
        for other in self.group(number % self.groups()).filter(|other| *other != number) {
            xor(&mut *sum, &*self.page(other)?);
        }
        Ok(sum)
    }

    /// What the parity page of a group should be.
    pub fn parity_of(&self, group: u64) -> io::Result<Page> {
        let mut sum = Box::new([0; PAGE_LEN]);
        for page in self.group(group) {
            xor(&mut *sum, &*self.page(page)?);
        }
        Ok(sum)
    }

    /// The pages of data of a group.
    pub fn group(&self, group: u64) -> impl Iterator<Item = u64> + use<> {
        (group..self.data).step_by(self.groups().max(1) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::parity::Encoder;
    use crate::vfs::{MemoryVfs, Vfs, VfsFile};

    fn page(n: u64) -> Vec<u8> {
        (0..PAGE_LEN).map(|i| (i as u64 * (n + 3) % 251) as u8).collect()
    }

    fn file(pages: u64) -> (Box<dyn VfsFile>, ParityFile) {
        let disk = MemoryVfs::new();
        let path = Path::new("/f");
        let mut encoder = Encoder::new(pages);
        let file = disk.create(path).unwrap();
        for n in 0..pages {
            encoder.update(&page(n));
            file.write_at(&page(n), n * PAGE_LEN as u64).unwrap();
        }
        file.write_at(&encoder.finish(), pages * PAGE_LEN as u64).unwrap();
        let parity = ParityFile::new(disk.map(path).unwrap().into()).unwrap().ok().unwrap();
        (file, parity)
    }

    #[test]
    fn each_page_comes_back_and_neighbours_too() {
        for pages in [1, 2, 31, 32, 33, 64, 65, 100] {
            let (file, parity) = file(pages);
            assert_eq!(parity.data_pages(), pages);
            for n in 0..pages {
                file.write_at(&[0xaa; PAGE_LEN], n * PAGE_LEN as u64).unwrap();
                assert_eq!(parity.reconstruct(n).unwrap().as_slice(), page(n));
                if parity.groups() > 1 && n > 0 {
                    file.write_at(&[0; PAGE_LEN], (n - 1) * PAGE_LEN as u64).unwrap();
                    assert_eq!(parity.reconstruct(n).unwrap().as_slice(), page(n));
                    assert_eq!(parity.reconstruct(n - 1).unwrap().as_slice(), page(n - 1));
                    file.write_at(&page(n - 1), (n - 1) * PAGE_LEN as u64).unwrap();
                }
                file.write_at(&page(n), n * PAGE_LEN as u64).unwrap();
            }
            for group in 0..parity.groups() {
                assert_eq!(parity.parity_of(group).unwrap(), parity.page(pages + group).unwrap());
            }
        }
    }

    #[test]
    fn two_pages_of_one_group_do_not() {
        let (file, parity) = file(40);
        file.write_at(&[0; PAGE_LEN], 0).unwrap();
        file.write_at(&[0; PAGE_LEN], 2 * PAGE_LEN as u64).unwrap();
        assert_ne!(parity.reconstruct(0).unwrap().as_slice(), page(0));
    }

    #[test]
    fn other_lengths_are_refused() {
        let disk = MemoryVfs::new();
        for len in [0, 1, PAGE_LEN, 2 * PAGE_LEN + 1, 34 * PAGE_LEN] {
            let path = Path::new("/x").join(len.to_string());
            disk.create(&path).unwrap().set_len(len as u64).unwrap();
            let refused = ParityFile::new(disk.map(&path).unwrap().into()).unwrap().err();
            assert_eq!(refused, Some(len as u64));
        }
    }
}
