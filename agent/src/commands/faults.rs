//! `roadproof faults`

use super::choices::{fault_kind, severity};
use super::scenarios::scenarios;
use super::{Ended, drive_at};
use crate::driver::Driver;
use crate::formats::contact_sheet::{Tile, draw};
use crate::formats::pictures::{is_own_picture, read_png, write_png};
use crate::host::console::{Console, table};
use crate::host::files::{check_folder, check_result, same_place};
use anyhow::Context;
use clap::{ArgGroup, Args};
use roadproof_sim::fault::{FaultKind, FrameFault, Group, Severity};
use roadproof_sim::{CameraSettings, Seed};
use std::path::{Path, PathBuf};
use std::time::Instant;

// What is required of an option is waived where it conflicts with another that is given, so each names both.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("drawn").args(["sheet", "image"]))]
#[command(after_help = "Examples:
  roadproof faults                                     every fault, and what it costs for a frame of 84×84
  roadproof faults --sheet faults.png --scenario scenarios/cut_in/from_left.ron --at 7
  roadproof faults --image street.png --kind Fog --severity 3 --out faulty
  roadproof faults --image street.png --out faulty     every fault of pictures in every severity

In a scenario: perturbations: [(during_s: (3.0, 8.0), fault: Graded(kind: Fog, severity: 3))]")]
pub(super) struct Arguments {
    /// Draw a contact sheet of all faults of pictures at severity 3 there.
    #[arg(long, value_name = "FILE", requires = "scenario")]
    sheet: Option<PathBuf>,
    /// The scenario whose frame the contact sheet shows, driven by the scripted driver.
    #[arg(long, value_name = "FILE", requires = "sheet", conflicts_with = "image", value_parser = scenarios())]
    scenario: Option<PathBuf>,
    /// Time of that drive.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", requires = "sheet", conflicts_with = "image")]
    at: f32,
    /// A PNG picture to change.
    #[arg(long, value_name = "FILE", requires = "out", conflicts_with = "sheet")]
    image: Option<PathBuf>,
    /// The fault [default: all].
    #[arg(long, value_name = "NAME", value_parser = fault_kind, requires = "image", conflicts_with = "sheet")]
    kind: Option<FaultKind>,
    /// Its severity, 1 to 5 [default: all].
    #[arg(long, value_parser = severity, requires = "image", conflicts_with = "sheet")]
    severity: Option<Severity>,
    /// Seed of what the faults draw at random.
    #[arg(long, default_value_t = 1, requires = "drawn")]
    seed: u64,
    /// Folder for the changed pictures.
    #[arg(long, value_name = "FOLDER", requires = "image", conflicts_with = "sheet")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    if let (Some(sheet), Some(scenario)) = (&arguments.sheet, &arguments.scenario) {
        let other = sheet.extension().filter(|end| !end.eq_ignore_ascii_case("png"));
        anyhow::ensure!(other.is_none(), "--sheet {sheet:?}: the sheet is a PNG picture, name it so");
        console.give_way_to(Some(sheet));
        check_result(sheet, is_own_picture)?;
        let drawn = contact_sheet(scenario, arguments.at, Seed(arguments.seed))?;
        write_png(sheet, drawn.width, drawn.height, &drawn.rgb)?;
        console.line(sheet.display());
    } else if let (Some(image), Some(out)) = (&arguments.image, &arguments.out) {
        change(arguments, image, out, console)?;
    } else {
        console.line(list());
    }
    Ok(Ended::Held)
}

/// Faults that change a single picture.
fn of_pictures() -> impl Iterator<Item = FaultKind> {
    FaultKind::ALL.iter().copied().filter(|kind| !matches!(kind.group(), Group::Timing | Group::Vehicle))
}

fn change(arguments: &Arguments, image: &Path, out: &Path, console: &mut Console) -> anyhow::Result<()> {
    let kinds: Vec<FaultKind> = match arguments.kind {
        None => of_pictures().collect(),
        Some(kind) => {
            let name = kind.name();
            anyhow::ensure!(of_pictures().any(|other| other == kind), "{name} is no fault of a single picture");
            vec![kind]
        }
    };
    let severities = arguments.severity.map_or_else(|| Severity::ALL.to_vec(), |severity| vec![severity]);
    let (width, height, clean) = read_png(image)?;
    let side =
        |pixels: u32| u16::try_from(pixels).with_context(|| format!("a picture of {width} × {height}: {image:?}"));
    let camera = CameraSettings { width_px: side(width)?, height_px: side(height)?, ..CameraSettings::default() };
    let all: Vec<(FaultKind, Severity, PathBuf)> = kinds
        .iter()
        .flat_map(|&kind| severities.iter().map(move |&severity| (kind, severity)))
        .map(|(kind, severity)| (kind, severity, out.join(format!("{}_{}.png", kind.name(), severity.get()))))
        .collect();
    check_folder(out)?;
    for (_, _, path) in all.iter().filter(|_| out.is_dir()) {
        anyhow::ensure!(
            !same_place(path, image),
            "--out {out:?} would put a changed picture in the place of {image:?}"
        );
        check_result(path, is_own_picture)?;
    }
    std::fs::create_dir_all(out).with_context(|| format!("cannot create the folder {out:?}"))?;
    for (kind, severity, path) in &all {
        let mut rgb = clean.clone();
        FrameFault::new(*kind, *severity, Seed(arguments.seed)).apply(&camera, 0.0, &mut rgb, &[]);
        write_png(path, width, height, &rgb)?;
    }
    console.line(format_args!("{} pictures in {}", all.len(), out.display()));
    Ok(())
}

/// A picture of all faults of pictures at severity 3, beside the clean frame.
fn contact_sheet(scenario: &Path, at_s: f32, seed: Seed) -> anyhow::Result<crate::formats::pictures::Picture> {
    let camera = CameraSettings::square(84);
    let mut scenario = roadproof_sim::read(scenario)?.into_scenario();
    scenario.camera = camera;
    scenario.perturbations.clear();
    scenario.recorded = None;
    let episode = drive_at(scenario, at_s, &mut Driver::Scripted)?;
    let seen = episode.seen();
    let tile = |name: &str, rgb: Vec<u8>| Tile { name: name.to_owned(), rgb };
    let mut tiles = vec![tile("clean", seen.rgb.clone())];
    for kind in of_pictures() {
        let mut rgb = seen.rgb.clone();
        FrameFault::new(kind, Severity::ALL[2], seed).apply(&camera, at_s, &mut rgb, &seen.depth_m);
        tiles.push(tile(kind.name(), rgb));
    }
    Ok(draw(usize::from(camera.width_px), usize::from(camera.height_px), 8, &tiles))
}

/// Frames over which the cost of a fault is measured, after those that build what stays for a drive.
const FRAMES: usize = 40;

/// Every fault with its cost.
fn list() -> comfy_table::Table {
    let mut table = table(["fault", "group", "what it is", "µs a frame of 84×84"]);
    for &kind in FaultKind::ALL {
        let cost = match kind.group() {
            Group::Vehicle => "-".to_owned(),
            _ => {
                format!("{:.0}", Severity::ALL.map(|severity| cost_us(kind, severity)).into_iter().fold(0.0, f64::max))
            }
        };
        table.add_row([kind.name().to_owned(), format!("{:?}", kind.group()), kind.describe().trim().to_owned(), cost]);
    }
    table
}

/// Median cost of a frame.
fn cost_us(kind: FaultKind, severity: Severity) -> f64 {
    let camera = CameraSettings::square(84);
    let places = || (0..84_u32).flat_map(|y| (0..84).map(move |x| (x, y)));
    let clean: Vec<u8> = places().flat_map(|(x, y)| [x * 3, y * 3, (x ^ y) * 2].map(|value| value as u8)).collect();
    let depth_m: Vec<f32> = places().map(|(_, y)| 80.0 / (1.0 + y as f32)).collect();
    let mut fault = FrameFault::new(kind, severity, Seed(1));
    let mut rgb = clean.clone();
    let mut times_us: Vec<f64> = (0..FRAMES + 2)
        .map(|frame| {
            rgb.copy_from_slice(&clean);
            let start = Instant::now();
            fault.apply(&camera, 0.1 * frame as f32, &mut rgb, &depth_m);
            start.elapsed().as_secs_f64() * 1e6
        })
        .skip(2)
        .collect();
    times_us.sort_by(f64::total_cmp);
    times_us[FRAMES / 2]
}
