//! Ctrl-C: the first asks the running stage to end at a clean point, the second ends the process.
//!
//! Stages poll [`Interrupt::requested`] between units of work; what they save then is theirs.

use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use thiserror::Error;

/// What shells report for a process ended by Ctrl-C: 128 and the number of the signal.
const EXIT_CODE: i32 = 130;

/// Why Ctrl-C cannot be handled.
#[derive(Debug, Error)]
pub enum InterruptError {
    /// The operating system refused, or this process handles Ctrl-C already.
    #[error("cannot handle ctrl-c: {cause}")]
    Install {
        /// What went wrong.
        cause: ctrlc::Error,
    },
}

/// Tells whether the user wants the work to end; clones share the answer.
#[derive(Clone, Debug)]
pub struct Interrupt {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Never,
    CtrlC(Arc<AtomicBool>),
    Polls { left: Arc<AtomicU64> },
}

/// Handles Ctrl-C from now on: the first sets [`Interrupt::requested`], the second exits at once with code 130.
///
/// # Errors
/// [`InterruptError::Install`], also for a second call in one process.
pub fn install() -> Result<Interrupt, InterruptError> {
    let requested = Arc::new(AtomicBool::new(false));
    let seen_by_handler = Arc::clone(&requested);
    ctrlc::set_handler(move || {
        if seen_by_handler.swap(true, Ordering::Relaxed) {
            process::exit(EXIT_CODE);
        }
        // A closed stderr must not keep the second Ctrl-C from being heard.
        let _ = writeln!(io::stderr(), "\nending at the next clean point; ctrl-c again quits at once");
    })
    .map_err(|cause| InterruptError::Install { cause })?;
    Ok(Interrupt { source: Source::CtrlC(requested) })
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

    /// Whether the work should end at the next clean point. Cheap enough for every step.
    pub fn requested(&self) -> bool {
        match &self.source {
            Source::Never => false,
            Source::CtrlC(requested) => requested.load(Ordering::Relaxed),
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

    /// Set for the child process of [`the_second_ctrl_c_exits_at_once`].
    #[cfg(unix)]
    const CHILD: &str = "ROADPROOF_TEST_INTERRUPT_CHILD";

    /// Signals reach a whole process, so the test drives a second copy of itself.
    #[cfg(unix)]
    #[test]
    fn the_second_ctrl_c_exits_at_once() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        if std::env::var_os(CHILD).is_some() {
            wait_for_two_signals();
        }
        let module = module_path!();
        let module = module.split_once("::").map_or(module, |(_, inner)| inner);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg(format!("{module}::the_second_ctrl_c_exits_at_once"))
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wait_for = |word: &str| {
            assert!(lines.any(|line| line.unwrap().ends_with(word)), "no {word}");
        };
        let interrupt = format!("kill -INT {}", child.id());
        for word in ["installed", "requested"] {
            wait_for(word);
            let status = Command::new("sh").args(["-c", &interrupt]).status();
            assert!(status.unwrap().success());
        }
        assert_eq!(child.wait().unwrap().code(), Some(EXIT_CODE));
    }

    #[cfg(unix)]
    fn wait_for_two_signals() -> ! {
        use std::time::{Duration, Instant};
        let interrupt = install().unwrap();
        assert!(install().is_err());
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
        process::exit(1);
    }
}
