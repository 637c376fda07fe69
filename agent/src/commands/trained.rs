//! Under which settings a driver was trained, by the name that people type for it.

use crate::driver::program::PREFIX;
use crate::driver::{DriverSpec, SPEC_FILE};
use crate::host::run_folder::SETTINGS_FILE;
use crate::train::settings::Settings;
use anyhow::Context;
use roadproof_sim::{Seed, generate_drive};
use std::path::Path;

/// Settings of `train` for the shipped driver, and of `train --harden` for the hardened one.
const NOMINAL: &str = include_str!("../../../assets/weights/settings.ron");
const HARDENED: &str = include_str!("../../../assets/weights/hardened/settings.ron");
/// Settings of `train --without-camera` for the driver that ships without one.
const ODOMETRY: &str = include_str!("../../../assets/weights/odometry/settings.ron");

/// Where the settings of a driver are to be had.
enum Source<'a> {
    /// Nowhere: it was not trained.
    Nowhere,
    /// In the program, with the path that errors name.
    BuiltIn(&'static str, &'static str),
    /// In a folder, unless the driver came without its run.
    Folder(&'a Path),
}

/// Where those of the driver of this name are. `blind` has those of `blind_run`, or of the shipped driver.
fn source<'a>(name: &'a str, blind_run: Option<&'a Path>) -> Source<'a> {
    match (name, blind_run) {
        ("scripted" | "straight" | "random", _) => Source::Nowhere,
        (program, _) if program.starts_with(PREFIX) => Source::Nowhere,
        ("shipped", _) | ("blind", None) => Source::BuiltIn(NOMINAL, "assets/weights/settings.ron"),
        ("hardened", _) => Source::BuiltIn(HARDENED, "assets/weights/hardened/settings.ron"),
        ("odometry", _) => Source::BuiltIn(ODOMETRY, "assets/weights/odometry/settings.ron"),
        ("blind", Some(run)) => Source::Folder(run),
        (folder, _) => Source::Folder(Path::new(folder)),
    }
}

/// The settings that the driver of this name was trained under. Who was not trained has the default ones, and so has a driver
/// that came without its run, with its own camera.
///
/// # Errors
/// A folder whose settings cannot be used, or are not for its driver.
pub(super) fn trained_under(name: &str, blind_run: Option<&Path>) -> anyhow::Result<Settings> {
    let folder = match source(name, blind_run) {
        Source::Nowhere => return Ok(Settings::default()),
        Source::BuiltIn(text, path) => return Ok(Settings::parse(text, Path::new(path))?),
        Source::Folder(folder) => folder,
    };
    let (path, driver) = (folder.join(SETTINGS_FILE), DriverSpec::read(folder)?);
    let settings = if path.exists() { Settings::read(&path)? } else { Settings::of_driver(&driver) };
    // Roads are drawn as the settings say, and driven as the driver is: they must be for each other.
    let road = generate_drive(Seed(settings.seed), &settings.drive);
    driver.fits(&road).with_context(|| format!("the settings are not for the driver beside them: {path:?}"))?;
    Ok(settings)
}

/// Whether a folder is that of a run or a driver.
pub(super) fn is_run(folder: &Path) -> bool {
    folder.join(SETTINGS_FILE).exists() || folder.join(SPEC_FILE).exists()
}

/// Whether it is known under which settings the driver of this name was trained.
pub(super) fn settings_known(name: &str, blind_run: Option<&Path>) -> bool {
    match source(name, blind_run) {
        Source::Nowhere => false,
        Source::BuiltIn(..) => true,
        Source::Folder(folder) => folder.join(SETTINGS_FILE).exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;

    #[test]
    fn drivers_that_ship_are_made_of_what_their_settings_say() {
        for name in ["shipped", "hardened", "blind"] {
            let settings = trained_under(name, None).expect("settings");
            let (Driver::Learned(driver) | Driver::Blind(driver)) = Driver::named(name, None).expect("a driver") else {
                panic!("{name} has learnt");
            };
            assert_eq!(driver.spec(), &settings.driver(), "{name}");
        }
        let driver = crate::driver::OdometryDriver::shipped().expect("it is built in");
        assert_eq!(driver.spec(), &trained_under("odometry", None).expect("settings").driver());
    }

    #[test]
    fn a_driver_without_its_run_has_default_settings_and_its_own_camera() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "(camera: (width_px: 96, height_px: 96), policy: (hidden: 7))";
        std::fs::write(folder.path().join(crate::driver::SPEC_FILE), text).expect("a file");
        let settings = trained_under(&folder.path().to_string_lossy(), None).expect("settings");
        assert_eq!((settings.drive.camera.height_px, settings.policy.hidden), (96, 7));
        assert_eq!(settings.learn, Settings::default().learn);
    }

    #[test]
    fn settings_for_another_driver_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        let refused = || trained_under(&folder.path().to_string_lossy(), None).expect_err("must be refused");
        write(crate::driver::SPEC_FILE, "(decision_hz: 20.0)");
        assert!(format!("{:#}", refused()).contains("decision_hz = 10, the driver was trained with 20"));
        write(crate::driver::SPEC_FILE, "()");
        write(SETTINGS_FILE, "(drive: (camera: (pitch_deg: 5.0)))");
        let refused = format!("{:#}", refused());
        assert!(refused.contains("settings.ron") && refused.contains("pitch_deg: 5.0"), "{refused}");
    }
}
