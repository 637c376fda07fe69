//! One process at a time writes into a folder: whoever holds the lock on a file in it.
//!
//! The operating system releases the lock when the process ends, however it ends, so that none has to be removed by hand.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file that is locked; it lies in the folder only as long as somebody holds the lock, or died of it.
const LOCK_FILE: &str = ".lock";

/// The right to write into a folder, until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Takes the lock of a folder; `None` if another process, or another part of this one, holds it.
    ///
    /// # Errors
    /// If no file can be made in the folder.
    pub fn take(folder: &Path) -> io::Result<Option<Self>> {
        Self::locked(folder, |file| !matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the lock of a folder as soon as nobody else holds it.
    ///
    /// # Errors
    /// If no file can be made in the folder.
    pub fn wait_for(folder: &Path) -> io::Result<Self> {
        let waited = Self::locked(folder, |file| {
            let _ = file.lock();
            true
        });
        Ok(waited?.expect("it was waited for"))
    }

    /// Some file systems of clusters know no locks: `lock` says no only where another holds it, for work is worth more than the
    /// check.
    fn locked(folder: &Path, lock: impl Fn(&File) -> bool) -> io::Result<Option<Self>> {
        let path = folder.join(LOCK_FILE);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
            if !lock(&file) {
                return Ok(None);
            }
            // Between opening and locking, the file may have been removed by who held the lock before.
            if is_still_there(&file, &path) {
                return Ok(Some(Self { file, path }));
            }
        }
    }

    /// Takes the lock of a folder that nobody has put anything into.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub fn take_empty(folder: &Path) -> Result<Self, NotOurs> {
        // Once before, so that not even a lock is put among other people's files.
        check_empty(folder)?;
        let lock = Self::take(folder)?.ok_or(NotOurs::Busy)?;
        check_empty(folder)?;
        Ok(lock)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // First the name, then the lock: whoever opened the file in between sees that it is gone.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Whether the name still means the file.
#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().map(place).ok() == fs::metadata(path).map(place).ok()
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn is_still_there(_: &File, _: &Path) -> bool {
    true
}

/// Why a folder is not ours to fill.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// There are files in it.
    #[error("it is not empty")]
    NotEmpty,
    /// Another process writes into it.
    #[error("another process is writing into it")]
    Busy,
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Expects nothing but what locks leave.
fn check_empty(folder: &Path) -> Result<(), NotOurs> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() != OsStr::new(LOCK_FILE) {
            return Err(NotOurs::NotEmpty);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_lock_at_a_time_and_it_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap().expect("nobody holds it");
        assert!(FolderLock::take(folder.path()).unwrap().is_none());
        assert!(matches!(FolderLock::take_empty(folder.path()), Err(NotOurs::Busy)));
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(FolderLock::take(folder.path()).unwrap().is_some());
    }

    #[test]
    fn a_lock_file_whose_process_died_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK_FILE), b"").unwrap();
        assert!(FolderLock::take_empty(folder.path()).is_ok());
        fs::write(folder.path().join("thesis.tex"), b"years of work").unwrap();
        assert!(matches!(FolderLock::take_empty(folder.path()), Err(NotOurs::NotEmpty)));
    }

    #[test]
    fn many_at_once_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        fs::write(&count, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = FolderLock::wait_for(folder.path()).unwrap();
                        let number: u32 = fs::read_to_string(&count).unwrap().parse().unwrap();
                        fs::write(&count, (number + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&count).unwrap(), "400");
    }
}
