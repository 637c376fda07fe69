//! Where in a file a contradiction between fields stands, as nearly as it can be told: the field that would have to change.

use crate::scenario::CheckError;
use crate::text::blanked;

/// What is looked for in the text, one behind the other.
enum Word {
    /// The name of a field.
    Field(&'static str),
    /// The name of an actor, as a value.
    Name(String),
}

use Word::{Field, Name};

/// Line and column of what a contradiction is about, both from 1; `None` where the file says nothing of it.
pub(super) fn place(error: &CheckError, text: &str) -> Option<(usize, usize)> {
    // Bytes are where they were in both; names of fields are looked for outside of texts, and actors by theirs.
    let (named, fields) = (blanked(text, false), blanked(text, true));
    let (mut from, mut found) = (0, None);
    for word in words(error) {
        let text = if matches!(word, Name(_)) { &named } else { &fields };
        let Some(at) = find(&text[from..], &word).map(|at| from + at) else { break };
        (from, found) = (at + 1, Some(at));
    }
    let before = &text[..found?];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    Some((line, column))
}

fn words(error: &CheckError) -> Vec<Word> {
    let of = |who: &str, field: &'static str| {
        let whose = who.split('"').nth(1).map_or(Field("ego"), |name| Name(format!("\"{name}\"")));
        vec![whose, Field(field)]
    };
    match error {
        CheckError::Road { .. } => vec![Field("road")],
        CheckError::Clothoid { .. } => vec![Field("road"), Field("segments")],
        CheckError::NoSuchLane { who, .. } if who.starts_with("a lane change") => of(who, "to_lane"),
        CheckError::NoSuchLane { who, .. } => of(who, "lane"),
        CheckError::BeyondRoad { who, .. } => of(who, "s_m"),
        CheckError::NoRoute { .. } | CheckError::InProp { .. } => vec![Field("ego"), Field("s_m")],
        CheckError::Overlap { first, .. } => of(first, "s_m"),
        CheckError::SameName { name } => vec![Name(format!("{name:?}")), Name(format!("{name:?}"))],
        CheckError::CameraSide { side: "width", .. } => vec![Field("camera"), Field("width_px")],
        CheckError::CameraSide { .. } => vec![Field("camera"), Field("height_px")],
        CheckError::CameraTooLarge { .. } => vec![Field("camera")],
        CheckError::CameraMount { .. } => vec![Field("camera"), Field("mount_m")],
        CheckError::LongStep { .. } => vec![Field("decision_hz")],
        CheckError::Vehicle(_) => vec![Field("ego"), Field("vehicle")],
        CheckError::GoldenOfClass { class } => vec![Field("expect_by"), Field(class), Field("golden_holds")],
        CheckError::RecordedSize { .. } | CheckError::RecordedUnread { .. } => vec![Field("recorded")],
    }
}

/// Where a word stands: a field before its colon, a name as a whole.
fn find(text: &str, word: &Word) -> Option<usize> {
    match word {
        Name(name) => text.match_indices(name.as_str()).map(|(at, _)| at).find(|&at| {
            let before = text[..at].trim_end();
            before.strip_suffix(':').is_some_and(|before| before.trim_end().ends_with("name"))
        }),
        Field(field) => text.match_indices(field).map(|(at, _)| at).find(|&at| {
            let before = text[..at].chars().next_back();
            let alone = before.is_none_or(|before| !before.is_alphanumeric() && before != '_');
            alone && text[at + field.len()..].trim_start().starts_with(':')
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::parse;
    use std::path::Path;

    const TEXT: &str = r#"// ego: here, lane: there
Scenario(
    format: 1, title: "ego: (lane: 9)", duration_s: 9.0, /* road: none,
    ego: none */ road: Straight(length_m: 200.0, lanes: 2),
    ego: (lane: 0, s_m: 20.0),
    actors: [
        (name: "van", start: (lane: 0, s_m: 60.0, speed_mps: 5.0)), // "car" lane: 3
        (name: "car", start: (lane: 1, s_m: 60.0, speed_mps: 5.0),
         script: [ChangeLane(when: At(at_s: 1.0), to_lane: 0, over_s: 2.0)]),
    ],
    camera: (width_px: 160),
)"#;

    #[test]
    fn contradictions_between_fields_are_told_with_line_and_column() {
        parse(TEXT, Path::new("t.ron")).expect("as it stands it is a scenario");
        for (from, to, place) in [
            ("(lane: 1, s_m: 60.0", "(lane: 4, s_m: 60.0", "t.ron:8:31: \"car\" is in lane 4"),
            ("to_lane: 0", "to_lane: 5", "t.ron:9:51: a lane change of \"car\" is in lane 5"),
            ("ego: (lane: 0", "ego: (lane: 3", "t.ron:5:11: the ego is in lane 3"),
            ("ego: (lane: 0, s_m: 20.0", "ego: (lane: 0, s_m: 400.0", "t.ron:5:20: the ego starts at s = 400 m"),
            ("ego: (lane: 0, s_m: 20.0", "ego: (lane: 0, s_m: 58.0", "t.ron:7:40: \"van\" and the ego overlap"),
            ("name: \"car\"", "name: \"van\"", "t.ron:8:16: two actors are named \"van\""),
            ("length_m: 200.0", "length_m: 2.0", "t.ron:"),
            ("width_px: 160)", "mount_m: (30.0, 0.0, 1.0))", "t.ron:11:14: camera.mount_m"),
            ("duration_s: 9.0", "duration_s: 9.0, substeps: 1, decision_hz: 2.0", "t.ron:3:"),
        ] {
            let error =
                parse(&TEXT.replacen(from, to, 1), Path::new("t.ron")).expect_err("must be refused").to_string();
            assert!(error.starts_with(place), "{from} -> {to}: {error}");
        }
        // What the file leaves out has no place of its own: the section has.
        let text =
            TEXT.replacen("ego: (lane: 0, s_m: 20.0)", "ego: (heading_deg: 1.0, vehicle: (wheelbase_m: 4.5))", 1);
        let error = parse(&text, Path::new("t.ron")).expect_err("must be refused").to_string();
        assert!(error.starts_with("t.ron:5:29: ego vehicle: "), "{error}");
    }
}
