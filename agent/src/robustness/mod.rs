//! The robustness report of a driver: what sensor faults and attacks leave of its driving, and whether the attacks can be
//! believed.
//!
//! [`measure`] makes a [`Report`], which is written as `robustness.json` and as a page for people, `report.html`, that needs
//! nothing but itself. Everything in it follows from the driver's weights, the scenario files and the [`Plan`]; only
//! `wall_clock_s` does not.
//!
//! Thousands of drives go through one fleet of fixed size, those under attack a few at a time on every core. Experiments
//! (`attacks/examine.rs`) know only objectives, verdicts (`attacks/checklist.rs`) only figures, so that the check-list is itself
//! tested on objectives that deceive attacks in known ways (`attacks/deceptive.rs`): each must fail the check made for it.

mod plan;

mod agenda;

mod drives;

mod comfort;

mod faults;

mod attacks;

mod report;

mod kept;

mod page;

pub use attacks::checklist::{Check, CheckVerdict};
pub use attacks::closed_loop::{AttackedDrive, ClosedLoop, Group, WorstPoint};
pub use attacks::curve::{Curve, Point};
pub use attacks::deepen::MoreEffort;
pub use attacks::examine::OpenLoop;
pub use attacks::run::Run;
pub use attacks::strength::{DrivePoint, WorstDrive};
pub use attacks::turned::Turned;
pub use comfort::{CleanDriving, CleanDrivingTotals};
pub use drives::Skipped;
pub use faults::matrix::{Cell, CleanDrive, CleanFamily, KindResult, Matrix, SeverityResult};
pub use faults::moments::{BreakingMoment, MomentView};
pub use page::html::page;
pub use page::summary::summary;
pub use plan::{Part, Plan};
pub use report::{FORMAT, Headline, Report, measure};
