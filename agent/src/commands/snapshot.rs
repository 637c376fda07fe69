//! `roadproof snapshot`

use super::choices::whole;
use super::drivers::driver_name;
use super::scenarios::scenarios;
use super::{Ended, drive_at};
use crate::driver::Driver;
use crate::formats::pictures::{class_picture, depth_picture, instance_picture, is_own_picture, write_png};
use crate::host::console::Console;
use crate::host::files::{check_folder, check_result};
use anyhow::Context;
use clap::Args;
use clap::builder::TypedValueParser;
use roadproof_sim::scenario::SIDE_PX;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof snapshot scenarios/following/slow_lead.ron
  roadproof snapshot sensor_faults/noise --driver latest --at 6   what one's own driver gets there
  roadproof snapshot scenarios/following/slow_lead.ron --at 6 --width 640 --height 360 --out pictures

Classes have the colours of Cityscapes, every car one of its own. Depth is grey, near is bright: grey g means
1000^(1 - g/255) m, so 255 is 1 m or less and 0 is 1000 m or more.")]
pub(super) struct Arguments {
    /// The scenario; - is standard input.
    #[arg(value_parser = scenarios())]
    scenario: PathBuf,
    /// Who drives there: scripted, straight, random, shipped, hardened, blind, odometry, the folder of a run, latest, or cmd:PROGRAM.
    #[arg(long, default_value = "scripted", value_parser = driver_name())]
    driver: String,
    /// Time of the drive.
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    at: f32,
    /// Width of the pictures in pixels [default: the scenario's].
    #[arg(long, value_name = "N", value_parser = side())]
    width: Option<u16>,
    /// Height of the pictures in pixels [default: the scenario's].
    #[arg(long, value_name = "N", value_parser = side())]
    height: Option<u16>,
    /// Folder for rgb.png, depth.png, class.png and instance.png.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    out: PathBuf,
}

/// Parses a side of a picture.
fn side() -> impl TypedValueParser<Value = u16> {
    let allowed = usize::from(*SIDE_PX.start())..=usize::from(*SIDE_PX.end());
    whole(allowed).try_map(u16::try_from)
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let path = &arguments.scenario;
    anyhow::ensure!(!path.is_dir(), "one scenario is wanted, and this is a folder of them: {path:?}");
    let mut scenario = roadproof_sim::read(path)?.into_scenario();
    scenario.camera.width_px = arguments.width.unwrap_or(scenario.camera.width_px);
    scenario.camera.height_px = arguments.height.unwrap_or(scenario.camera.height_px);
    let camera = scenario.camera;
    let mut driver = Driver::named(&arguments.driver, None)?;
    driver.fits(&scenario).with_context(|| format!("the driver {:?} cannot drive there", arguments.driver))?;
    let names = ["rgb.png", "depth.png", "class.png", "instance.png"];
    check_folder(&arguments.out)?;
    if arguments.out.is_dir() {
        names.iter().try_for_each(|name| check_result(&arguments.out.join(name), is_own_picture))?;
    }
    let episode = drive_at(scenario.check()?, arguments.at, &mut driver)?;
    let (width, height) = (u32::from(camera.width_px), u32::from(camera.height_px));
    let seen = episode.seen();
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("cannot create the folder {:?}", arguments.out))?;
    let pictures =
        [seen.rgb.clone(), depth_picture(&seen.depth_m), class_picture(&seen.class), instance_picture(&seen.instance)];
    for (name, rgb) in names.into_iter().zip(pictures) {
        let path = arguments.out.join(name);
        write_png(&path, width, height, &rgb)?;
        console.line(path.display());
    }
    Ok(Ended::Held)
}
