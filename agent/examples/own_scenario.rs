//! A scenario made by a program: `cargo run --release --example own_scenario`.
//!
//! The same fields as in a file, so whatever a file can say a loop can vary. Here the car ahead brakes harder and harder, until the
//! scripted driver no longer keeps two metres; that scenario is written as a file, for `roadproof replay` to hold drivers against.

use roadproof_agent::drive::rollout::drive_recorded;
use roadproof_agent::driver::Driver;
use roadproof_sim::scenario::to_ron;
use roadproof_sim::{Outcome, Scenario, parse};

/// Everything but the braking.
const BASE: &str = r#"Scenario(
    format: 1, title: "The car ahead brakes", duration_s: 40.0,
    road: Straight(length_m: 400.0),
    ego: (speed_mps: 13.0),
    actors: [(name: "lead", start: (lane: 0, s_m: 20.0, speed_mps: 13.0),
              script: [Brake(when: At(at_s: 3.0), decel_mps2: 1.0, for_s: 4.0)])],
    expect: (outcome: Arrived, min_gap_m: 2.0),
)"#;

fn braking(decel_mps2: f32) -> Result<Scenario, Box<dyn std::error::Error>> {
    let text = BASE.replace("decel_mps2: 1.0", &format!("decel_mps2: {decel_mps2:?}"));
    Ok(parse(&text, "own_scenario.ron".as_ref())?.into_scenario())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for tenths in (10..=90_u8).step_by(10) {
        let decel_mps2 = f32::from(tenths) / 10.0;
        let scenario = braking(decel_mps2)?;
        let drive = drive_recorded(scenario.clone(), &mut Driver::Scripted, |_| ())?;
        let judgement = drive.judgement().ok_or("the drive has ended")?;
        let held = judgement.failures(&scenario.actors).is_empty();
        let closest = judgement.closest().map_or_else(String::new, |bound| format!(", {bound}"));
        println!("braking by {decel_mps2} m/s²: {:?}{closest}", judgement.outcome);
        if !held {
            assert_ne!(judgement.outcome, Outcome::Blocked, "a car that brakes for four seconds drives on");
            println!("The weakest braking that breaks a bound, as a file:\n{}", to_ron(&scenario)?);
            break;
        }
    }
    Ok(())
}
