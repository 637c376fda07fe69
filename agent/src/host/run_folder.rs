//! The folder of one run: where it lies, that it is ours to fill, and its files by name.
//!
//! What the files contain belongs to the stages that write them. The folder counts as a run as soon as it holds
//! [`SETTINGS_FILE`].
//!
//! Nothing is looked for and then made: a folder's name is taken by making the folder, so that two runs that begin
//! together cannot share one.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use crate::host::files::{self, FileError};
use crate::host::folder_lock::{FolderLock, NotOurs};

/// The file that makes a folder a run: the settings it was started with.
pub const SETTINGS_FILE: &str = "settings.ron";

/// Why a run folder cannot be used; the operating system's reason is part of the message.
#[derive(Debug, Error)]
pub enum RunFolderError {
    /// A new run was to start where files lie already.
    #[error("the folder of a new run must be empty, choose another `--out` or continue it with `--resume`: {path:?}")]
    NotEmpty {
        /// The folder as it was given.
        path: PathBuf,
    },
    /// Something lies at the path, and it is no folder.
    #[error("not a folder: {path:?}")]
    NotAFolder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// Another process trains it.
    #[error("another process is writing into this folder of a run, wait for it to end: {path:?}")]
    Busy {
        /// The folder as it was given.
        path: PathBuf,
    },
    /// The folder cannot be made, or nothing can be written in it.
    #[error("cannot create or write the folder of the run ({cause}) at {path:?}")]
    Create {
        /// What the operating system said.
        cause: io::Error,
        /// The folder as it was given.
        path: PathBuf,
    },
    /// The run to continue is not there.
    #[error("no such run folder: {path:?}")]
    Missing {
        /// The folder as it was given.
        path: PathBuf,
    },
    /// The folder is there but holds no settings.
    #[error("neither driver.ron nor {SETTINGS_FILE} in it, so this is not the folder of a run or a driver: {path:?}")]
    NotARun {
        /// The folder as it was given.
        path: PathBuf,
    },
    /// The folder cannot be looked at.
    #[error("cannot look into the folder of the run ({cause}) at {path:?}")]
    Inspect {
        /// What the operating system said.
        cause: io::Error,
        /// The folder as it was given.
        path: PathBuf,
    },
    /// It was there and is not any more.
    #[error("the folder of the run has been removed while it was written to: {path:?}")]
    Removed {
        /// The folder as it was given.
        path: PathBuf,
    },
    /// A file in the folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A folder that holds one run, or is about to. Clones share what the folder was opened for.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// Held while the run is trained.
    _lock: Option<Arc<FolderLock>>,
}

impl RunFolder {
    /// Makes the folder of a new run, with its parents, and locks it. An empty folder that is there already will do.
    ///
    /// # Errors
    /// [`RunFolderError::NotEmpty`], [`RunFolderError::NotAFolder`], [`RunFolderError::Busy`], and [`RunFolderError::Create`] also
    /// where the folder is there but read-only: better now than after an hour of driving.
    pub fn create(path: &Path) -> Result<Self, RunFolderError> {
        if path.exists() && !path.is_dir() {
            return Err(RunFolderError::NotAFolder { path: path.into() });
        }
        fs::create_dir_all(path).map_err(|cause| RunFolderError::Create { cause, path: path.into() })?;
        let lock = FolderLock::take_empty(path).map_err(|reason| RunFolderError::not_ours(reason, path))?;
        Ok(Self { root: path.into(), _lock: Some(Arc::new(lock)) })
    }

    /// Makes the folder of a new run in `runs_dir`, under a name that nothing has yet: `<UTC date>T<UTC time>Z-<name_hint>`.
    ///
    /// # Errors
    /// As [`RunFolder::create`].
    pub fn create_in(runs_dir: &Path, name_hint: &str) -> Result<Self, RunFolderError> {
        Self::create(&new_folder(runs_dir, name_hint)?)
    }

    /// Opens the folder of a run to go on with it, and locks it.
    ///
    /// # Errors
    /// As [`RunFolder::open`], and [`RunFolderError::Busy`] where it is being trained already.
    pub fn resume(path: &Path) -> Result<Self, RunFolderError> {
        let run = Self::open(path)?;
        let lock = FolderLock::take(path).map_err(NotOurs::from).and_then(|lock| lock.ok_or(NotOurs::Busy));
        let lock = lock.map_err(|reason| RunFolderError::not_ours(reason, path))?;
        Ok(Self { _lock: Some(Arc::new(lock)), ..run })
    }

    /// Opens the folder of a run that was started earlier, to read it; it may be in training.
    ///
    /// # Errors
    /// [`RunFolderError::Missing`], [`RunFolderError::NotAFolder`], [`RunFolderError::NotARun`], and
    /// [`RunFolderError::Inspect`] where the permissions forbid to tell.
    pub fn open(path: &Path) -> Result<Self, RunFolderError> {
        let not_inspected = |cause| RunFolderError::Inspect { cause, path: path.into() };
        if !path.try_exists().map_err(not_inspected)? {
            return Err(RunFolderError::Missing { path: path.into() });
        }
        if !path.is_dir() {
            return Err(RunFolderError::NotAFolder { path: path.into() });
        }
        let settings = path.join(SETTINGS_FILE);
        if !settings.try_exists().map_err(not_inspected)? {
            return Err(RunFolderError::NotARun { path: path.into() });
        }
        Ok(Self { root: path.into(), _lock: None })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the file `name` lies, or would; `name` may contain folders, as in `policies/best.bin`.
    ///
    /// # Panics
    /// If `name` leads out of the run folder: names are ours, not the user's.
    pub fn path(&self, name: &str) -> PathBuf {
        let mut components = Path::new(name).components();
        let inside = components.all(|component| matches!(component, Component::Normal(_)));
        assert!(inside && !name.is_empty(), "not a name inside a run folder: {name:?}");
        self.root.join(name)
    }

    /// Writes the file `name` in one step, as [`files::write_atomically`] does, and makes the folders in its name.
    ///
    /// # Errors
    /// [`RunFolderError::File`]; an earlier file of that name keeps its content then. [`RunFolderError::Removed`], because half a run in
    /// a new folder of that name would be none.
    ///
    /// # Panics
    /// As [`RunFolder::path`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunFolderError> {
        let path = self.path(name);
        self.check_there()?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|cause| FileError::Create { cause, path: path.clone() })?;
        }
        files::write_atomically(&path, bytes).or_else(|error| {
            // It may have been removed while this was written.
            self.check_there()?;
            Err(error.into())
        })
    }

    /// Refuses to go on in a folder that was removed.
    fn check_there(&self) -> Result<(), RunFolderError> {
        self.root.is_dir().then_some(()).ok_or_else(|| RunFolderError::Removed { path: self.root.clone() })
    }

    /// Reads the file `name`.
    ///
    /// # Errors
    /// [`RunFolderError::File`], also where the file is not there.
    ///
    /// # Panics
    /// As [`RunFolder::path`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, RunFolderError> {
        Ok(files::read(&self.path(name))?)
    }
}

impl RunFolderError {
    fn not_ours(reason: NotOurs, path: &Path) -> Self {
        let path = path.to_owned();
        match reason {
            NotOurs::NotEmpty => Self::NotEmpty { path },
            NotOurs::Busy => Self::Busy { path },
            NotOurs::Io(cause) => Self::Create { cause, path },
        }
    }
}

/// Makes a new folder in `parent`, which it makes as well if need be: `<UTC date>T<UTC time>Z-<name_hint>`.
///
/// `name_hint` tells such folders apart for people, by the seed for instance; all but letters, digits, `_` and `.` in it
/// becomes `-`. Two folders of one second get the endings `-2`, `-3` and so on, whichever processes make them. The clock names the
/// folder and nothing else.
///
/// # Errors
/// [`RunFolderError::Create`].
pub fn new_folder(parent: &Path, name_hint: &str) -> Result<PathBuf, RunFolderError> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    new_folder_of(parent, since_epoch.as_secs(), name_hint)
}

fn new_folder_of(parent: &Path, unix_s: u64, name_hint: &str) -> Result<PathBuf, RunFolderError> {
    let hint: String = name_hint
        .chars()
        .map(|c| match c {
            '_' | '.' => c,
            _ if c.is_alphanumeric() => c,
            _ => '-',
        })
        .collect();
    let name = format!("{}-{hint}", utc_date_time(unix_s));
    fs::create_dir_all(parent).map_err(|cause| RunFolderError::Create { cause, path: parent.into() })?;
    let mut count = 1_u64;
    loop {
        let path = parent.join(if count == 1 { name.clone() } else { format!("{name}-{count}") });
        // Made rather than looked for: whoever looks first and makes then shares it with who did so at the same time.
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => count += 1,
            Err(cause) => return Err(RunFolderError::Create { cause, path }),
        }
    }
}

/// `20260131T235959Z`: ISO 8601 in its basic form, which every file system accepts and sorts by time.
fn utc_date_time(unix_s: u64) -> String {
    let [year, month, day, hour, minute, second] = utc(unix_s);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Now in UTC: `2026-01-31T23:59:59Z`.
///
/// # Source
/// RFC 3339.
#[must_use]
pub fn utc_now() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let [year, month, day, hour, minute, second] = utc(since_epoch.as_secs());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month, day, hour, minute and second.
///
/// # Source
/// `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn utc(unix_s: u64) -> [u64; 6] {
    let (days, second_of_day) = (unix_s / 86_400, unix_s % 86_400);
    // Years begin in March, so that the leap day is the last of its year; eras of 400 years begin in year 0.
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    [year, month, day_of_month, second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_run_is_written_and_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/first");
        let run = RunFolder::create(&path).unwrap();
        run.write(SETTINGS_FILE, b"(seed: 7)").unwrap();
        run.write("policies/best.bin", &[1, 2, 3]).unwrap();
        let opened = RunFolder::open(&path).unwrap();
        assert_eq!(opened.root(), run.root());
        assert_eq!(opened.read("policies/best.bin").unwrap(), [1, 2, 3]);
        assert_eq!(opened.path("policies/best.bin"), path.join("policies").join("best.bin"));
        let error = opened.read("absent.bin").unwrap_err();
        assert!(matches!(error, RunFolderError::File(FileError::Read { .. })), "{error}");
    }

    #[test]
    fn a_folder_that_was_removed_is_not_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&dir.path().join("run")).unwrap();
        run.write("a.bin", b"a").unwrap();
        fs::remove_dir_all(run.root()).unwrap();
        assert!(matches!(run.write("a.bin", b"a"), Err(RunFolderError::Removed { .. })));
        assert!(!run.root().exists());
    }

    #[test]
    fn a_folder_with_files_is_no_place_for_a_new_run() {
        let folder = tempfile::tempdir().unwrap();
        RunFolder::create(folder.path()).expect("an empty folder will do");
        fs::write(folder.path().join("thesis.tex"), b"years of work").unwrap();
        let message = RunFolder::create(folder.path()).unwrap_err().to_string();
        assert!(message.contains("`--out`") && message.contains("`--resume`"), "{message}");
        assert!(message.ends_with(&format!("{:?}", folder.path())), "{message}");
    }

    #[test]
    fn a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"").unwrap();
        for error in [RunFolder::create(&path).unwrap_err(), RunFolder::open(&path).unwrap_err()] {
            assert!(matches!(error, RunFolderError::NotAFolder { .. }), "{error}");
        }
        let error = RunFolder::create(&path.join("below")).unwrap_err();
        assert!(matches!(error, RunFolderError::Create { .. }), "{error}");
    }

    #[test]
    fn only_the_folder_of_a_run_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let error = RunFolder::open(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(error, RunFolderError::Missing { .. }), "{error}");
        let error = RunFolder::open(folder.path()).unwrap_err();
        assert!(matches!(error, RunFolderError::NotARun { .. }), "{error}");
    }

    #[test]
    #[should_panic(expected = "not a name inside a run folder")]
    fn a_name_does_not_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        RunFolder::create(folder.path()).unwrap().path("../other");
    }

    #[test]
    fn dates_follow_the_calendar() {
        // Each from `date --utc --date=@<seconds> +%Y%m%dT%H%M%SZ`.
        for (unix_s, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(utc_date_time(unix_s), expected);
        }
    }

    #[test]
    fn folders_of_one_second_have_names_of_their_own() {
        let parent = tempfile::tempdir().unwrap();
        let expected = ["", "-2", "-3"].map(|ending| format!("19700101T000000Z-cut-in-41{ending}"));
        for name in expected {
            assert_eq!(new_folder_of(parent.path(), 0, "cut/in 41").unwrap(), parent.path().join(name));
        }
    }

    #[test]
    fn many_that_start_at_once_share_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        let made: Vec<PathBuf> = std::thread::scope(|scope| {
            let make = || (0..20).map(|_| new_folder_of(parent.path(), 0, "seed").unwrap()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<_> = made.iter().collect();
        assert_eq!((made.len(), different.len()), (160, 160));
    }

    #[test]
    fn a_run_is_trained_by_one_at_a_time_and_read_by_all() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path()).unwrap();
        let error = RunFolder::create(folder.path()).unwrap_err();
        assert!(matches!(error, RunFolderError::Busy { .. }), "{error}");
        run.write(SETTINGS_FILE, b"()").unwrap();
        RunFolder::open(folder.path()).expect("whoever reads may");
        let shared = run.clone();
        drop(run);
        let error = RunFolder::resume(folder.path()).unwrap_err();
        assert!(matches!(&error, RunFolderError::Busy { path } if path == folder.path()), "{error}");
        drop(shared);
        RunFolder::resume(folder.path()).expect("nobody trains it any more");
    }
}
