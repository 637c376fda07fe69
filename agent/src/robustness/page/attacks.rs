//! Attacks on the page: what is left of drives, what was run on which of them, and decisions that were turned.

use crate::formats::html::{escape, picture};
use crate::robustness::attacks::attacked::OF_EACH_KIND;
use crate::robustness::attacks::closed_loop::{ClosedLoop, Group};
use crate::robustness::attacks::examine::OpenLoop;
use crate::robustness::attacks::run::Run;
use crate::robustness::attacks::strength::DrivePoint;
use crate::robustness::kept::ratio;
use crate::robustness::page::chart::{Chart, Series};
use crate::robustness::page::figures::{counted, level, percent, score, share, slowness};
use crate::robustness::report::Report;
use std::fmt::Write;

/// How much pictures of differences are amplified.
const AMPLIFIED: i32 = 8;

/// Attacks on drives and on decisions; nothing where they were left out.
pub(in crate::robustness) fn attacks(report: &Report) -> String {
    let drives = report.attacked_drives.as_ref().map(|drives| on_drives(report, drives));
    let decisions = report.attacked_decisions.as_ref().map(|decisions| on_decisions(report, decisions));
    let parts: String = drives.into_iter().chain(decisions).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(
        "<h2>Attacks</h2><p>Frames changed by at most eps in every value, and rounded to bytes as a camera delivers them. The strongest \
         attack is chosen for each drive and each decision on its own (Carlini et al. 2019, arXiv:1902.06705).</p>{parts}"
    )
}

fn on_drives(report: &Report, drives: &ClosedLoop) -> String {
    let (count, reference) = (drives.drives.len(), drives.reference_eps_levels);
    let plan = &report.plan;
    let doublings: Vec<String> = drives
        .doublings
        .iter()
        .map(|doubling| format!("{} on {} drives", doubling.steps, doubling.drives.len()))
        .collect();
    let doublings = if doublings.is_empty() { "none".to_owned() } else { doublings.join(", ") };
    let mut html = format!(
        "<h3>Whole drives</h3><p>The sample are {count} drives from beginning to end, of which every decision is attacked. At \
         {reference}/255 every attack was tried on every drive with {} steps in each decision, or {} tries where it follows no \
         gradient; then the strongest {} of each drive were run with {} steps, and one of each kind of method on all; on {} \
         drives every attack was, to see whether a stronger one had been left out; then the strongest {} of each drive with twice the steps from {}, and half of them once more, as long as that changed a drive ({doublings}). With the \
         other budgets the strongest {} of each drive by then were run with {} steps, with larger ones only where they leave more than a tenth, and one of each kind of method on all. An attack \
         within a smaller budget is one within every larger budget as well. Shares of drives are of those that some attack can make \
         end so; one drive may count in several.</p>",
        plan.trial_steps,
        2 * plan.trial_steps,
        plan.strongest_attacks,
        plan.drive_steps,
        drives.recheck.as_ref().map_or(0, |recheck| recheck.drives.len()),
        plan.doubled_attacks,
        counted(plan.doubling_starts, "other start"),
        plan.strongest_attacks,
        plan.drive_steps
    );
    html.push_str(&drive_charts(drives));
    drives.groups.iter().for_each(|group| html.push_str(&group_table(group)));
    html.push_str(&run_table(drives));
    html.push_str(&drive_table(drives));
    html
}

fn drive_charts(drives: &ClosedLoop) -> String {
    let x: Vec<u8> = drives.worst.iter().map(|point| point.eps_levels).collect();
    let chart = |title, y_name, series| {
        let x = x.iter().map(ToString::to_string).collect();
        Chart { title, x_name: "eps in grey levels of 255, Linf", x, y_name, top: 100.0, series }.svg()
    };
    let of_groups = |value: fn(&DrivePoint) -> f32| {
        drives.groups.iter().enumerate().map(move |(place, group)| Series {
            name: format!("strongest, {}", group.name),
            values: group.points.iter().map(|point| 100.0 * value(point)).collect(),
            strong: place == 0,
        })
    };
    // Attacks that were run on every drive with every budget can be held against each other.
    let clean: f32 = drives.drives.iter().map(|drive| drive.driving_score).sum();
    let alone = |attack: &'static str| {
        let kept = |eps_levels: &u8| {
            let run = drives.complete(attack, *eps_levels);
            run.map_or(f32::NAN, |run| 100.0 * ratio(run.scores.iter().sum(), clean))
        };
        Series { name: format!("{attack} alone"), values: x.iter().map(kept).collect(), strong: false }
    };
    let kept = of_groups(|point| point.kept.value).chain(OF_EACH_KIND.map(alone)).collect();
    format!(
        "<div class=\"charts\">{}{}</div>",
        chart("Driving score kept under attack", "% of the clean score", kept),
        chart("Drives broken", "% of drives", of_groups(|point| point.broken.value).collect())
    )
}

fn group_table(group: &Group) -> String {
    let mut html = format!(
        "<h3>{} {}: clean score {}, {} failing without an attack</h3><div class=\"scroll\"><table><tr><th class=\"number\">eps</th>\
         <th class=\"number\">driving score</th><th class=\"number\">kept</th><th class=\"number\">broken</th>\
         <th class=\"number\">collisions</th><th class=\"number\">off the road</th><th class=\"number\">blocked or late</th>\
         <th class=\"number\">slowest arrival, clean time = 1</th></tr>",
        group.drives,
        group.name,
        score(group.clean_score),
        group.clean_failures
    );
    for point in &group.points {
        let _ = write!(html, "<tr><td class=\"number\">{}/255</td>", point.eps_levels);
        let shares = [point.kept, point.broken, point.collisions, point.off_road, point.blocked_or_late].map(share);
        let slowest = slowness(point.slowest_arrival);
        for figure in [score(point.driving_score)].into_iter().chain(shares).chain([slowest]) {
            let _ = write!(html, "<td class=\"number\">{figure}</td>");
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    html
}

/// What was run on which drives, and with what effort.
fn run_table(drives: &ClosedLoop) -> String {
    let mut html = "<h3>What was run</h3><p>Where an attack was run on the drives on which it was the strongest, what it left of these says \
                    nothing about others.</p><div class=\"scroll\"><table><tr><th>attack</th><th class=\"number\">eps</th>\
                    <th class=\"number\">per decision</th><th class=\"number\">drives</th><th class=\"number\">% of their score \
                    kept</th></tr>"
        .to_owned();
    let kept = |run: &Run| {
        let clean = run.drives.iter().map(|&drive| drives.drives[drive].driving_score).sum();
        percent(ratio(run.scores.iter().sum(), clean))
    };
    for run in &drives.runs {
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"number\">{}/255</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td></tr>",
            run.attack,
            run.eps_levels,
            if run.starts > 1 { format!("{} x {}", run.starts, run.effort) } else { run.effort.to_string() },
            run.drives.len(),
            kept(run)
        );
    }
    html.push_str("</table></div>");
    html
}

/// Every drive at the budget of reference.
fn drive_table(drives: &ClosedLoop) -> String {
    let Some(at) = drives.worst.iter().find(|point| point.eps_levels == drives.reference_eps_levels) else {
        return String::new();
    };
    let mut html = format!(
        "<h3>Drive by drive at {}/255</h3><div class=\"scroll\"><table><tr><th>drive</th><th>without an attack</th>\
         <th class=\"number\">score</th><th>strongest attack</th><th class=\"number\">per decision</th><th>under it</th>\
         <th class=\"number\">score</th></tr>",
        at.eps_levels
    );
    for (drive, worst) in drives.drives.iter().zip(&at.drives) {
        let effort = if worst.attack.is_some() { worst.effort.to_string() } else { String::new() };
        let _ = write!(
            html,
            "<tr><td>{}, {}</td><td>{:?}</td><td class=\"number\">{:.1}</td><td>{}</td><td class=\"number\">{effort}</td><td>{:?}</td>\
             <td class=\"number{}\">{:.1}</td></tr>",
            escape(&drive.family),
            escape(&drive.name),
            drive.outcome,
            drive.driving_score,
            worst.attack.unwrap_or("none leaves less"),
            worst.outcome,
            if worst.broken { " failed" } else { "" },
            worst.driving_score
        );
    }
    html.push_str("</table></div>");
    html
}

fn on_decisions(report: &Report, decisions: &OpenLoop) -> String {
    let curves = decisions.curves.iter().chain(&decisions.transferred).map(|curve| (curve, false));
    let series = curves.chain([(&decisions.strongest, true)]).map(|(curve, strong)| Series {
        name: curve.method.to_owned(),
        values: curve.points.iter().map(|point| 100.0 * point.success).collect(),
        strong,
    });
    let chart = Chart {
        title: "Decisions turned",
        x_name: "eps in grey levels of 255, Linf",
        x: report.plan.decision_eps_levels.iter().map(|eps| level(*eps)).collect(),
        y_name: "% of decisions",
        top: 100.0,
        series: series.collect(),
    };
    format!(
        "<h3>Single decisions</h3><p>{} decisions of held-out roads, every second of them without other cars, attacked towards any other \
         action, however small the change: what tells methods apart rather than what a driver must withstand. Below one grey level \
         these are numbers that no camera of bytes delivers.</p><div class=\"charts\">{}</div>",
        decisions.frames,
        chart.svg()
    )
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
            "<h3>{} with eps {}/255: held-out {}, {:.1} s</h3><div class=\"frames three\">",
            turned.method,
            turned.eps_levels,
            escape(&turned.drive),
            turned.time_s
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
