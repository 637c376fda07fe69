//! The report in a few lines, for a terminal: beside each figure that flatters the one that does not.

use crate::host::console;
use crate::robustness::attacks::checklist::CheckVerdict;
use crate::robustness::attacks::closed_loop::{ClosedLoop, Group};
use crate::robustness::attacks::examine::OpenLoop;
use crate::robustness::comfort::CleanDrivingTotals;
use crate::robustness::faults::matrix::Matrix;
use crate::robustness::page::figures::{broken_most, counted, fraction, score, share, slowness};
use crate::robustness::report::Report;
use roadproof_sim::outcome::comfort::HARD_BRAKING_MPS2;

/// Headline figures, kinds of faults from the worst on, attacks and the check-list.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut lines = Vec::new();
    lines.extend(report.clean_totals.as_ref().map(clean));
    lines.extend(report.library.map(|count| format!("scenario library: {count}")));
    if let Some(matrix) = &report.matrix {
        lines.extend(faults(matrix));
    }
    if let Some(drives) = &report.attacked_drives {
        lines.extend(attacked(drives));
    }
    if let Some(decisions) = &report.attacked_decisions {
        lines.extend(turned(report, decisions));
    }
    for check in &report.checks {
        lines.push(format!("{:<16} {}: {}", check.verdict.in_words(), check.name, check.figures));
    }
    if report.checks.iter().any(|check| check.verdict == CheckVerdict::Failed) {
        lines.push("A check failed: attacks on this driver may be weaker than they could be.".to_owned());
    }
    lines.push(report.sample.to_owned());
    lines.join("\n")
}

fn clean(totals: &CleanDrivingTotals) -> String {
    format!(
        "{} without faults and attacks: {} fail, {} end as they are to, within nuPlan's bounds of comfort (broken most: {}), {} in \
         {} brake harder than {HARD_BRAKING_MPS2} m/s², {} emergency stops with nothing ahead, least time to collision {}",
        counted(totals.drives, "drive"),
        totals.failures,
        totals.ended_comfortably,
        broken_most(totals),
        counted(totals.hard_braking as usize, "decision"),
        counted(totals.drives_with_hard_braking, "drive"),
        totals.needless_emergency_stops,
        totals.min_ttc_s.map_or_else(|| "none".to_owned(), |least_s| format!("{least_s:.1} s"))
    )
}

fn faults(matrix: &Matrix) -> Vec<String> {
    let drives = counted(matrix.clean.iter().map(|family| family.drives.len()).sum(), "drive");
    let idle = matrix.without_effect();
    let Some(mrr) = matrix.mrr else {
        let (idle, clean) = (idle.join(", "), score(matrix.clean_score));
        return vec![format!(
            "{drives} with a clean driving score of {clean}: none of these faults acts on this driver: {idle}"
        )];
    };
    let mut lines = vec![format!(
        "{drives} under {} in {} severities: clean driving score {}, mRR {}",
        counted(matrix.kinds.len(), "fault"),
        matrix.severities.len(),
        score(matrix.clean_score),
        fraction(mrr)
    )];
    if let Some(at) = matrix.middle() {
        lines.push(format!(
            "at severity 3: kept {}, drives broken {}, collisions {}, off the road {}, blocked or late {}",
            fraction(at.relative),
            share(at.broken),
            share(at.collisions),
            share(at.off_road),
            share(at.blocked_or_late)
        ));
    }
    let mut kinds: Vec<_> = matrix.kinds.iter().filter(|kind| kind.acts).collect();
    kinds.sort_by(|a, b| a.resilience.value.total_cmp(&b.resilience.value));
    let worst = kinds.iter().take(6).map(|kind| format!("{} {:.2}", kind.kind.name(), kind.resilience.value));
    lines.push(format!("worst faults: {}", worst.collect::<Vec<_>>().join(", ")));
    if !idle.is_empty() {
        lines.push(format!("without any effect on this driver, and in no mean: {}", idle.join(", ")));
    }
    lines
}

fn attacked(drives: &ClosedLoop) -> Vec<String> {
    let mut lines = vec![format!(
        "{} whole drives, every decision attacked; each drive under the attack that is strongest on it; all attacks were tried on \
         all drives at {} grey levels, the strongest few with more steps, there and with other budgets",
        drives.drives.len(),
        drives.reference_eps_levels
    )];
    for group in &drives.groups {
        lines.push(format!(
            "{} {}, clean score {}, {} failing without an attack",
            group.drives,
            group.name,
            score(group.clean_score),
            group.clean_failures
        ));
        lines.push(table(group).to_string());
    }
    lines
}

/// What attacks leave of some drives, budget by budget.
fn table(group: &Group) -> comfy_table::Table {
    let header =
        ["grey levels", "score", "kept", "broken", "collisions", "off the road", "blocked or late", "slowest arrival"];
    let mut table = console::table(header);
    for point in &group.points {
        let shares = [point.kept, point.broken, point.collisions, point.off_road, point.blocked_or_late].map(share);
        let first = [point.eps_levels.to_string(), score(point.driving_score)];
        table.add_row(first.into_iter().chain(shares).chain([slowness(point.slowest_arrival)]));
    }
    table
}

fn turned(report: &Report, decisions: &OpenLoop) -> Vec<String> {
    let turned = decisions.strongest.points.iter();
    let turned = turned.map(|point| format!("{:.0} % at {}", 100.0 * point.success, point.eps_levels));
    // Of less than a grey level no camera delivers anything.
    let held = report.certified.iter().filter(|(eps, _)| *eps >= 1.0);
    let held = held.map(|(eps, share)| format!("{:.1} % at {eps}", 100.0 * share));
    vec![
        format!(
            "{} attacked decisions, turned by the strongest attack: {} grey levels; {} of them no other decision's frame turns",
            decisions.frames,
            turned.collect::<Vec<_>>().join(", "),
            report.held_by_memory.len()
        ),
        format!("held by interval bounds: {} grey levels", held.collect::<Vec<_>>().join(", ")),
    ]
}
