//! The sections of the page, one function each.

use crate::robustness::attacks::checklist::CheckVerdict;
use crate::robustness::attacks::closed_loop::DrivePoint;
use crate::robustness::faults::matrix::{ALL, Cell};
use crate::robustness::page::chart::{Chart, Series, heat};
use crate::robustness::page::markup::{escape, picture};
use crate::robustness::report::Report;
use std::collections::BTreeSet;
use std::fmt::Write;

/// How much pictures of differences are amplified.
const AMPLIFIED: i32 = 8;

fn percent(share: f32) -> String {
    if share.is_finite() { format!("{:.0}", 100.0 * share) } else { "–".to_owned() }
}

fn levels(eps_levels: Option<f32>) -> String {
    match eps_levels {
        None => "none".to_owned(),
        Some(eps) if eps < 1.0 => format!("{} level", level(eps)),
        Some(eps) => format!("{eps}/255"),
    }
}

/// A budget as a short label: a fraction below one.
fn level(eps_levels: f32) -> String {
    if eps_levels < 1.0 { format!("1/{:.0}", 1.0 / eps_levels) } else { eps_levels.to_string() }
}

/// The figures to look at first.
pub(in crate::robustness) fn headline(report: &Report) -> String {
    let head = &report.headline;
    let card = |figure: String, what: &str| format!("<div class=\"card\"><b>{figure}</b><span>{what}</span></div>");
    let (held, failed, unjudged) = head.checks;
    let middle = head.relative_at_severity_3.map_or_else(|| "–".to_owned(), |share| format!("{} %", percent(share)));
    [
        "<div class=\"cards\">".to_owned(),
        card(format!("{:.1}", head.clean_score), "driving score without faults, 0 to 100"),
        card(format!("{:.3}", head.mrr), "mRR: share of it kept, mean over faults and severities"),
        card(middle, "of it kept at severity 3"),
        card(
            levels(head.half_of_drives_broken_at_levels.map(f32::from)),
            "least eps at which attacks break half of the drives",
        ),
        card(levels(head.half_of_decisions_turned_at_levels), "least eps at which attacks turn half of the decisions"),
        card(format!("{held} / {failed} / {unjudged}"), "checks of the attacks that held / failed / cannot be judged"),
        "</div>".to_owned(),
    ]
    .concat()
}

/// Kind by severity, and the rates of families.
pub(in crate::robustness) fn faults(report: &Report) -> String {
    let matrix = &report.matrix;
    let drives: usize = matrix.clean.iter().map(|family| family.drives.len()).sum();
    let mut html = format!(
        "<h2>Sensor faults</h2><p>{drives} drives under each fault in each severity, from the first moment to the last. \
         Figures are per cent of the same drives' driving score without the fault. RR, the resilience rate, is the mean over \
         severities; mRR the mean of RR over all faults (Kong et al. 2023, arXiv:2303.17597). On the right, RR of each family \
         of drives, with its clean driving score in the head.</p>\
         <div class=\"scroll\"><table class=\"heat\"><tr><th class=\"name\">fault</th>"
    );
    for severity in &matrix.severities {
        let _ = write!(html, "<th>{}</th>", severity.severity.get());
    }
    html.push_str("<th class=\"apart\">RR</th>");
    for (index, family) in matrix.clean.iter().enumerate() {
        let apart = if index == 0 { " class=\"apart\"" } else { "" };
        let _ = write!(html, "<th{apart}>{}<br>{:.1}</th>", escape(&family.family), family.driving_score);
    }
    html.push_str("</tr>");
    let mut group = "";
    for kind in &matrix.kinds {
        if group != kind.group {
            group = &kind.group;
            let columns = 2 + matrix.severities.len() + matrix.clean.len();
            let _ = write!(html, "<tr class=\"group\"><th class=\"name\" colspan=\"{columns}\">{group}</th></tr>");
        }
        let what = escape(kind.kind.describe().trim());
        let _ = write!(html, "<tr><th class=\"name\" title=\"{what}\">{}</th>", kind.kind.name());
        for cell in matrix.cells.iter().filter(|cell| cell.family == ALL && cell.kind == kind.kind) {
            let _ = write!(html, "<td style=\"{}\">{}</td>", heat(cell.relative), percent(cell.relative));
        }
        let (style, rate) = (heat(kind.resilience), percent(kind.resilience));
        let _ = write!(html, "<td class=\"rate apart\" style=\"{style}\">{rate}</td>");
        for (index, rate) in kind.by_family.iter().enumerate() {
            let apart = if index == 0 { " class=\"apart\"" } else { "" };
            let _ = write!(html, "<td{apart} style=\"{}\">{}</td>", heat(*rate), percent(*rate));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    html.push_str(&severities(report));
    html
}

/// Curves of the groups over severity.
fn severities(report: &Report) -> String {
    let severities = &report.matrix.severities;
    let groups: BTreeSet<&String> = severities.iter().flat_map(|severity| severity.by_group.keys()).collect();
    let of_group = |group: &&String| Series {
        name: group.to_lowercase(),
        values: severities.iter().map(|at| at.by_group.get(*group).map_or(f32::NAN, |share| 100.0 * share)).collect(),
        strong: false,
    };
    let mut series: Vec<Series> = groups.iter().map(of_group).collect();
    let values = severities.iter().map(|severity| 100.0 * severity.relative).collect();
    series.push(Series { name: "all faults".to_owned(), values, strong: true });
    let chart = Chart {
        title: "Driving score kept, by severity",
        x_name: "severity",
        x: severities.iter().map(|severity| severity.severity.get().to_string()).collect(),
        y_name: "% of the clean score",
        top: 100.0,
        series,
    };
    format!("<h3>By severity</h3><div class=\"charts\">{}</div>", chart.svg())
}

/// The worst cells.
pub(in crate::robustness) fn worst(report: &Report) -> String {
    let mut html =
        "<h2>Worst cells</h2><p>The families that keep least under a single fault; of equals the weaker fault comes \
         first.</p><div class=\"scroll\"><table><tr><th>fault</th><th class=\"number\">severity</th><th>family</th>\
         <th class=\"number\">score</th><th class=\"number\">% of clean</th><th class=\"number\">route</th>\
         <th class=\"number\">broken</th><th>how the drives ended</th></tr>"
            .to_owned();
    for cell in report.matrix.worst(20) {
        html.push_str(&worst_row(cell));
    }
    html.push_str("</table></div>");
    html
}

fn worst_row(cell: &Cell) -> String {
    let outcomes: Vec<String> = cell.outcomes.iter().map(|(outcome, count)| format!("{outcome} {count}")).collect();
    format!(
        "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"number\">{:.1}</td><td class=\"number\">{}</td>\
         <td class=\"number\">{} %</td><td class=\"number\">{} %</td><td>{}</td></tr>",
        cell.kind.name(),
        cell.severity.get(),
        escape(&cell.family),
        cell.driving_score,
        percent(cell.relative),
        percent(cell.route_completion),
        percent(cell.broken),
        outcomes.join(", ")
    )
}

/// Pictures of drives that a fault ended.
pub(in crate::robustness) fn moments(report: &Report) -> String {
    if report.moments.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Worst moments</h2><p>For each fault the weakest severity that made a drive crash or leave the road \
         though it does not without; the weakest faults first. Frames as the driver got them, one second and one decision \
         before the end, beside what it would have seen from the same place.</p>"
        .to_owned();
    for moment in &report.moments {
        let _ = write!(
            html,
            "<h3>{} at severity {}: {}, {}</h3><p class=\"soft\">{:?} after {:.1} s, driving score {:.1} instead of {:.1}</p>\
             <div class=\"frames\">",
            moment.kind.name(),
            moment.severity.get(),
            escape(&moment.family),
            escape(&moment.drive),
            moment.outcome,
            moment.ended_s,
            moment.driving_score,
            moment.clean_score
        );
        for view in &moment.views {
            let when = match view.decisions_before {
                1 => "last decision".to_owned(),
                count => format!("{count} decisions before the end"),
            };
            if let Some(clean) = &view.clean {
                html.push_str(&picture(&format!("{when}, without the fault"), report.camera_px, clean));
            }
            html.push_str(&picture(&format!("{when}, as the driver saw it"), report.camera_px, &view.faulty));
        }
        html.push_str("</div>");
    }
    html
}

/// Curves of attacks on drives and on decisions.
pub(in crate::robustness) fn attacks(report: &Report) -> String {
    let (drives, decisions) = (&report.attacked_drives, &report.attacked_decisions);
    let of_drive: Vec<String> = report.plan.drive_eps_levels.iter().map(ToString::to_string).collect();
    let of_decision: Vec<String> = report.plan.decision_eps_levels.iter().map(|eps| level(*eps)).collect();
    let chart = |title, y_name, top, x: &[String], series| {
        let x_name = "eps in grey levels of 255, Linf";
        Chart { title, x_name, x: x.to_vec(), y_name, top, series }.svg()
    };
    let of_drives = |value: fn(&DrivePoint) -> f32| {
        let curves = drives.curves.iter().map(|curve| (curve.method, &curve.points, false));
        let all = curves.chain([("strongest of each drive", &drives.strongest, true)]);
        let series = all.map(|(name, points, strong)| Series {
            name: name.to_owned(),
            values: points.iter().map(value).collect(),
            strong,
        });
        series.collect::<Vec<_>>()
    };
    let curves = decisions.curves.iter().chain(&decisions.transferred).map(|curve| (curve, false));
    let of_decisions = curves.chain([(&decisions.strongest, true)]).map(|(curve, strong)| Series {
        name: curve.method.to_owned(),
        values: curve.points.iter().map(|point| 100.0 * point.success).collect(),
        strong,
    });
    let scores: Vec<String> =
        drives.drives.iter().map(|drive| format!("{} {}", escape(&drive.family), escape(&drive.name))).collect();
    let clean = drives.drives.iter().map(|drive| drive.driving_score).sum::<f32>() / drives.drives.len().max(1) as f32;
    // Drives that are cut off reach a part of the route only.
    let top = if clean > 50.0 { 100.0 } else { (clean / 10.0).ceil().max(1.0) * 10.0 };
    format!(
        "<h2>Attacks</h2><p>Frames changed by at most eps in every value, and rounded to bytes as a camera delivers them. \
         First whole drives: every decision of {} ({}), each cut off after {} s (clean score {clean:.1}), attacked \
         towards the action of least value, or towards what the attack's name says. Then {} single decisions of held-out roads, attacked towards any other action, however small the change: \
         what tells methods apart rather than what a driver must withstand. Below one grey level these are numbers that no \
         camera of bytes delivers. The strongest \
         attack is chosen for each drive and each decision on its own (Carlini et al. 2019, arXiv:1902.06705).</p>\
         <div class=\"charts\">{}{}{}</div>{}",
        match drives.drives.len() {
            1 => "one drive".to_owned(),
            count => format!("{count} drives"),
        },
        scores.join(", "),
        drives.drive_s,
        decisions.frames,
        chart("Driving score under attack", "driving score", top, &of_drive, of_drives(|point| point.driving_score)),
        chart("Drives broken", "% of drives", 100.0, &of_drive, of_drives(|point| 100.0 * point.broken)),
        chart("Decisions turned", "% of decisions", 100.0, &of_decision, of_decisions.collect()),
        attack_table(report)
    )
}

/// The same figures as a table.
fn attack_table(report: &Report) -> String {
    let mut html = "<h3>Driving score, and drives broken</h3><div class=\"scroll\"><table><tr><th>method</th>\
         <th class=\"number\">per decision</th>"
        .to_owned();
    for eps in &report.plan.drive_eps_levels {
        let _ = write!(html, "<th class=\"number\">{eps}/255</th>");
    }
    html.push_str("</tr>");
    let curves =
        report.attacked_drives.curves.iter().map(|curve| (curve.method, curve.effort.to_string(), &curve.points));
    let strongest = [("strongest of each drive", String::new(), &report.attacked_drives.strongest)];
    for (method, effort, points) in curves.chain(strongest) {
        let _ = write!(html, "<tr><td>{method}</td><td class=\"number\">{effort}</td>");
        for point in points {
            let _ = write!(html, "<td class=\"number\">{:.1}, {} %</td>", point.driving_score, percent(point.broken));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    html
}

/// Pictures of decisions that an attack turned.
pub(in crate::robustness) fn turned(report: &Report) -> String {
    if report.turned.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h2>Decisions turned</h2><p>Single decisions, each at the least budget of whole grey levels at which one of the methods turned it. \
         Differences are amplified {AMPLIFIED} times about grey.</p>"
    );
    for turned in &report.turned {
        let _ = write!(
            html,
            "<h3>{} with eps {}/255: held-out road {}, {:.1} s</h3><div class=\"frames three\">",
            turned.method, turned.eps_levels, turned.road, turned.time_s
        );
        let amplify = |(clean, attacked): (&u8, &u8)| {
            (128 + AMPLIFIED * (i32::from(*attacked) - i32::from(*clean))).clamp(0, 255) as u8
        };
        let difference: Vec<u8> = turned.clean.iter().zip(&turned.attacked).map(amplify).collect();
        let camera = report.camera_px;
        html.push_str(&picture(&format!("clean: {}", turned.clean_action), camera, &turned.clean));
        html.push_str(&picture(&format!("attacked: {}", turned.attacked_action), camera, &turned.attacked));
        html.push_str(&picture(&format!("difference × {AMPLIFIED}"), camera, &difference));
        html.push_str("</div>");
    }
    html
}

/// The check-list.
pub(in crate::robustness) fn checks(report: &Report) -> String {
    let mut html = "<h2>Can the attacks be believed?</h2><p>Signs that attacks are weaker than they seem, after Carlini et al. \
         2019 (arXiv:1902.06705), Athalye et al. 2018 (arXiv:1802.00420) and, for the planted frame, Zimmermann et al. 2022 \
         (arXiv:2206.13991). That all hold is necessary, not sufficient.</p><div class=\"scroll\"><table><tr><th>check</th>\
         <th>verdict</th><th>figures</th><th>allowed, or why not judged</th></tr>"
        .to_owned();
    for check in &report.attacked_decisions.checks {
        let class = match check.verdict {
            CheckVerdict::Held => "held",
            CheckVerdict::Failed => "failed",
            CheckVerdict::CannotBeJudged => "unjudged",
        };
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"{class}\">{}</td><td>{}</td><td class=\"soft\">{}</td></tr>",
            escape(check.name),
            check.verdict.in_words(),
            escape(&check.figures),
            escape(&check.tolerance)
        );
    }
    html.push_str("</table></div>");
    html
}

/// What is proven, if anything is.
pub(in crate::robustness) fn certified(report: &Report) -> String {
    let shares = &report.certified;
    let series = Series {
        name: "certified".to_owned(),
        values: shares.iter().map(|(_, share)| 100.0 * share).collect(),
        strong: true,
    };
    let chart = Chart {
        title: "Decisions proved not to change",
        x_name: "eps in grey levels of 255, Linf",
        x: shares.iter().map(|(eps, _)| format!("{eps}")).collect(),
        y_name: "% of decisions",
        top: 100.0,
        series: vec![series],
    };
    format!(
        "<h2>Certificates</h2><p>Share of decisions whose action interval bounds prove to stay the same whatever happens within \
         the budget, far below a grey level where networks were not trained for narrow bounds.</p><div class=\"charts\">{}</div>",
        chart.svg()
    )
}

/// Drives, files left out, settings.
pub(in crate::robustness) fn settings(report: &Report) -> String {
    let mut html =
        "<h2>Settings</h2><div class=\"scroll\"><table><tr><th>family</th><th>drive</th><th class=\"number\">seed</th>\
         <th>ends without faults</th><th class=\"number\">score</th></tr>"
            .to_owned();
    for family in &report.matrix.clean {
        for drive in &family.drives {
            let _ = write!(
                html,
                "<tr><td>{}</td><td>{}</td><td class=\"number\">{}</td><td>{:?}</td><td class=\"number\">{:.1}</td></tr>",
                escape(&family.family),
                escape(&drive.name),
                drive.seed,
                drive.outcome,
                drive.driving_score
            );
        }
    }
    html.push_str("</table></div>");
    if !report.skipped.is_empty() {
        html.push_str("<h3>Scenario files left out</h3><ul>");
        for skipped in &report.skipped {
            let _ = write!(html, "<li><code>{}</code>: {}</li>", escape(&skipped.file), escape(&skipped.reason));
        }
        html.push_str("</ul>");
    }
    let plan = &report.plan;
    let seconds: f64 = report.wall_clock_s.values().sum();
    let _ = write!(
        html,
        "<p>Seed {}, {} drives of a family at most, attacks with {} steps or {} tries for each decision of a drive and {} or {} \
         for single decisions, {} tries of noise in the check-list. Frames of {} × {} pixels. Measured in {seconds:.0} s. All \
         figures, drive by drive, are in <code>robustness.json</code> beside this page; the same command makes the same figures \
         again, to the bit.</p>",
        plan.seed,
        plan.roads,
        plan.drive_steps,
        2 * plan.drive_steps,
        plan.steps,
        plan.tries,
        plan.noise_tries,
        report.camera_px.0,
        report.camera_px.1
    );
    html
}
