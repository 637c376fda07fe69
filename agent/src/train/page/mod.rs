//! The page of a run: its figures, curves and worst road in one file that needs nothing but itself.

mod chart;

mod film_strip;

pub use film_strip::FilmStrip;

use crate::drive::table;
use crate::formats::event_file::Events;
use crate::formats::html::{document, escape, picture, png_picture};
use crate::train::checkpoint::cut_in_words;
use crate::train::result::TrainResult;
use crate::train::settings::Settings;
use chart::Chart;
use serde_json::Value;
use std::fmt::Write;

/// File with the page of a run.
pub const PAGE_FILE: &str = "run.html";

/// Sections of curves: the first part of their tags, and what they are of.
const SECTIONS: [(&str, &str, &str); 4] = [
    ("learn", "Learning to drive", "decisions"),
    ("reward", "Terms of the reward, per decision", "decisions"),
    ("perceive", "Learning to see", "steps of perception"),
    ("evaluate", "Evaluation", "decisions"),
];
/// Curves that tell most come first in their section.
const FIRST: [&str; 6] = [
    "learn/driving_score",
    "learn/episode_return",
    "learn/collisions",
    "learn/off_road",
    "learn/route_completion",
    "perceive/loss",
];

/// The page of a run that has ended.
#[must_use]
pub fn page(settings: &Settings, result: &TrainResult, events: &Events, strip: Option<&FilmStrip>) -> String {
    let name = escape(result.about.driver_name());
    let mut body = format!(
        "<h1>Training run <code>{name}</code></h1>\n\
         <p class=\"soft\">Roadproof {}, algorithm {:?}, seed {}. Made by <code>{}</code></p>\n",
        result.about.roadproof,
        settings.algorithm,
        settings.seed,
        escape(&result.about.command)
    );
    for section in [evaluation(settings, result), worst_road(strip), curves(events), sight(result, events)] {
        body.push_str(&section);
        body.push('\n');
    }
    let _ = write!(body, "<h2>Settings</h2>\n<details><summary>All of them</summary><pre>{}</pre></details>\n", {
        escape(&settings.to_ron())
    });
    document(&format!("Training run {name}"), &body)
}

/// The drivers side by side, and what kept the run from its whole work.
fn evaluation(settings: &Settings, result: &TrainResult) -> String {
    let mut section = "<h2>Evaluation</h2>\n<div class=\"scroll\"><table><tr><th></th>".to_owned();
    for driver in &result.drivers {
        let _ = write!(section, "<th class=\"number\">{}</th>", escape(&driver.driver));
    }
    section.push_str("</tr>");
    for (name, figures) in table::rows(&result.drivers) {
        let _ = write!(section, "<tr><td class=\"name\">{}</td>", escape(name));
        for figure in figures {
            let _ = write!(section, "<td class=\"number\">{}</td>", escape(&figure));
        }
        section.push_str("</tr>");
    }
    section.push_str("</table></div>\n");
    let _ = write!(section, "<p class=\"soft\">{}</p>", escape(&table::legend(&settings.evaluate).replace('\n', " ")));
    if !result.cut.is_empty() {
        let _ = write!(section, "<p class=\"failed\">The clock cut {} short.</p>", escape(&cut_in_words(&result.cut)));
    }
    let seconds: Vec<String> =
        result.wall_clock_s.iter().map(|(stage, seconds)| format!("{} {seconds:.0} s", escape(stage))).collect();
    let _ = write!(section, "<p class=\"soft\">Wall clock: {}.</p>", seconds.join(", "));
    section
}

fn worst_road(strip: Option<&FilmStrip>) -> String {
    let Some(strip) = strip else { return String::new() };
    let mut section = format!(
        "<h2>The worst road</h2>\n<p>Road {}, seed {}: {:?}, driving score {:.1}. What the driver saw, up to the end:</p>\n\
         <div class=\"frames three\">",
        strip.road, strip.seed, strip.outcome, strip.driving_score
    );
    for frame in &strip.frames {
        section.push_str(&picture(&format!("{:.1} s", frame.time_s), strip.size, &frame.rgb));
    }
    section.push_str("</div>");
    section
}

fn curves(events: &Events) -> String {
    let mut all = String::new();
    for (prefix, title, unit) in SECTIONS {
        let mut tags: Vec<&String> =
            events.curves.keys().filter(|tag| tag.split_once('/').is_some_and(|(first, _)| first == prefix)).collect();
        // One point is no curve: it stands in a table.
        tags.retain(|tag| events.curves[*tag].iter().filter(|(_, value)| value.is_finite()).count() > 1);
        if tags.is_empty() {
            continue;
        }
        let place = |tag: &str| FIRST.iter().position(|first| *first == tag).unwrap_or(FIRST.len());
        tags.sort_by_key(|tag| (place(tag), (*tag).clone()));
        let _ = write!(all, "<h2>{title}</h2>\n<div class=\"charts\">");
        for tag in tags {
            all.push_str(&Chart { title: tag, x_name: unit, points: &events.curves[tag] }.svg());
        }
        all.push_str("</div>\n");
    }
    all
}

/// How well perception sees, in figures and in a picture.
fn sight(result: &TrainResult, events: &Events) -> String {
    let mut section = String::new();
    if let Some(Value::Object(figures)) = &result.perception {
        section.push_str("<h2>What perception sees of validation roads</h2>\n<div class=\"scroll\"><table>");
        let mut row = |name: &str, value: &Value| {
            let value = value.as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
            let _ = write!(section, "<tr><td>{}</td><td class=\"number\">{value}</td></tr>", escape(name));
        };
        for (name, value) in figures {
            match value {
                // Classes and their overlap.
                Value::Array(classes) => classes.iter().filter_map(Value::as_array).for_each(|class| {
                    if let [Value::String(class), value] = &class[..] {
                        row(&format!("{name} {class}"), value);
                    }
                }),
                value => row(&name.replace('_', " "), value),
            }
        }
        section.push_str("</table></div>\n");
    }
    if let Some((width, height, png)) = events.pictures.get("perceive/sight") {
        section.push_str("<div class=\"frames\">");
        let caption = "A validation frame, its true classes, and those that are seen";
        section.push_str(&png_picture(caption, (*width, *height), png));
        section.push_str("</div>\n");
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::About;
    use crate::drive::evaluate::evaluate;
    use crate::driver::Driver;
    use crate::host::interrupt::Interrupt;
    use roadproof_sim::DriveStyle;

    #[test]
    fn everything_is_in_the_page_and_nothing_outside_is_needed() {
        let mut settings = Settings::default();
        settings.evaluate.roads = 2;
        settings.drive = DriveStyle { length_m: 120.0, max_cars: 0, ..settings.drive };
        let driven =
            evaluate("str<aight", &mut Driver::Straight, &settings.evaluate, &settings.drive, 1, &Interrupt::never());
        let result = TrainResult {
            about: About::this(1),
            wall_clock_s: [("learn".to_owned(), 12.4)].into(),
            repeatable: true,
            cut: std::collections::BTreeMap::new(),
            perception: Some(serde_json::json!({"iou": [["Road", 0.93]], "gap_mae_m": null})),
            drivers: vec![driven.expect("a style").expect("nobody interrupts")],
        };
        let mut events = Events::default();
        events.curves.insert("learn/return".to_owned(), (0..900).map(|step| (step, step as f32)).collect());
        events.curves.insert("learn/once".to_owned(), vec![(1, 1.0)]);
        events.pictures.insert("perceive/sight".to_owned(), (4, 2, vec![1, 2, 3]));
        let page = page(&settings, &result, &events, None);
        for part in [
            "str&lt;aight",
            "learn/return",
            "<svg",
            "iou Road</td><td class=\"number\">0.9300",
            "gap mae m</td><td class=\"number\">–",
            "data:image/png;base64,AQID",
            "learn 12 s",
            "Held-out roads 0 to 1",
            "algorithm: Pqn",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("learn/once") && !page.contains("worst road") && !page.contains("str<aight"));
        for outside in ["http:", "https:", "<script", "src=\"/", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
