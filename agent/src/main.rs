//! The command line of Roadproof. Parses arguments and calls the library.
//!
//! Exit codes: 0 all held, 1 something fell short, 2 bad input or settings, 130 stopped by Ctrl-C or another signal.

use roadproof_agent::commands::{Ended, moved, read, refusal, run};
use roadproof_agent::host::console::{complain, heard};
use roadproof_agent::host::{interrupt, program};
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let _ = program::started();
    if let Err(cause) = program::with_flex_by_default() {
        complain(format_args!("error: the program cannot be started with BURN_DEVICE=flex: {cause}"));
        return ExitCode::from(2);
    }
    let ended = match read(std::env::args_os().collect()) {
        Ok(cli) => run(cli),
        Err(answer) if answer.use_stderr() => {
            match moved(&std::env::args_os().skip(1).collect::<Vec<_>>()) {
                Some(told) => complain(format_args!("error: {told}")),
                None => complain(refusal(&answer, std::io::stderr().is_terminal())),
            }
            return ExitCode::from(2);
        }
        // Help and version are answers too, and may be piped like any other.
        Err(answer) => heard(answer.print()).map(|()| Ended::Held).map_err(Into::into),
    };
    match ended {
        Ok(Ended::Held) => ExitCode::SUCCESS,
        Ok(Ended::FellShort) => ExitCode::from(1),
        Ok(Ended::Stopped) => ExitCode::from(interrupt::EXIT_CODE),
        Err(error) => {
            complain(format_args!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
