//! Sensor faults on the page: kind by severity, what became of the drives, the worst cells and moments.

use crate::formats::html::{escape, picture};
use crate::robustness::faults::matrix::{ALL, Cell, Matrix};
use crate::robustness::page::chart::{Chart, Series, heat};
use crate::robustness::page::figures::{percent, score, share};
use crate::robustness::report::Report;
use std::collections::BTreeSet;
use std::fmt::Write;

/// All of it; nothing where faults were left out.
pub(in crate::robustness) fn faults(report: &Report) -> String {
    let Some(matrix) = &report.matrix else { return String::new() };
    if !matrix.acts() {
        return kinds(matrix) + "<p>None of these faults acts on this driver.</p>";
    }
    [kinds(matrix), severities(matrix), absolute(matrix), worst(matrix), moments(report)].concat()
}

/// Kind by severity, and the rates of families.
fn kinds(matrix: &Matrix) -> String {
    let drives: usize = matrix.clean.iter().map(|family| family.drives.len()).sum();
    let mut html = format!(
        "<h2>Sensor faults</h2><p>{drives} drives under each fault in each severity, from the first moment to the last. \
         Figures are per cent of the same drives' driving score without the fault. RR, the resilience rate, is the mean over \
         severities; mRR the mean of RR over all faults that act on this driver (Kong et al. 2023, arXiv:2303.17597). A fault that \
         leaves every drive as it is, to the bit, does not act on it: it is marked, proves nothing and counts in no mean. On the \
         right, RR of each family of drives, with its clean driving score in the head.</p>\
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
        let (mark, class) = if kind.acts { ("", "") } else { (" (does not act)", " class=\"idle\"") };
        let _ = write!(html, "<tr{class}><th class=\"name\" title=\"{what}\">{}{mark}</th>", kind.kind.name());
        for cell in matrix.cells.iter().filter(|cell| cell.family == ALL && cell.kind == kind.kind) {
            let _ = write!(html, "<td style=\"{}\">{}</td>", heat(cell.relative), percent(cell.relative));
        }
        let rate = kind.resilience.value;
        let (style, rate) = (heat(rate), percent(rate));
        let _ = write!(html, "<td class=\"rate apart\" style=\"{style}\">{rate}</td>");
        for (index, rate) in kind.by_family.iter().enumerate() {
            let apart = if index == 0 { " class=\"apart\"" } else { "" };
            let _ = write!(html, "<td{apart} style=\"{}\">{}</td>", heat(*rate), percent(*rate));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    html
}

/// Curves of the groups over severity.
fn severities(matrix: &Matrix) -> String {
    let severities = &matrix.severities;
    let groups: BTreeSet<&String> = severities.iter().flat_map(|severity| severity.by_group.keys()).collect();
    let of_group = |group: &&String| Series {
        name: group.to_lowercase(),
        values: severities.iter().map(|at| at.by_group.get(*group).map_or(f32::NAN, |share| 100.0 * share)).collect(),
        strong: false,
    };
    let mut series: Vec<Series> = groups.iter().map(of_group).collect();
    let values = severities.iter().map(|severity| 100.0 * severity.relative.value).collect();
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

/// What became of the drives, which a share of the score does not say.
fn absolute(matrix: &Matrix) -> String {
    let mut html = "<p>Means over all faults that act, with intervals over drives. A drive is broken if it ends otherwise than without \
                    the fault, or keeps less than nine tenths of its score.</p><div class=\"scroll\"><table><tr>\
                    <th class=\"number\">severity</th><th class=\"number\">score kept</th><th class=\"number\">driving score</th>\
                    <th class=\"number\">drives broken</th><th class=\"number\">collisions</th>\
                    <th class=\"number\">off the road</th><th class=\"number\">blocked or late</th></tr>"
        .to_owned();
    for at in &matrix.severities {
        let _ = write!(html, "<tr><td class=\"number\">{}</td>", at.severity.get());
        let figures = [share(at.relative), score(at.driving_score)].into_iter();
        for figure in figures.chain([at.broken, at.collisions, at.off_road, at.blocked_or_late].map(share)) {
            let _ = write!(html, "<td class=\"number\">{figure}</td>");
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    html
}

/// The worst cells.
fn worst(matrix: &Matrix) -> String {
    let mut html =
        "<h2>Worst cells</h2><p>The families that keep least under a single fault; of equals the weaker fault comes \
         first.</p><div class=\"scroll\"><table><tr><th>fault</th><th class=\"number\">severity</th><th>family</th>\
         <th class=\"number\">score</th><th class=\"number\">% of clean</th><th class=\"number\">route</th>\
         <th class=\"number\">broken</th><th>how the drives ended</th></tr>"
            .to_owned();
    for cell in matrix.worst(20) {
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
fn moments(report: &Report) -> String {
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
