//! Writes the outcome of a suite of scenarios as a JUnit report, the form that CI servers show.
//!
//! Which scenarios are run and what counts as a failure is decided elsewhere.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use thiserror::Error;

use crate::host::files::{self, FileError};

/// Whether the bytes of a file are those of such a report.
#[must_use]
pub fn is_report(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
    head.starts_with("<?xml") && head.contains("<testsuites")
}

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum JunitError {
    /// A case lasted for a time that is none.
    #[error("case {name:?} of {family:?} cannot have lasted for {seconds} s")]
    Seconds {
        /// The family of the case.
        family: String,
        /// The name of the case.
        name: String,
        /// The time as it was given.
        seconds: f64,
    },
    /// The report could not be turned into XML.
    #[error("cannot turn the report into xml: {cause}")]
    Serialize {
        /// What went wrong.
        cause: SerializeError,
    },
    /// The file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// How one case ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseResult {
    /// What the case belongs to, the family of its scenario for instance.
    pub family: String,
    /// Tells the cases of a family apart.
    pub name: String,
    /// The file that it stands in, so that who reads the report finds it.
    pub file: String,
    /// How long it took on the wall clock.
    pub seconds: f64,
    /// What became of it.
    pub outcome: CaseOutcome,
}

/// What became of a case. The first line of a reason becomes its headline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseOutcome {
    /// All was met.
    Passed,
    /// What was expected and not met.
    Failed(String),
    /// Why it could not be run, though it should have been.
    Error(String),
    /// Why it was left out.
    Skipped(String),
}

/// Writes a report with one suite, whose cases stand in the order given.
///
/// Characters that XML cannot carry are dropped. An earlier report at `path` is replaced in one step.
///
/// # Errors
/// [`JunitError::Seconds`] for a negative or endless time, else why the file could not be written.
pub fn write_junit(path: &Path, suite_name: &str, cases: &[CaseResult]) -> Result<(), JunitError> {
    let mut suite = TestSuite::new(suite_name);
    let mut total = Duration::ZERO;
    for case in cases {
        let time = Duration::try_from_secs_f64(case.seconds).map_err(|_| JunitError::Seconds {
            family: case.family.clone(),
            name: case.name.clone(),
            seconds: case.seconds,
        })?;
        total = total.saturating_add(time);
        let mut test_case = TestCase::new(case.name.as_str(), status(&case.outcome));
        test_case.set_classname(case.family.as_str()).set_time(time);
        test_case.extra.insert("file".into(), case.file.as_str().into());
        suite.add_test_case(test_case);
    }
    suite.set_time(total);
    let mut report = Report::new(suite_name);
    report.set_time(total).add_test_suite(suite);
    let xml = report.to_string().map_err(|cause| JunitError::Serialize { cause })?;
    Ok(files::write_atomically(path, xml.as_bytes())?)
}

fn status(outcome: &CaseOutcome) -> TestCaseStatus {
    let (mut status, reason) = match outcome {
        CaseOutcome::Passed => return TestCaseStatus::success(),
        CaseOutcome::Failed(reason) => (TestCaseStatus::non_success(NonSuccessKind::Failure), reason),
        CaseOutcome::Error(reason) => (TestCaseStatus::non_success(NonSuccessKind::Error), reason),
        CaseOutcome::Skipped(reason) => (TestCaseStatus::skipped(), reason),
    };
    status.set_message(reason.lines().next().unwrap_or_default()).set_description(reason.as_str());
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, seconds: f64, outcome: CaseOutcome) -> CaseResult {
        CaseResult { family: "cut_in".into(), name: name.into(), file: format!("cut_in/{name}.ron"), seconds, outcome }
    }

    #[test]
    fn the_report_counts_and_quotes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        let failed = CaseOutcome::Failed("min_ttc_s 0.9 < 1.5\nat step <204>\u{1b}".into());
        let cases = [
            case("smeared_lens", 1.5, CaseOutcome::Passed),
            case("night", 0.25, failed),
            case("bend", 0.0, CaseOutcome::Error("bend.ron:3:1: no lane".into())),
            case("wide", 0.0, CaseOutcome::Skipped("another camera".into())),
        ];
        write_junit(&path, "roadproof", &cases).unwrap();
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="roadproof" tests="4" failures="1" errors="1" time="1.750">
    <testsuite name="roadproof" tests="4" disabled="1" errors="1" failures="1" time="1.750">
        <testcase name="smeared_lens" classname="cut_in" time="1.500" file="cut_in/smeared_lens.ron">
        </testcase>
        <testcase name="night" classname="cut_in" time="0.250" file="cut_in/night.ron">
            <failure message="min_ttc_s 0.9 &lt; 1.5">min_ttc_s 0.9 &lt; 1.5
at step &lt;204&gt;</failure>
        </testcase>
        <testcase name="bend" classname="cut_in" time="0.000" file="cut_in/bend.ron">
            <error message="bend.ron:3:1: no lane">bend.ron:3:1: no lane</error>
        </testcase>
        <testcase name="wide" classname="cut_in" time="0.000" file="cut_in/wide.ron">
            <skipped message="another camera">another camera</skipped>
        </testcase>
    </testsuite>
</testsuites>
"#;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        for seconds in [-1.0, f64::NAN, f64::INFINITY] {
            let error = write_junit(&path, "roadproof", &[case("a", seconds, CaseOutcome::Passed)]).unwrap_err();
            assert!(matches!(error, JunitError::Seconds { .. }), "{error}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/report.xml");
        let error = write_junit(&path, "roadproof", &[]).unwrap_err();
        assert!(matches!(error, JunitError::File(_)), "{error}");
    }
}
