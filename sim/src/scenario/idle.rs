//! Parts of a scenario that say nothing of any drive: it can be driven, but whoever wrote it meant more.

use crate::outcome::expectations::Expect;
use crate::outcome::measures::ROUTE_MARGIN_M;
use crate::outcome::verdict::Outcome;
use crate::scenario::build::BuiltScenario;
use crate::traffic::Manoeuvre;
use crate::trigger::Trigger;

impl BuiltScenario {
    /// What of these bounds says nothing, or asks for what no drive can do, in words.
    #[must_use]
    pub fn idle_bounds(&self, expect: &Expect) -> Vec<String> {
        let ends_s = self.duration_s;
        let bounds = expect.toothless().map(|name| format!("{name} = 0 is kept by every drive, and says nothing"));
        let arrival = expect.arrive_within_s.and_then(|by_s| {
            let outcome = expect.outcome;
            if outcome != Outcome::Arrived {
                Some(format!("outcome: {outcome:?} and arrive_within_s = {by_s} are never kept together"))
            } else if by_s >= ends_s {
                Some(format!("arrive_within_s = {by_s} is kept by whoever arrives: the drive ends at {ends_s} s"))
            } else {
                None
            }
        });
        bounds.chain(arrival).collect()
    }

    /// Faults and manoeuvres that never begin, whoever drives, in words.
    #[must_use]
    pub fn idle_parts(&self) -> Vec<String> {
        let ends_s = self.duration_s;
        let faults = self.perturbations.iter().zip(1..).filter_map(|(fault, place)| match fault.when {
            Some(when) => self.never(&format!("perturbation {place}"), when),
            None => {
                let begins_s = fault.during_s.0;
                let late = || format!("perturbation {place} begins at {begins_s} s, and the drive ends at {ends_s} s");
                (begins_s >= ends_s).then(late)
            }
        });
        let scripts = self.actors.iter().flat_map(|actor| {
            let triggers = actor.script.iter().map(Manoeuvre::trigger);
            triggers.filter_map(|when| self.never(&format!("the script of {}", actor.name), when))
        });
        faults.chain(scripts).collect()
    }

    /// Why what something waits for never comes, if that can be known.
    fn never(&self, what: &str, trigger: Trigger) -> Option<String> {
        let (ends_s, route_ends_m) = (self.duration_s, self.road().length_m() - ROUTE_MARGIN_M);
        let end = match trigger {
            Trigger::At { at_s } if at_s >= ends_s => format!("at {ends_s} s"),
            Trigger::EgoAt { s_m } if s_m >= route_ends_m => format!("where the route does, at {route_ends_m} m"),
            _ => return None,
        };
        Some(format!("{what} waits for {trigger}, and the drive ends {end}"))
    }
}

#[cfg(test)]
mod tests {
    fn idle(text: &str) -> Vec<String> {
        let text =
            format!("Scenario(format: 1, title: \"t\", duration_s: 60.0, road: Straight(length_m: 300.0), {text})");
        let scenario = crate::parse(&text, "t.ron".as_ref()).unwrap();
        [scenario.idle_bounds(&scenario.expect), scenario.idle_parts()].concat()
    }

    #[test]
    fn what_says_nothing_and_what_nobody_can_do_is_told() {
        assert!(idle("expect: (arrive_within_s: 30.0, min_gap_m: 1.0)").is_empty());
        assert_eq!(idle("expect: (min_gap_m: 0.0)"), ["min_gap_m = 0 is kept by every drive, and says nothing"]);
        let never = idle("expect: (outcome: TimeUp, arrive_within_s: 20.0)");
        assert_eq!(never, ["outcome: TimeUp and arrive_within_s = 20 are never kept together"]);
        let always = idle("expect: (arrive_within_s: 500.0)");
        assert_eq!(always, ["arrive_within_s = 500 is kept by whoever arrives: the drive ends at 60 s"]);
        let fog = |span: &str| format!("perturbations: [({span}, fault: Graded(kind: Fog, severity: 1))]");
        let late = idle(&fog("during_s: (300.0, 400.0)"));
        assert_eq!(late, ["perturbation 1 begins at 300 s, and the drive ends at 60 s"]);
        assert!(idle(&fog("during_s: (50.0, 400.0)")).is_empty());
        let waits = idle(&fog("when: At(at_s: 140.0), during_s: (0.0, 4.0)"));
        assert_eq!(waits, ["perturbation 1 waits for At(at_s: 140.0), and the drive ends at 60 s"]);
        let stops = |when: &str| {
            let script = format!("[Stop(when: {when}, decel_mps2: 3.0)]");
            idle(&format!(r#"actors: [(name: "lead", start: (lane: 0, s_m: 30.0, speed_mps: 9.0), script: {script})]"#))
        };
        assert!(stops("At(at_s: 30.0)").is_empty() && stops("EgoAt(s_m: 290.0)").is_empty());
        assert_eq!(
            stops("At(at_s: 60.0)"),
            ["the script of lead waits for At(at_s: 60.0), and the drive ends at 60 s"]
        );
        let far = stops("EgoAt(s_m: 1200.0)");
        assert_eq!(
            far,
            ["the script of lead waits for EgoAt(s_m: 1200.0), and the drive ends where the route does, at 295 m"]
        );
    }
}
