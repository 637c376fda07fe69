//! The report as one page that needs nothing but itself: styles, curves and pictures are part of the file.

use crate::formats::html::{document, escape};
use crate::robustness::page::{attacks, faults, sections};
use crate::robustness::report::Report;

/// The whole page.
#[must_use]
pub fn page(report: &Report) -> String {
    let driver = escape(report.about.driver_name());
    let mut body = format!(
        "<h1>Robustness of the driver <code>{driver}</code></h1>\n\
         <p class=\"soft\">Roadproof {}. Made by <code>{}</code></p>\n",
        report.about.roadproof,
        escape(&report.about.command)
    );
    for section in [
        sections::headline(report),
        sections::clean(report),
        faults::faults(report),
        attacks::attacks(report),
        attacks::turned(report),
        sections::checks(report),
        sections::certified(report),
        sections::settings(report),
    ] {
        body.push_str(&section);
        body.push('\n');
    }
    document(&format!("Robustness of {driver}"), &body)
}
