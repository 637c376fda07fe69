//! A driver's program as a child process: lines to it and from it, with a limit to the time that it may take for one.

use crate::host::interrupt::asked_to_end;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest line that is taken from a program.
const LONGEST_LINE: u64 = 1 << 16;
/// Lines that wait to be taken; a program that says more has to wait.
const WAITING_LINES: usize = 4096;
/// How long a program that has closed its output, or whose input was closed, may take to end; and for an answer once somebody wants the
/// work to end.
const GRACE: Duration = Duration::from_secs(2);
/// How often somebody who waits looks about.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Environment variable with the seconds that a program may take for a line.
const LIMIT_VARIABLE: &str = "ROADPROOF_DRIVER_TIMEOUT_S";
/// The same where nothing is said: the first line waits for the program's libraries and weights.
const LIMIT: Duration = Duration::from_secs(60);

/// Why a driver's program cannot drive.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A command of no words, or with a quotation mark that is not closed.
    #[error("cmd: wanted is a program and its arguments, as in \"cmd:python3 my.py\", not {command:?}")]
    Words {
        /// What was given.
        command: String,
    },
    /// It cannot be started.
    #[error("cannot start the driver's program {program:?}: {cause}")]
    Start {
        /// The first word of the command.
        program: String,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// It ended.
    #[error("the driver's program ended by itself after {lines} lines of output{how}: {command}")]
    Ended {
        /// The command.
        command: String,
        /// Lines that it had written.
        lines: u64,
        /// Its exit code or signal.
        how: String,
    },
    /// It took too long.
    #[error(
        "the driver's program has said no whole line for {limit_s} s, after {lines} lines of output; does it flush after each? \
         {LIMIT_VARIABLE} allows more time: {command}"
    )]
    Late {
        /// The command.
        command: String,
        /// Lines that it had written.
        lines: u64,
        /// What it may take.
        limit_s: f64,
    },
    /// Somebody wants the work to end, and it does not answer.
    #[error("stopped while the driver's program was asked: {command}")]
    Stopped {
        /// The command.
        command: String,
    },
    /// It said something that nothing was asked for.
    #[error("line {line} of the driver's program answers no question, each wants one line: {said:?}; {command}")]
    Unasked {
        /// The command.
        command: String,
        /// Number of the line, from 1.
        line: u64,
        /// The line.
        said: String,
    },
    /// It said something else.
    #[error("line {line} of the driver's program is not what was asked for, {cause}: {said:?}; {command}")]
    Said {
        /// The command.
        command: String,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        cause: String,
        /// The line.
        said: String,
    },
    /// A time limit that is none.
    #[error("{LIMIT_VARIABLE} = {found:?}, allowed are seconds above 0")]
    Limit {
        /// What the variable says.
        found: String,
    },
}

/// A program that drives.
pub(super) struct Process {
    command: String,
    child: Child,
    to: Option<Sender<Vec<u8>>>,
    /// Behind a lock that nobody waits for, so that drivers can be shown to other threads.
    from: Mutex<Receiver<Vec<u8>>>,
    limit: Duration,
    lines: u64,
}

impl Process {
    /// Starts a program by its command, as a shell would cut it into words.
    pub fn start(command: &str) -> Result<Self, ProgramError> {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| ProgramError::Words { command: command.to_owned() })?;
        let limit = limit()?;
        let mut program = Command::new(&words[0]);
        program.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let started = program.spawn();
        let mut child = started.map_err(|cause| ProgramError::Start { program: words[0].clone(), cause })?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let to = input.map(|input| {
            let (to, lines) = channel();
            thread::spawn(move || write_all(input, &lines));
            to
        });
        let (said, from) = sync_channel(WAITING_LINES);
        if let Some(output) = output {
            thread::spawn(move || read_all(output, |line| said.send(line).is_ok()));
        }
        Ok(Self { command: command.to_owned(), child, to, from: Mutex::new(from), limit, lines: 0 })
    }

    /// Sends what is whole lines; a program that has ended is noticed by its missing answer.
    ///
    /// # Errors
    /// [`ProgramError::Unasked`]: what it had said before this would be taken for the answer.
    pub fn send(&mut self, lines: Vec<u8>) -> Result<(), ProgramError> {
        // Who greets before it is greeted says nothing wrong.
        if self.lines > 0 {
            self.check_silence()?;
        }
        let _ = self.to.as_ref().map(|to| to.send(lines));
        Ok(())
    }

    /// Finds out whether it has said nothing that it was not asked for.
    pub fn check_silence(&mut self) -> Result<(), ProgramError> {
        match self.waiting().try_recv() {
            Err(_) => Ok(()),
            Ok(line) => {
                let said = shortened(String::from_utf8_lossy(&line).trim());
                Err(ProgramError::Unasked { command: self.command.clone(), line: self.lines + 1, said })
            }
        }
    }

    fn waiting(&mut self) -> &mut Receiver<Vec<u8>> {
        self.from.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next line.
    fn line(&mut self) -> Result<Vec<u8>, ProgramError> {
        let (asked, look_every, mut stopped) = (Instant::now(), LOOK_EVERY.min(self.limit), None);
        loop {
            match self.waiting().recv_timeout(look_every) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if asked_to_end() && stopped.get_or_insert_with(Instant::now).elapsed() >= GRACE {
                return Err(ProgramError::Stopped { command: self.command.clone() });
            }
            // What it started may hold its output open.
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return self.waiting().recv_timeout(LOOK_EVERY).map_err(|_| self.ended());
            }
            if asked.elapsed() >= self.limit {
                let limit_s = self.limit.as_secs_f64();
                return Err(ProgramError::Late { command: self.command.clone(), lines: self.lines, limit_s });
            }
        }
    }

    /// What is to be said of its end. Ctrl-C on a terminal ends it as well.
    fn ended(&mut self) -> ProgramError {
        let (command, lines) = (self.command.clone(), self.lines);
        let how = self.end().map_or_else(String::new, |status| format!(", {status}"));
        if asked_to_end() { ProgramError::Stopped { command } } else { ProgramError::Ended { command, lines, how } }
    }

    /// The next line as what is wanted of it.
    pub fn take<T>(&mut self, wanted: impl FnOnce(&str) -> Result<T, String>) -> Result<T, ProgramError> {
        let line = self.line()?;
        self.lines += 1;
        let said = String::from_utf8_lossy(&line);
        wanted(said.trim()).map_err(|cause| ProgramError::Said {
            command: self.command.clone(),
            line: self.lines,
            cause,
            said: shortened(said.trim()),
        })
    }

    /// Closes its input and waits a little for its end; what goes on after that is ended.
    fn end(&mut self) -> Option<ExitStatus> {
        self.to = None;
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn limit() -> Result<Duration, ProgramError> {
    let Some(found) = std::env::var_os(LIMIT_VARIABLE) else { return Ok(LIMIT) };
    let found = found.to_string_lossy().into_owned();
    let seconds = found.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or(ProgramError::Limit { found })
}

fn write_all(mut input: ChildStdin, lines: &Receiver<Vec<u8>>) {
    while let Ok(lines) = lines.recv() {
        if input.write_all(&lines).and_then(|()| input.flush()).is_err() {
            return;
        }
    }
}

/// Hands on line after line, until nobody takes them or there are no more.
fn read_all(output: ChildStdout, mut take: impl FnMut(Vec<u8>) -> bool) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if take(line) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// A line for a message.
fn shortened(line: &str) -> String {
    const SHOWN: usize = 80;
    match line.char_indices().nth(SHOWN) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}
