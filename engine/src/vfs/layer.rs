//! A file system over another one: whoever changes a few calls writes these and no others.

use std::io;
use std::path::{Path, PathBuf};

use crate::vfs::{LockGuard, ReadAt, Vfs, VfsFile};

/// What lies over another file system. Every call goes through unless it is written otherwise; each
/// `Layer` is a [`Vfs`].
pub trait Layer: Send + Sync {
    /// The file system below.
    fn below(&self) -> &dyn Vfs;

    /// See [`Vfs::create`].
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.below().create(path)
    }

    /// See [`Vfs::open`].
    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        self.below().open(path)
    }

    /// See [`Vfs::map`].
    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        self.below().map(path)
    }

    /// See [`Vfs::remove`].
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.below().remove(path)
    }

    /// See [`Vfs::rename`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.below().rename(from, to)
    }

    /// See [`Vfs::list`].
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.below().list(dir)
    }

    /// See [`Vfs::create_dir`].
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.below().create_dir(dir)
    }

    /// See [`Vfs::sync_dir`].
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.below().sync_dir(dir)
    }

    /// See [`Vfs::resolve`].
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        self.below().resolve(path)
    }

    /// See [`Vfs::free_space`].
    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.below().free_space(dir)
    }

    /// See [`Vfs::file_system`].
    fn file_system(&self, path: &Path) -> io::Result<Option<String>> {
        self.below().file_system(path)
    }

    /// See [`Vfs::exists`].
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.below().exists(path)
    }

    /// See [`Vfs::lock`].
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.below().lock(path)
    }
}

impl<T: Layer> Vfs for T {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Layer::create(self, path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        Layer::open(self, path)
    }

    fn map(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Layer::map(self, path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Layer::remove(self, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Layer::rename(self, from, to)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Layer::list(self, dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        Layer::create_dir(self, dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Layer::sync_dir(self, dir)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Layer::resolve(self, path)
    }

    fn free_space(&self, dir: &Path) -> io::Result<Option<u64>> {
        Layer::free_space(self, dir)
    }

    fn file_system(&self, path: &Path) -> io::Result<Option<String>> {
        Layer::file_system(self, path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Layer::exists(self, path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        Layer::lock(self, path)
    }
}
