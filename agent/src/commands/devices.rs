//! `roadproof devices`, and the choice among them: what was built in is tried in a process of its own, because a driver or a library that
//! is missing ends whoever opens it.

use super::Ended;
use super::choices::DeviceName;
use crate::about::{About, is_result};
use crate::driver::Driver;
use crate::host::console::{Console, note, table};
use crate::host::files::{check_result, write_atomically};
use anyhow::Context;
use clap::Args;
use roadproof_perception::device::{ComputeBackend, is_gpu};
use serde::Serialize;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof devices
  roadproof train --device auto        the fastest that works here
  roadproof train --device cuda --actor-device flex
  roadproof evaluate shipped --device tch

Only flex, which is always there, gives the same bits on every machine. How to build the others: agent/docs/devices.md.

Exit code: 0 whatever is missing.")]
pub(super) struct Arguments {
    /// Write there as JSON what works and what is missing; - is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Open this one and compute something: what the command does of each in a process of its own.
    #[arg(long = "try", value_name = "NAME", hide = true, conflicts_with = "json")]
    try_out: Option<ComputeBackend>,
}

/// Where the networks of drivers compute. None is taken without being named: figures are to be the same on every machine.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct DeviceOption {
    /// Where the driver's networks compute: flex, or cuda, wgpu or tch where they are built in; see `roadproof devices`.
    #[arg(long, value_name = "DEVICE", default_value_t = ComputeBackend::Flex)]
    device: ComputeBackend,
}

impl DeviceOption {
    /// Finds out whether it works here, and whether any of these drivers computes there.
    ///
    /// # Errors
    /// What is missing.
    pub fn check<'d>(self, drivers: impl IntoIterator<Item = &'d Driver>) -> anyhow::Result<()> {
        check("--device", self.device)?;
        anyhow::ensure!(
            self.device == ComputeBackend::Flex || drivers.into_iter().any(Driver::has_network),
            "--device {}: it has no effect on a driver without a network",
            self.device
        );
        Ok(())
    }

    /// A driver there.
    ///
    /// # Errors
    /// What is missing.
    pub fn put(self, driver: Driver) -> anyhow::Result<Driver> {
        Ok(driver.on(&self.device.device()?))
    }
}

/// Version of the shape of what `--json` writes.
const JSON_FORMAT: u32 = 1;

/// What `--json` writes.
#[derive(Serialize)]
struct DevicesFile {
    about: About,
    devices: Vec<Tried>,
}

/// What became of a backend.
#[derive(Serialize)]
struct Tried {
    name: &'static str,
    built_in: bool,
    works: bool,
    /// What it computes on, or what is missing.
    says: String,
}

/// A backend may take so long to open its device: kernels are compiled at first.
const LONGEST: Duration = Duration::from_secs(120);
/// How often somebody who waits looks about.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How the child says that all went well.
const WORKS: &str = "works";

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    if let Some(backend) = arguments.try_out {
        backend.try_out().map_err(anyhow::Error::msg)?;
        console.line(WORKS);
        return Ok(Ended::Held);
    }
    console.give_way_to(arguments.json.as_deref());
    arguments.json.as_deref().map(|path| check_result(path, is_result)).transpose()?;
    let devices: Vec<Tried> = ComputeBackend::ALL.into_iter().map(tried).collect();
    let mut rows = table(["device", "built in", "works", ""]);
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for Tried { name, built_in, works, says } in &devices {
        rows.add_row([(*name).to_owned(), yes(*built_in), yes(*works), says.clone()]);
    }
    console.line(rows);
    if let Some(path) = &arguments.json {
        let file = DevicesFile { about: About::this(JSON_FORMAT), devices };
        write_atomically(path, &serde_json::to_vec_pretty(&file)?)?;
    }
    Ok(Ended::Held)
}

fn tried(backend: ComputeBackend) -> Tried {
    let (name, built_in) = (backend.name(), backend.is_built_in());
    let worked =
        if built_in { works_apart(backend) } else { backend.device().map(|_| ()).map_err(|it| it.to_string()) };
    let works = worked.is_ok();
    Tried { name, built_in, works, says: worked.err().unwrap_or_else(|| backend.describe().to_owned()) }
}

/// Tries a backend in a process of its own.
fn works_apart(backend: ComputeBackend) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|cause| format!("this program cannot be started: {cause}"))?;
    let mut child = Command::new(program)
        .args(["devices", "--try", backend.name()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| format!("this program cannot be started: {cause}"))?;
    // Read on other threads: who fills a pipe that nobody reads never ends.
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut said = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.read_to_end(&mut said);
            }
            String::from_utf8_lossy(&said).into_owned()
        })
    };
    let output = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let errors = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let begun = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < LONGEST => thread::sleep(LOOK_EVERY),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not answer within {} s", LONGEST.as_secs()));
            }
            Err(cause) => return Err(format!("it was lost sight of: {cause}")),
        }
    };
    let said = |thread: thread::JoinHandle<String>| thread.join().unwrap_or_default();
    let (output, errors) = (said(output), said(errors));
    if status.success() && output.trim() == WORKS {
        return Ok(());
    }
    Err(reason(&errors).unwrap_or_else(|| status.to_string()))
}

/// Why a process ended, by what it said on standard error: what it refused, or what it panicked with.
fn reason(said: &str) -> Option<String> {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.find(|line| line.starts_with("error: ") || line.contains(" panicked at "))?;
    let told = first.strip_prefix("error: ").or_else(|| lines.next()).unwrap_or(first);
    Some(told.to_owned())
}

/// The backend of a name; the fastest that works here for `auto`, which is told.
pub(super) fn chosen(name: DeviceName) -> ComputeBackend {
    if let Some(backend) = name.backend() {
        return backend;
    }
    let fast = |backend: &ComputeBackend| {
        backend.is_built_in() && backend.device().is_ok_and(|device| is_gpu(&device)) && works_apart(*backend).is_ok()
    };
    let found = [ComputeBackend::Cuda, ComputeBackend::Wgpu].into_iter().find(fast).unwrap_or_default();
    if found != ComputeBackend::Flex {
        note(format_args!("device {found}: {}", found.describe()));
    }
    found
}

/// Finds out whether a backend works here, before anything is begun on it. `setting` is what asks for it.
///
/// # Errors
/// What is missing.
pub(super) fn check(setting: &str, backend: ComputeBackend) -> anyhow::Result<()> {
    if backend == ComputeBackend::Flex {
        return Ok(());
    }
    backend.device().with_context(|| setting.to_owned())?;
    works_apart(backend)
        .map_err(|missing| anyhow::anyhow!("{setting}: {backend} does not work here: {missing}; see roadproof devices"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_ended_with_is_told_in_a_line() {
        let panicked = "\nthread 'main' (7) panicked at src/lib.rs:18:\ncuda path not found\nnote: run with\n";
        assert_eq!(reason(panicked).as_deref(), Some("cuda path not found"));
        assert_eq!(reason("note: x\nerror: no driver\n").as_deref(), Some("no driver"));
        assert_eq!(reason("Aborted\n"), None);
    }
}
