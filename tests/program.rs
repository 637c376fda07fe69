//! The program as a user starts it: arguments in, exit code and text out.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the program left behind.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The root of the repository, where the program is started.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests lie in a folder of the repository").to_owned()
}

/// The program, yet without arguments.
pub fn roadproof() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roadproof-under-test"));
    command.current_dir(repository());
    command
}

/// Runs the program to its end.
pub fn run(command: &mut Command) -> Ended {
    ended(command.output().expect("the program starts"))
}

/// Runs the program, which must end well, and returns its standard output.
pub fn run_well(command: &mut Command) -> String {
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{command:?}\n{}\n{}", ended.stdout, ended.stderr);
    ended.stdout
}

/// Runs the program, which must refuse its input in one message, and returns that message.
pub fn refusal(command: &mut Command) -> String {
    let Ended { code, stdout, stderr } = run(command);
    assert_eq!(code, Some(2), "{command:?} must be refused\n{stdout}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{command:?}\n{stderr}");
    assert!(stderr.starts_with("error: "), "{command:?}\n{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error:")).count(), 1, "{command:?}\n{stderr}");
    stderr
}

/// What a process that has ended left behind.
pub fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
