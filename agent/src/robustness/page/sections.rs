//! The sections of the page that are about the whole, the check-list, and what it was made with.

use crate::drive::interval::Estimate;
use crate::formats::html::escape;
use crate::robustness::attacks::checklist::CheckVerdict;
use crate::robustness::attacks::strength::DrivePoint;
use crate::robustness::comfort::CleanDriving;
use crate::robustness::page::chart::{Chart, Series};
use crate::robustness::page::figures::{broken_most, counted, levels, number, percent};
use crate::robustness::report::Report;
use roadproof_sim::outcome::comfort::HARD_BRAKING_MPS2;
use std::fmt::Write;

/// The figures to look at first: beside each that flatters the one that does not.
pub(in crate::robustness) fn headline(report: &Report) -> String {
    let head = &report.headline;
    let card = |figure: String, what: &str, note: String| {
        format!("<div class=\"card\"><b>{figure}</b><span>{what}</span><span>{note}</span></div>")
    };
    let mut cards = Vec::new();
    let between = |figures: [String; 2]| format!("{} to {}", figures[0], figures[1]);
    if let Some(clean) = head.clean_score {
        let note = between([clean.low, clean.high].map(|end| number(end, 1)));
        cards.push(card(number(clean.value, 1), "driving score without faults, 0 to 100", note));
    }
    if let Some(mrr) = head.mrr {
        let note = between([mrr.low, mrr.high].map(|end| number(end, 3)));
        cards.push(card(number(mrr.value, 3), "mRR: share of it kept, mean over faults and severities", note));
    }
    if let Some(totals) = &report.clean_totals {
        let note = format!("in {} without faults or attacks", counted(totals.drives, "drive"));
        let stops = totals.needless_emergency_stops.to_string();
        cards.push(card(stops, "emergency stops with nothing ahead", note));
        let comfortable = format!("{} of {}", totals.ended_comfortably, totals.drives);
        let note = format!("broken most: {}", broken_most(totals));
        cards.push(card(comfortable, "drives end as they are to, within nuPlan's bounds of comfort", note));
    }
    if let Some(library) = report.library {
        let note = format!("{} others say nothing of this driver", library.left_out);
        let kept = format!("{} of {}", library.kept, library.driven);
        cards.push(card(kept, "scenario files keep the bounds for this driver", note));
    }
    let shares = [
        (head.relative_at_severity_3, "of it kept under faults of severity 3".to_owned()),
        (head.broken_at_severity_3, "of drives broken by them".to_owned()),
        (head.collisions_at_severity_3, "of drives hit something under them".to_owned()),
    ];
    let eps = report.plan.reference_eps_levels;
    let of = |point: &Option<DrivePoint>, figure: fn(&DrivePoint) -> Estimate| point.as_ref().map(figure);
    let attacked = [
        (of(&head.attacked, |point| point.kept), format!("of the score kept under attacks of {eps}/255")),
        (of(&head.attacked, |point| point.broken), "of drives broken by them".to_owned()),
        (of(&head.attacked, |point| point.collisions), "of drives made to hit something".to_owned()),
        (of(&head.attacked, |point| point.off_road), "of drives made to leave the road".to_owned()),
        (of(&head.attacked, |point| point.blocked_or_late), "of drives blocked or made late".to_owned()),
        (
            of(&head.attacked_on_empty_roads, |point| point.blocked_or_late),
            "of drives on empty roads blocked or made late".to_owned(),
        ),
    ];
    for (estimate, what) in shares.into_iter().chain(attacked) {
        if let Some(estimate) = estimate {
            let note = between([estimate.low, estimate.high].map(percent));
            cards.push(card(format!("{} %", percent(estimate.value)), &what, note));
        }
    }
    if report.attacked_drives.is_some() {
        let least = levels(head.half_of_drives_broken_at_levels.map(f32::from));
        cards.push(card(least, "least eps at which attacks break half of the drives", String::new()));
    }
    if report.attacked_decisions.is_some() {
        let least = levels(head.half_of_decisions_turned_at_levels);
        cards.push(card(least, "least eps at which attacks turn half of the decisions", String::new()));
    }
    let (held, failed, unjudged) = head.checks;
    let note = format!("{failed} failed, {unjudged} cannot be judged");
    cards.push(card(held.to_string(), "checks on the attacks held", note));
    format!("<div class=\"cards\">{}</div><p class=\"soft\">{}</p>", cards.concat(), escape(report.sample))
}

/// How the driver drives when nothing is wrong.
pub(in crate::robustness) fn clean(report: &Report) -> String {
    let Some(totals) = &report.clean_totals else { return String::new() };
    let seconds = |ttc_s: Option<f32>| ttc_s.map_or_else(|| "–".to_owned(), |ttc_s| format!("{ttc_s:.1}"));
    let mut html = format!(
        "<h2>Without faults and attacks</h2><p>{}. {} fail: they hit something, leave the road, stand for good, or are late where they are \
         to arrive. {} end as they are to and keep all of nuPlan's bounds of comfort; broken most: {}. {} in {} brake \
         harder than {HARD_BRAKING_MPS2} m/s², {} emergency stops have no car ahead, the least time to collision is {} s. A driving score \
         sees nothing of comfort and braking.</p><div class=\"scroll\"><table><tr><th>drive</th><th>ends</th><th>in comfort</th>\
         <th class=\"number\">score</th>\
         <th class=\"number\">hardest braking, m/s²</th><th class=\"number\">decisions braking hard</th>\
         <th class=\"number\">emergency stops for nothing</th><th class=\"number\">least time to collision, s</th></tr>",
        counted(totals.drives, "drive"),
        totals.failures,
        totals.ended_comfortably,
        broken_most(totals),
        counted(totals.hard_braking as usize, "decision"),
        counted(totals.drives_with_hard_braking, "drive"),
        totals.needless_emergency_stops,
        seconds(totals.min_ttc_s)
    );
    for CleanDriving { family, drive, outcome, fails, driving_score, comfort } in &report.clean {
        let verdict = if *fails { " (fails)" } else { "" };
        let comfortable = if !fails && comfort.is_comfortable() { "yes" } else { "no" };
        let _ = write!(
            html,
            "<tr><td>{}, {}</td><td>{outcome:?}{verdict}</td><td>{comfortable}</td>\
             <td class=\"number\">{driving_score:.1}</td><td class=\"number\">{:.1}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            escape(family),
            escape(drive),
            (-comfort.min_longitudinal_acceleration_mps2).max(0.0),
            comfort.hard_braking,
            comfort.needless_emergency_stops,
            seconds(Some(comfort.min_ttc_s).filter(|ttc_s| ttc_s.is_finite()))
        );
    }
    html.push_str("</table></div>");
    html
}

/// The check-list.
pub(in crate::robustness) fn checks(report: &Report) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let mut html = "<h2>Can the attacks be believed?</h2><p>Signs that attacks are weaker than they seem, after Carlini et al. \
         2019 (arXiv:1902.06705), Athalye et al. 2018 (arXiv:1802.00420) and, for the planted frame, Zimmermann et al. 2022 \
         (arXiv:2206.13991). That all hold is necessary, not sufficient.</p><div class=\"scroll\"><table><tr><th>check</th>\
         <th>verdict</th><th>figures</th><th>allowed, or why not judged</th></tr>"
        .to_owned();
    for check in &report.checks {
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
    if let Some(decisions) = &report.attacked_decisions {
        let (held, of) = (report.held_by_memory.len(), decisions.frames);
        let _ = write!(
            html,
            "<p>{held} of the {of} attacked decisions are turned by no other decision's frame, whatever it shows: filters bound what one \
             frame may do. An attack that turns none of these, with or without a bound, need not be a weak one.</p>"
        );
    }
    html
}

/// What is proven, if anything is.
pub(in crate::robustness) fn certified(report: &Report) -> String {
    let shares = &report.certified;
    if shares.is_empty() {
        return String::new();
    }
    let series = Series {
        name: "certified".to_owned(),
        values: shares.iter().map(|(_, share)| 100.0 * share).collect(),
        strong: true,
    };
    let chart = Chart {
        title: "Decisions held by interval bounds",
        x_name: "eps in grey levels of 255, Linf",
        x: shares.iter().map(|(eps, _)| format!("{eps}")).collect(),
        y_name: "% of decisions",
        top: 100.0,
        series: vec![series],
    };
    format!(
        "<h2>Interval bounds</h2><p>Share of decisions whose action stays the same by interval bounds whatever happens within the \
         budget, computed in f32 without directed rounding. A camera delivers whole grey levels: what holds below one tells how \
         loose the bounds are, and certifies nothing.</p><div class=\"charts\">{}</div>",
        chart.svg()
    )
}

/// Files left out, settings.
pub(in crate::robustness) fn settings(report: &Report) -> String {
    let mut html = "<h2>Settings</h2>".to_owned();
    if !report.skipped.is_empty() {
        html.push_str("<h3>Scenario files left out</h3><ul>");
        for skipped in &report.skipped {
            let _ = write!(html, "<li><code>{}</code>: {}</li>", escape(&skipped.file), escape(&skipped.reason));
        }
        html.push_str("</ul>");
    }
    html.push_str(&effort(report));
    html
}

/// How much was spent.
fn effort(report: &Report) -> String {
    let plan = &report.plan;
    let seconds: f64 = report.wall_clock_s.values().sum();
    format!(
        "<p>Seed {}. Up to {} drives of a family under faults. Single decisions: {} steps or {} tries, and on {} of them in the \
         check-list {} queries of Square and {} random frames each. Frames of {} × {} pixels. Measured in {seconds:.0} s. All \
         figures, drive by drive, are in <code>robustness.json</code> beside this page; the same command makes the same figures \
         again, to the bit.</p>",
        plan.seed,
        plan.roads,
        plan.steps,
        plan.tries,
        plan.searched_frames,
        plan.square_queries,
        plan.noise_tries,
        report.camera_px.0,
        report.camera_px.1
    )
}
