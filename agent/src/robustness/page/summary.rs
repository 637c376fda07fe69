//! The report in a few lines, for a terminal.

use crate::robustness::attacks::checklist::CheckVerdict;
use crate::robustness::report::Report;

/// Headline figures, kinds of faults from the worst on, attacks and the check-list.
#[must_use]
pub fn summary(report: &Report) -> String {
    let Report { headline, matrix, attacked_drives, attacked_decisions, .. } = report;
    let drives: usize = matrix.clean.iter().map(|family| family.drives.len()).sum();
    let mut lines = vec![format!(
        "{drives} drives under {} faults in {} severities: clean driving score {:.1}, mRR {:.3}{}",
        matrix.kinds.len(),
        matrix.severities.len(),
        headline.clean_score,
        headline.mrr,
        headline.relative_at_severity_3.map_or_else(String::new, |share| format!(", at severity 3 {share:.3}"))
    )];
    let mut kinds: Vec<_> = matrix.kinds.iter().collect();
    kinds.sort_by(|a, b| a.resilience.total_cmp(&b.resilience));
    let worst = kinds.iter().take(6).map(|kind| format!("{} {:.2}", kind.kind.name(), kind.resilience));
    lines.push(format!("worst faults: {}", worst.collect::<Vec<_>>().join(", ")));
    lines.push(attack_table(report).to_string());
    let clean = attacked_drives.drives.iter().map(|drive| drive.driving_score).sum::<f32>();
    lines.push(format!(
        "{} attacked drives of {} s, clean score {:.1}; the strongest attack is chosen drive by drive",
        attacked_drives.drives.len(),
        attacked_drives.drive_s,
        clean / attacked_drives.drives.len().max(1) as f32
    ));
    let turned = attacked_decisions.strongest.points.iter();
    let turned = turned.map(|point| format!("{:.0} % at {}", 100.0 * point.success, point.eps_levels));
    lines.push(format!(
        "{} attacked decisions, turned by the strongest attack: {} grey levels",
        attacked_decisions.frames,
        turned.collect::<Vec<_>>().join(", ")
    ));
    let proved = report.certified.iter().map(|(eps, share)| format!("{:.1} % at {eps}", 100.0 * share));
    lines.push(format!("proved by interval bounds: {} grey levels", proved.collect::<Vec<_>>().join(", ")));
    for check in &attacked_decisions.checks {
        lines.push(format!("{:<16} {}: {}", check.verdict.in_words(), check.name, check.figures));
    }
    if attacked_decisions.checks.iter().any(|check| check.verdict == CheckVerdict::Failed) {
        lines.push("A check failed: attacks on this driver may be weaker than they could be.".to_owned());
    }
    lines.join("\n")
}

/// What attacks leave of drives, budget by budget.
fn attack_table(report: &Report) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    let methods = report.attacked_drives.curves.iter().map(|curve| format!("{} score", curve.method));
    let header = ["grey levels".to_owned()].into_iter().chain(methods);
    let header = header.chain(["strongest score", "drives broken"].map(str::to_owned));
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(header);
    for (place, strongest) in report.attacked_drives.strongest.iter().enumerate() {
        let scores = report.attacked_drives.curves.iter().map(|curve| curve.points[place].driving_score);
        let row = [strongest.eps_levels.to_string()].into_iter();
        let row = row.chain(scores.chain([strongest.driving_score]).map(|score| format!("{score:.1}")));
        table.add_row(row.chain([format!("{:.0} %", 100.0 * strongest.broken)]));
    }
    table
}
