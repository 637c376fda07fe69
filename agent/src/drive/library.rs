//! The scenario library as one figure: of how many files a driver keeps the bounds.
//!
//! A file counts if it says something of the driver. Left out is what does not fit it, what is about a camera that it does not look
//! through, what is to end with a failure whoever drives, what replays recorded actions, and what attacks found: of these files one
//! driver was chosen for breaking. All others are driven and held to their bounds as `replay` does it, so that both count the same.

use crate::drive::replay::{Case, drive_case};
use crate::driver::{Driver, Misfit};
use crate::host::interrupt::Interrupt;
use crate::host::progress::LongWork;
use rayon::prelude::*;
use roadproof_sim::{DriverClass, Outcome, scenario};
use serde::Serialize;
use std::fmt::{self, Display};
use std::path::Path;
use std::sync::Mutex;

/// Where the library lies unless another folder is named.
pub const LIBRARY_FOLDER: &str = "scenarios";

/// The files of a folder that say something of a driver.
pub struct ScenarioLibrary {
    cases: Vec<Case>,
    left_out: usize,
    recorded: usize,
    broken: Vec<anyhow::Error>,
}

/// Of how many files a driver keeps the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LibraryCount {
    /// Files whose bounds for the driver's class its drive keeps.
    pub kept: usize,
    /// Files that it drives.
    pub driven: usize,
    /// Files that say nothing of it.
    pub left_out: usize,
    /// Of those the ones that are left out because recorded actions lie beside them.
    #[serde(skip_serializing_if = "is_zero")]
    pub recorded: usize,
    /// Files that cannot be used.
    #[serde(skip_serializing_if = "is_zero")]
    pub broken: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl ScenarioLibrary {
    /// Reads every file of a folder and keeps those that say something of a driver.
    ///
    /// # Errors
    /// A folder that cannot be read, or is without any file.
    pub fn read(folder: &Path, driver: &Driver) -> anyhow::Result<Self> {
        let (mut cases, mut left_out, mut recorded, mut broken) = (Vec::new(), 0, 0, Vec::new());
        for file in scenario::find(&[folder.to_owned()])? {
            match Case::read(&file, false) {
                Ok(case) if speaks_of(driver, &case) => cases.push(case),
                Ok(case) => {
                    left_out += 1;
                    recorded += usize::from(case.has_trace() && !case.found() && driver.fits(&case.scenario).is_ok());
                }
                Err(error) => broken.push(error),
            }
        }
        Ok(Self { cases, left_out, recorded, broken })
    }

    /// The same where a file that cannot be used is an error.
    ///
    /// # Errors
    /// As [`Self::read`], and the first file that cannot be used.
    pub fn read_sound(folder: &Path, driver: &Driver) -> anyhow::Result<Self> {
        let mut library = Self::read(folder, driver)?;
        let others = library.broken.len().saturating_sub(1);
        if library.broken.is_empty() {
            return Ok(library);
        }
        let first = library.broken.swap_remove(0);
        let more = format!("and of {others} more that cannot be used roadproof scenario check tells");
        Err(if others == 0 { first } else { anyhow::anyhow!("{first:#}; {more}") })
    }

    /// Why files cannot be used, the first mistake of each.
    #[must_use]
    pub fn broken(&self) -> &[anyhow::Error] {
        &self.broken
    }

    /// Drives the files side by side, each with a driver of its own, and tells under a name how far it has come; `None` if
    /// somebody interrupts.
    ///
    /// # Errors
    /// A driver that cannot be made, or a world that cannot be built.
    pub fn count(
        &self,
        stage: &str,
        driver: impl Fn() -> anyhow::Result<Driver> + Sync,
        threads: usize,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Option<LibraryCount>> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let work = LongWork::start(stage, self.cases.len() as u64, "files");
        let progress = Mutex::new((0, work));
        let keeps = |case: &Case| {
            if interrupt.requested() {
                return None;
            }
            let driven = driver().and_then(|mut driver| drive_case(case, &mut driver));
            if let Ok((done, work)) = progress.lock().as_deref_mut() {
                *done += 1;
                work.set(*done, "");
            }
            Some(driven.map(|report| report.failures.is_empty()))
        };
        let kept: Vec<_> = pool.install(|| self.cases.par_iter().map(keeps).collect());
        let kept: Option<anyhow::Result<Vec<bool>>> = kept.into_iter().collect();
        let Some(kept) = kept.transpose()? else { return Ok(None) };
        let (driven, kept) = (kept.len(), kept.into_iter().filter(|kept| *kept).count());
        if let Ok((_, work)) = progress.into_inner() {
            work.finish(format_args!("{kept} keep their bounds"));
        }
        Ok(Some(LibraryCount {
            kept,
            driven,
            left_out: self.left_out,
            recorded: self.recorded,
            broken: self.broken.len(),
        }))
    }
}

/// Whether what becomes of a file says something of a driver, so that the file counts.
#[must_use]
pub fn speaks_of(driver: &Driver, case: &Case) -> bool {
    let silent = says_nothing(case, driver.fits(&case.scenario), driver.class());
    silent.is_none() && !case.unseen_by(driver) && !case.found()
}

/// Why what becomes of a file says nothing of any driver of a class that fits it so; `None` if it does.
pub(crate) fn says_nothing(case: &Case, fits: Result<(), Misfit>, class: Option<DriverClass>) -> Option<String> {
    let wanted = case.scenario.bounds(class).outcome;
    if let Err(misfit) = fits {
        Some(misfit.to_string())
    } else if case.has_trace() {
        Some("it replays recorded actions".to_owned())
    } else if !matches!(wanted, Outcome::Arrived | Outcome::TimeUp) {
        Some(format!("it is to end with {wanted:?}, whoever drives"))
    } else {
        None
    }
}

impl Display for LibraryCount {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, driven, left_out, recorded, broken } = self;
        if *driven == 0 {
            write!(text, "none of {left_out} scenario files says anything of this driver")?;
        } else {
            write!(
                text,
                "{kept} of {driven} scenario files keep their bounds; {left_out} others say nothing of this driver"
            )?;
        }
        if *recorded > 0 {
            write!(text, ", {recorded} of them because a trace lies beside")?;
        }
        if *broken > 0 { write!(text, "; {broken} cannot be used") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name)
    }

    /// For each family the names of the files that count.
    fn counted(family: &str, driver: &Driver) -> Vec<String> {
        let library = ScenarioLibrary::read(&folder(family), driver).expect("files that can be read");
        let all = scenario::find(&[folder(family)]).expect("files").len();
        assert_eq!(library.cases.len() + library.left_out, all, "{family}");
        library.cases.iter().map(Case::name).collect()
    }

    #[test]
    fn files_that_say_nothing_of_a_driver_do_not_count() {
        let (scripted, hardened) = (Driver::Scripted, Driver::named("hardened", None).expect("it is built in"));
        let regression = counted("regression", &hardened);
        let has = |files: &[String], name: &str| files.iter().any(|file| file == name);
        assert!(has(&regression, "two_others_crash"), "{regression:?}");
        for (left_out, why) in [
            ("sign_in_the_way", "it is to end in a collision"),
            ("blurred_cut_in", "it replays recorded actions"),
            ("swerve_at_five_hertz", "it has another decision rate"),
        ] {
            assert!(folder("regression").join(left_out).with_extension("ron").exists(), "{left_out}");
            assert!(!has(&regression, left_out), "{left_out}: {why}");
        }
        assert!(counted("found", &hardened).is_empty(), "they were chosen for a driver who broke");
        assert!(
            has(&counted("sensor_faults", &hardened), "blur") && !has(&counted("sensor_faults", &scripted), "blur")
        );
    }

    #[test]
    fn who_keeps_all_bounds_and_who_keeps_none_are_told_apart() {
        let count = |name: &str| {
            let driver = || Driver::named(name, None);
            let library = ScenarioLibrary::read(&folder("lane_keeping"), &driver()?)?;
            library.count(name, driver, 2, &Interrupt::never())
        };
        let scripted = count("scripted").expect("files").expect("nobody interrupts");
        assert!(scripted.kept == scripted.driven && scripted.driven > 3, "{scripted:?}");
        let straight = count("straight").expect("files").expect("nobody interrupts");
        assert!(straight.kept < straight.driven && straight.driven == scripted.driven, "{straight:?}");
        let library = ScenarioLibrary::read(&folder("lane_keeping"), &Driver::Scripted).expect("files");
        let interrupted = library.count("scripted", || Ok(Driver::Scripted), 1, &Interrupt::after(1)).expect("files");
        assert_eq!(interrupted, None, "half a count is none");
    }
}
