//! A driver that is a program of somebody else's, in whatever language: it is told line by line what there is to see, and answers
//! line by line what to do. What is said stands in the README beside this file.
//!
//! Who drives must answer, so a program that fails takes the work with it: it is given up at the next clean point, and the car brakes
//! until then.

mod process;
mod protocol;

pub use process::ProgramError;
pub use protocol::PROTOCOL;

use crate::driver::Drives;
use crate::host::interrupt::give_up;
use crate::host::program::VERSION;
use process::Process;
use protocol::{Answer, Hello, Question, Want, Welcome};
use roadproof_sim::{Controls, Observations, Seed};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};

/// What names of such drivers begin with.
pub const PREFIX: &str = "cmd:";

/// Programs that drive nobody just now. Each drive of a scenario file has a driver of its own, and to start a program can take
/// seconds.
static IDLE: Mutex<Vec<(String, Process, Vec<Want>)>> = Mutex::new(Vec::new());

/// Brakes and does not steer.
const STOP: Controls = Controls { steer: 0.0, throttle: 0.0, brake: 1.0 };

/// A program that drives.
pub struct ProgramDriver {
    command: String,
    wants: Vec<Want>,
    /// None once it has failed.
    process: Option<Process>,
    failure: Option<ProgramError>,
    /// Of each world the seed, if its drive has not been told of yet.
    begins: Vec<Option<Seed>>,
}

impl ProgramDriver {
    /// Starts a program and hears what it wants to be shown.
    ///
    /// # Errors
    /// [`ProgramError`] if it cannot be started, or answers something else.
    pub fn start(command: &str) -> Result<Self, ProgramError> {
        let (process, wants) = match idle(command) {
            Some(ready) => ready,
            None => {
                let mut process = Process::start(command)?;
                process.send(line(&Hello { roadproof: VERSION, protocol: PROTOCOL }))?;
                let wants = process.take(welcome)?;
                (process, wants)
            }
        };
        Ok(Self { command: command.to_owned(), wants, process: Some(process), failure: None, begins: Vec::new() })
    }

    /// The same program for other worlds.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn again(&self) -> Result<Self, ProgramError> {
        Self::start(&self.command)
    }

    /// Whether it is shown what only the simulator knows.
    #[must_use]
    pub fn knows_the_truth(&self) -> bool {
        self.wants.contains(&Want::Truth)
    }

    /// Why it drives no longer; the car brakes then.
    #[must_use]
    pub fn failure(&self) -> Option<&ProgramError> {
        self.failure.as_ref()
    }

    fn ask(&mut self, seen: &Observations) -> Result<Vec<Controls>, ProgramError> {
        let mut controls = vec![STOP; seen.verdicts.len()];
        let Some(process) = &mut self.process else { return Ok(controls) };
        let running: Vec<usize> = (0..controls.len()).filter(|&world| seen.verdicts[world].outcome.is_none()).collect();
        let mut questions = Vec::new();
        for (asked, &world) in running.iter().enumerate() {
            let more = running.len() - 1 - asked;
            let question = Question::new(seen, world, more, self.begins[world].take(), &self.wants);
            questions.extend(line(&question));
        }
        process.send(questions)?;
        for world in running {
            controls[world] = process.take(|said| {
                let answer: Answer = serde_json::from_str(said).map_err(|error| error.to_string())?;
                answer.controls(&seen.vehicles[world], &seen.sensed[world]).map_err(str::to_owned)
            })?;
        }
        Ok(controls)
    }
}

/// Ends the programs that drive nobody just now.
pub fn dismiss() {
    let idle = std::mem::take(&mut *IDLE.lock().unwrap_or_else(PoisonError::into_inner));
    drop(idle);
}

fn idle(command: &str) -> Option<(Process, Vec<Want>)> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let at = idle.iter().position(|(of, ..)| of == command)?;
    let (_, process, wants) = idle.swap_remove(at);
    Some((process, wants))
}

/// A message as a line.
fn line(message: &impl Serialize) -> Vec<u8> {
    // Messages are made of numbers, texts and lists: each has a form in JSON.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

fn welcome(said: &str) -> Result<Vec<Want>, String> {
    let welcome: Welcome = serde_json::from_str(said).map_err(|error| {
        format!("wanted is {{\"protocol\": {PROTOCOL}, \"wants\": [\"frame\"]}} at first, or other wants ({error})")
    })?;
    if welcome.protocol != PROTOCOL {
        return Err(format!("protocol = {}, this version speaks {PROTOCOL}", welcome.protocol));
    }
    Ok(welcome.wants)
}

impl Drop for ProgramDriver {
    fn drop(&mut self) {
        // One that says more than it was asked would answer the next drive's questions with it.
        if let Some(process) = self.process.take_if(|process| process.check_silence().is_ok()) {
            let ready = (std::mem::take(&mut self.command), process, std::mem::take(&mut self.wants));
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(ready);
        }
    }
}

impl Drives for ProgramDriver {
    fn needs_camera(&self) -> bool {
        self.wants.contains(&Want::Frame)
    }

    fn start(&mut self, seeds: &[Seed]) {
        self.begins = seeds.iter().copied().map(Some).collect();
    }

    fn restart(&mut self, world: usize, seed: Seed) {
        self.begins[world] = Some(seed);
    }

    fn act(&mut self, seen: &Observations) -> Vec<Controls> {
        self.ask(seen).unwrap_or_else(|failure| {
            if !matches!(failure, ProgramError::Stopped { .. }) {
                give_up(&failure);
            }
            (self.process, self.failure) = (None, Some(failure));
            vec![STOP; seen.verdicts.len()]
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use roadproof_sim::camera::CameraSettings;
    use roadproof_sim::{Fleet, parse};

    /// One world on an empty straight.
    pub fn fleet() -> Fleet {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 2.0, road: Straight(length_m: 300.0), \
                    camera: (width_px: 40, height_px: 24), ego: (speed_mps: 10.0))";
        let scenario = parse(text, "t.ron".as_ref()).expect("a scenario").into_scenario();
        assert_eq!(scenario.camera, CameraSettings { width_px: 40, height_px: 24, ..CameraSettings::default() });
        Fleet::new(vec![scenario], 1).expect("a world")
    }

    fn told(command: &str) -> String {
        ProgramDriver::start(command).err().expect("it must be refused").to_string()
    }

    #[test]
    fn what_is_no_program_is_refused_with_what_is_wrong() {
        assert!(told("").starts_with("cmd: wanted is a program"), "{}", told(""));
        assert!(told("sh -c 'exit").starts_with("cmd: wanted is a program"));
        assert!(told("no-such-program-7").starts_with("cannot start the driver's program \"no-such-program-7\""));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_does_not_speak_the_protocol_is_refused() {
        assert!(told("sh -c 'exit 3'").contains("ended by itself after 0 lines of output, exit status: 3"));
        assert!(told("echo hello").contains("line 1 of the driver's program is not what was asked for, wanted is"));
        let other = told(r#"echo '{"protocol": 9, "wants": []}'"#);
        assert!(other.contains("protocol = 9, this version speaks 1"), "{other}");
        let unknown = told(r#"echo '{"protocol": 1, "wants": ["lidar"]}'"#);
        assert!(unknown.contains("unknown variant `lidar`, expected `frame` or `truth`"), "{unknown}");
    }

    /// Greets, and gives one answer to everything.
    #[cfg(unix)]
    const STRAIGHT: &str = r#"sh -c 'echo "{\"protocol\": 1, \"wants\": []}"; read hello;
        while read question; do echo "{\"steer\": 0, \"throttle\": 0.25}"; done'"#;

    #[cfg(unix)]
    #[test]
    fn a_program_drives_and_drives_again() {
        for _ in 0..2 {
            let mut driver = ProgramDriver::start(STRAIGHT).expect("a shell");
            assert!(!driver.needs_camera() && !driver.knows_the_truth());
            let mut fleet = fleet();
            let mut seen = fleet.observe();
            driver.start(&[Seed(1)]);
            for _ in 0..5 {
                let controls = driver.act(&seen);
                assert_eq!(controls, [Controls { steer: 0.0, throttle: 0.25, brake: 0.0 }]);
                fleet.step(&controls, &mut seen);
            }
            assert!(seen.measures[0].ego.speed_mps > 10.2 && driver.failure().is_none());
        }
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(idle.iter().filter(|(command, ..)| command == STRAIGHT).count(), 1, "one process for both");
    }
}
