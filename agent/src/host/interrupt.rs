//! Signals that ask the program to end: the first asks the running stage to end at a clean point, the second ends the process.
//!
//! Ctrl-C, and what a cluster, a container or a terminal that closes sends; or a failure that has to end the work. Stages poll [`Interrupt::requested`] between units of
//! work; what they save then is theirs.

use crate::host::console;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

/// What shells report for a process ended by Ctrl-C: 128 and the number of the signal.
pub const EXIT_CODE: u8 = 130;

/// Why signals cannot be handled.
#[derive(Debug, Error)]
pub enum InterruptError {
    /// The operating system refused.
    #[error("cannot handle signals such as Ctrl-C: {cause}")]
    Install {
        /// What went wrong.
        cause: io::Error,
    },
}

/// Work that ended because somebody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stopped before it was done")]
pub struct Stopped;

/// Why the work of this process is given up, once it is.
static GIVEN_UP: OnceLock<String> = OnceLock::new();

/// Asks all work of this process to end at its next clean point, as a signal does, because of a failure in a place that cannot end
/// it. The first reason stands.
pub fn give_up(reason: &impl Display) {
    let _ = GIVEN_UP.set(reason.to_string());
}

/// Set by the signals that [`install`] handles.
static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Whether a signal has asked the process to end.
#[must_use]
pub fn asked_to_end() -> bool {
    ASKED.get().is_some_and(|asked| asked.load(Ordering::Relaxed))
}

/// Why the work is given up, if it is.
#[must_use]
pub fn given_up() -> Option<&'static str> {
    GIVEN_UP.get().map(String::as_str)
}

/// Tells whether the user wants the work to end; clones share the answer.
#[derive(Clone, Debug)]
pub struct Interrupt {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Never,
    Signals { requested: Arc<AtomicBool>, noted: Arc<AtomicBool> },
    Polls { left: Arc<AtomicU64> },
}

/// Handles the signals from now on: the first sets [`Interrupt::requested`], the second exits at once with [`EXIT_CODE`].
///
/// # Errors
/// [`InterruptError::Install`].
pub fn install() -> Result<Interrupt, InterruptError> {
    let requested = Arc::clone(ASKED.get_or_init(Arc::default));
    for signal in signals() {
        // In this order: the first signal must not find the flag set by itself.
        flag::register_conditional_shutdown(signal, EXIT_CODE.into(), Arc::clone(&requested))
            .and_then(|_| flag::register(signal, Arc::clone(&requested)))
            .map_err(|cause| InterruptError::Install { cause })?;
    }
    Ok(Interrupt { source: Source::Signals { requested, noted: Arc::default() } })
}

fn signals() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    // Whoever starts the program with `nohup` wants it to outlive the terminal.
    #[cfg(unix)]
    if !is_ignored(signal_hook::consts::SIGHUP, &std::fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        signals.push(signal_hook::consts::SIGHUP);
    }
    signals
}

/// Whether a process, whose state this is in the words of Linux, ignores a signal.
#[cfg(unix)]
fn is_ignored(signal: i32, status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Interrupt {
    /// An interrupt that is never requested, for tests and for callers without a terminal.
    pub fn never() -> Self {
        Self { source: Source::Never }
    }

    /// An interrupt that is requested from poll number `polls + 1` on, to test that a stage ends where it should.
    /// Polls of all clones count.
    pub fn after(polls: u64) -> Self {
        Self { source: Source::Polls { left: Arc::new(AtomicU64::new(polls)) } }
    }

    /// Ends work that leaves nothing behind.
    ///
    /// # Errors
    /// [`Stopped`] if it is [`Self::requested`].
    pub fn check(&self) -> Result<(), Stopped> {
        if self.requested() { Err(Stopped) } else { Ok(()) }
    }

    /// Whether the work should end at the next clean point. Cheap enough for every step.
    pub fn requested(&self) -> bool {
        match &self.source {
            Source::Never => false,
            Source::Signals { .. } if given_up().is_some() => true,
            Source::Signals { requested, noted } => {
                let requested = requested.load(Ordering::Relaxed);
                if requested && !noted.swap(true, Ordering::Relaxed) {
                    console::note(
                        "\nending at the next clean point; asked once more (Ctrl-C, or another signal) it quits at once",
                    );
                }
                requested
            }
            Source::Polls { left } => {
                left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_never() {
        let interrupt = Interrupt::never();
        assert!((0..1000).all(|_| !interrupt.requested()));
    }

    #[test]
    fn clones_count_polls_together_and_the_request_stays() {
        let interrupt = Interrupt::after(3);
        let other = interrupt.clone();
        let answers = [&interrupt, &other, &interrupt, &other, &interrupt].map(Interrupt::requested);
        assert_eq!(answers, [false, false, false, true, true]);
    }

    /// Set for the child process of [`the_first_signal_asks_and_the_second_exits_at_once`].
    #[cfg(unix)]
    const CHILD: &str = "ROADPROOF_TEST_INTERRUPT_CHILD";

    #[cfg(unix)]
    #[test]
    fn what_nohup_ignores_stays_ignored() {
        let status = |mask: &str| format!("SigBlk:\t0000000000000000\nSigIgn:\t{mask}\nSigCgt:\t0000000000000440\n");
        assert!(is_ignored(1, &status("0000000000001001")));
        assert!(!is_ignored(1, &status("0000000000001000")));
        assert!(!is_ignored(1, "") && !is_ignored(1, &status("no mask")));
    }

    /// Signals reach a whole process, so the test drives a second copy of itself.
    #[cfg(unix)]
    #[test]
    fn the_first_signal_asks_and_the_second_exits_at_once() {
        if std::env::var_os(CHILD).is_some() {
            wait_for_two_signals();
        }
        for signals in [["INT", "INT"], ["TERM", "TERM"], ["TERM", "INT"]] {
            check_signals(signals);
        }
    }

    /// Sends one signal and then the other to a copy of this program.
    #[cfg(unix)]
    fn check_signals([first, second]: [&str; 2]) {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        let module = module_path!();
        let module = module.split_once("::").map_or(module, |(_, inner)| inner);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg(format!("{module}::the_first_signal_asks_and_the_second_exits_at_once"))
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wait_for = |word: &str| {
            assert!(lines.any(|line| line.unwrap().ends_with(word)), "no {word}");
        };
        for (word, signal) in [("installed", first), ("requested", second)] {
            wait_for(word);
            let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
            assert!(status.unwrap().success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(EXIT_CODE.into()));
    }

    #[cfg(unix)]
    fn wait_for_two_signals() -> ! {
        use std::time::{Duration, Instant};
        let interrupt = install().unwrap();
        assert!(!interrupt.requested());
        println!("installed");
        // Only a failure meets the deadline: a handler that does not work must not hang the tests.
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut reported = false;
        while Instant::now() < deadline {
            if interrupt.requested() && !reported {
                println!("requested");
                reported = true;
            }
            std::thread::yield_now();
        }
        std::process::exit(1);
    }
}
