//! Whole files in one step: a reader sees the old content or the new one, never half of either. Everything that the program
//! writes comes through here, so that nothing but a regular file is ever replaced.
//!
//! What the files mean and where they lie is the business of [`run_folder`](crate::host::run_folder) and of those who
//! call it.
//!
//! A file is written beside its target and renamed over it; a link is followed; a pipe or a device is written to as it
//! is.

use crate::host::console::{self, is_standard_output};
use crate::host::interrupt::given_up;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

/// Why a file could not be read or written; the operating system's reason is part of the message.
#[derive(Debug, Error)]
pub enum FileError {
    /// The path ends in no file name, so there is nothing to write.
    #[error("not the name of a file: {path:?}")]
    NoName {
        /// The path as it was given.
        path: PathBuf,
    },
    /// What lies there is no earlier result.
    #[error(
        "there is a file that is no earlier result of this command, and it is not replaced: choose another name than {path:?}"
    )]
    NotOurs {
        /// The path as it was given.
        path: PathBuf,
    },
    /// There is no folder to write into.
    #[error("there is no folder {folder:?} for {path:?}")]
    Nowhere {
        /// The folder.
        folder: PathBuf,
        /// The file that was to be written.
        path: PathBuf,
    },
    /// Something else lies where a folder is to be: a file, or a link to nowhere.
    #[error("not a folder: {path:?}")]
    NoFolder {
        /// What lies there.
        path: PathBuf,
    },
    /// No new file could be made in the folder of the target.
    #[error("cannot create a new file ({cause}) in the folder of {path:?}")]
    Create {
        /// What the operating system said.
        cause: io::Error,
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The content could not be brought to the disk; a full disk ends here.
    #[error("cannot write {length} bytes ({cause}) for {path:?}")]
    Write {
        /// Length of the content in bytes.
        length: usize,
        /// What the operating system said.
        cause: io::Error,
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The written content could not take the place of the target.
    #[error("cannot put the new content in place ({cause}) at {path:?}")]
    Replace {
        /// What the operating system said.
        cause: io::Error,
        /// The file that was to be written.
        path: PathBuf,
    },
    /// What lies at the path is no regular file and cannot be opened, or links lead nowhere.
    #[error("cannot open for writing ({cause}) what lies at {path:?}")]
    Follow {
        /// What the operating system said.
        cause: io::Error,
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The work was given up, so that what was to be written is not what it seems.
    #[error("{reason}; not written is {path:?}")]
    GivenUp {
        /// Why it was.
        reason: &'static str,
        /// The file that was to be written.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("cannot read ({cause}) {path:?}")]
    Read {
        /// What the operating system said.
        cause: io::Error,
        /// The file that was to be read.
        path: PathBuf,
    },
}

/// Where the content of a path goes.
enum Destination {
    /// To whoever reads the program's text.
    StandardOutput,
    /// Into what is there and is no regular file, a pipe or a device: nothing may take its place.
    There(fs::File),
    /// Into a regular file, new or not, which no link stands for any more.
    File(PathBuf),
}

/// Replaces the content of a file, or creates it, in one step.
///
/// The content goes to a new file in the same folder, is brought to the disk, and takes the name over. A file that
/// was there before keeps its old content until then, whatever fails, and its permissions for good. A symbolic link is followed,
/// also to where nothing lies yet. Pipes, devices and standard output (`-`) are written to as they are. Once the work of the process
/// is given up nothing is written any more.
///
/// # Errors
/// Every variant of [`FileError`] but [`FileError::Read`] and [`FileError::NoFolder`]; the folder is left as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let not_written = |cause| FileError::Write { length: bytes.len(), cause, path: path.into() };
    if let Some(reason) = given_up() {
        return Err(FileError::GivenUp { reason, path: path.into() });
    }
    match target(path)? {
        Destination::StandardOutput => console::write_out(bytes).map_err(|error| not_written(error.cause)),
        Destination::There(mut file) => console::heard(file.write_all(bytes)).map_err(|error| not_written(error.cause)),
        Destination::File(file) => replace(&file, bytes, path),
    }
}

/// Puts the content in the place of a regular file; errors name the path as it was typed.
fn replace(file: &Path, bytes: &[u8], typed: &Path) -> Result<(), FileError> {
    let folder = folder_of(file);
    let mut new = new_file_in(folder).map_err(|cause| FileError::Create { cause, path: typed.into() })?;
    let not_written = |cause| FileError::Write { length: bytes.len(), cause, path: typed.into() };
    new.write_all(bytes).and_then(|()| as_shared_as(file, new.as_file())).map_err(not_written)?;
    new.as_file().sync_all().map_err(not_written)?;
    new.persist(file).map_err(|failed| FileError::Replace { cause: failed.error, path: typed.into() })?;
    // The content is safe already; this makes the name outlive a power cut. Some file systems refuse it.
    #[cfg(unix)]
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Gives a new file the owner and the permissions of the one whose place it takes, if there is one.
fn as_shared_as(old: &Path, new: &fs::File) -> io::Result<()> {
    let Ok(old) = fs::metadata(old) else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        // Only who may give files away can keep the owner.
        let _ = fchown(new, Some(old.uid()), Some(old.gid()));
    }
    new.set_permissions(old.permissions())
}

/// Finds out whether a file can be written, before the work whose result it is to hold; leaves nothing behind.
///
/// # Errors
/// [`FileError::NoName`], [`FileError::Create`] and [`FileError::Follow`].
pub fn check_writable(path: &Path) -> Result<(), FileError> {
    if is_standard_output(path) || is_there_and_no_file(path) {
        // Opening a pipe would wait for its reader.
        return Ok(());
    }
    if path.is_dir() {
        return Err(FileError::NoName { path: path.into() });
    }
    if let Destination::File(file) = target(path)? {
        let folder = folder_of(&file);
        if !folder.exists() {
            return Err(FileError::Nowhere { folder: folder.into(), path: path.into() });
        }
        new_file_in(folder_of(&file)).map_err(|cause| FileError::Create { cause, path: path.into() })?;
    }
    Ok(())
}

/// The same for a result: what lies there is only replaced if it is an earlier one, so that no slip of the fingers costs a scenario or
/// weights.
///
/// # Errors
/// As [`check_writable`], and [`FileError::NotOurs`].
pub fn check_result(path: &Path, is_ours: impl FnOnce(&[u8]) -> bool) -> Result<(), FileError> {
    check_writable(path)?;
    if is_standard_output(path) || is_there_and_no_file(path) {
        return Ok(());
    }
    match fs::read(path) {
        Ok(there) if !there.is_empty() && !is_ours(&there) => Err(FileError::NotOurs { path: path.into() }),
        _ => Ok(()),
    }
}

/// Finds out whether files can be written into a folder that may have to be made first, before the work whose results it is to hold;
/// leaves nothing behind.
///
/// # Errors
/// [`FileError::NoFolder`] and [`FileError::Create`].
pub fn check_folder(folder: &Path) -> Result<(), FileError> {
    let or_here = |above| if above == Path::new("") { Path::new(".") } else { above };
    let there = folder.ancestors().map(or_here).find(|above| above.exists()).unwrap_or(Path::new("."));
    // A link to nowhere is no folder, and none can be made in its place.
    let is_link_to_nowhere = !folder.exists() && folder.is_symlink();
    if !there.is_dir() || is_link_to_nowhere {
        return Err(FileError::NoFolder { path: if is_link_to_nowhere { folder } else { there }.into() });
    }
    new_file_in(there).map(drop).map_err(|cause| FileError::Create { cause, path: folder.join("") })
}

/// Whether two paths, however they are spelt, name one place, which may still be empty.
#[must_use]
pub fn same_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let folder = fs::canonicalize(folder_of(path)).unwrap_or_else(|_| folder_of(path).to_owned());
        fs::canonicalize(path).unwrap_or_else(|_| folder.join(path.file_name().unwrap_or_default()))
    };
    place(one) == place(other)
}

/// Whether a pipe, a device or the like lies there.
fn is_there_and_no_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Links that are followed before a path is given up; as many as Linux follows.
const MOST_LINKS: usize = 40;

fn target(path: &Path) -> Result<Destination, FileError> {
    if path.file_name().is_none() {
        return Err(FileError::NoName { path: path.into() });
    }
    if is_standard_output(path) {
        return Ok(Destination::StandardOutput);
    }
    let not_followed = |cause| FileError::Follow { cause, path: path.into() };
    let mut file = path.to_owned();
    for _ in 0..MOST_LINKS {
        // What a link among the system's own descriptors says is for people: only the system can follow it.
        let descriptor = is_descriptor(&file);
        if descriptor || is_there_and_no_file(&file) {
            // A file that somebody else writes to as well keeps what is in it.
            let opened = fs::OpenOptions::new().write(true).append(descriptor).open(&file);
            return opened.map(Destination::There).map_err(not_followed);
        }
        match fs::read_link(&file) {
            Ok(next) => file = folder_of(&file).join(next),
            // No link, or nothing at all.
            Err(_) => return Ok(Destination::File(file)),
        }
    }
    Err(not_followed(io::Error::other("links lead to links without an end")))
}

/// Whether a path names an open file of this or another process.
fn is_descriptor(path: &Path) -> bool {
    let folder = fs::canonicalize(folder_of(path));
    cfg!(unix) && folder.is_ok_and(|folder| folder.starts_with("/proc") || folder.starts_with("/dev/fd"))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`FileError::Read`], with the path that the bare error of the operating system lacks.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|cause| FileError::Read { cause, path: path.into() })
}

/// A file that removes itself unless it is persisted.
fn new_file_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    // A temporary file is private by default; results are shared as far as the umask allows.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The name of the file that could not be made is nobody's business.
    builder.tempfile_in(folder).map_err(|error| error.kind().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_content_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.bin");
        write_atomically(&path, b"a longer first content").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap(), b"second");
        assert_eq!(names_in(folder.path()), ["policy.bin"]);
    }

    #[test]
    fn a_failed_replacement_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        fs::write(occupied.join("old"), b"old").unwrap();
        let error = write_atomically(&occupied, b"new").unwrap_err();
        assert!(matches!(&error, FileError::Replace { path, .. } if *path == occupied), "{error}");
        assert_eq!(fs::read(occupied.join("old")).unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["occupied"]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/report.xml");
        let message = write_atomically(&path, b"").unwrap_err().to_string();
        assert!(message.starts_with("cannot create a new file ("), "{message}");
        assert!(message.ends_with("absent/report.xml\""), "{message}");
        let message = read(&path).unwrap_err().to_string();
        assert!(message.starts_with("cannot read ("), "{message}");
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        for path in ["", "/", "runs/.."] {
            let error = write_atomically(Path::new(path), b"").unwrap_err();
            assert!(matches!(error, FileError::NoName { .. }), "{path}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_as_shared_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        write_atomically(&folder.path().join("ours"), b"").unwrap();
        fs::write(folder.path().join("usual"), b"").unwrap();
        assert_eq!(mode("ours"), mode("usual"));
    }

    #[test]
    fn standard_output_can_be_written() {
        assert!(check_writable(Path::new("-")).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_also_to_what_is_not_there_yet() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("far")).unwrap();
        fs::write(at("far/old"), "old").unwrap();
        for (to, name) in [("far/old", "to_old"), ("far/new", "to_new"), ("to_old", "to_link"), ("round", "round")] {
            symlink(to, at(name)).unwrap();
        }
        for (link, file) in [("to_old", "far/old"), ("to_new", "far/new"), ("to_link", "far/old")] {
            check_writable(&at(link)).unwrap();
            write_atomically(&at(link), link.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link} was replaced");
            assert_eq!(fs::read(at(file)).unwrap(), link.as_bytes());
        }
        assert_eq!(names_in(&at("far")), ["new", "old"]);
        let error = write_atomically(&at("round"), b"").unwrap_err();
        assert!(matches!(error, FileError::Follow { .. }), "{error}");
        symlink("nowhere/file", at("lost")).unwrap();
        assert!(matches!(check_writable(&at("lost")), Err(FileError::Nowhere { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays_one() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        symlink("pipe", &link).unwrap();
        for path in [&pipe, &link] {
            check_writable(path).expect("a pipe without a reader is not waited for");
            let reading = pipe.clone();
            let reader = std::thread::spawn(move || fs::read(reading).unwrap());
            write_atomically(path, b"through").unwrap();
            assert_eq!(reader.join().unwrap(), b"through");
            assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo(), "the pipe was replaced");
        }
        assert_eq!(names_in(folder.path()), ["link", "pipe"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_open_file_is_added_to() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = fs::File::create(&path).unwrap();
        log.write_all(b"first, ").unwrap();
        write_atomically(Path::new(&format!("/proc/self/fd/{}", log.as_raw_fd())), b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first, second");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o664);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
