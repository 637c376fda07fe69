//! The command line of Roadproof. Parses arguments and calls the library.
//!
//! Exit codes: 0 all held, 1 something fell short, 2 bad input or settings.

use clap::Parser;
use roadproof_agent::commands::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
