//! `roadproof snapshot`

use super::drivers::driver_name;
use super::scenarios::scenarios;
use super::{Ended, drive_at};
use crate::driver::Driver;
use crate::formats::pictures::{class_picture, depth_picture, instance_picture, write_png};
use crate::host::console::Console;
use anyhow::Context;
use clap::Args;
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
    /// Width of the pictures [default: the scenario's].
    #[arg(long)]
    width: Option<u16>,
    /// Height of the pictures [default: the scenario's].
    #[arg(long)]
    height: Option<u16>,
    /// Folder for rgb.png, depth.png, class.png and instance.png.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console) -> anyhow::Result<Ended> {
    let mut scenario = roadproof_sim::read(&arguments.scenario)?.into_scenario();
    scenario.camera.width_px = arguments.width.unwrap_or(scenario.camera.width_px);
    scenario.camera.height_px = arguments.height.unwrap_or(scenario.camera.height_px);
    let camera = scenario.camera;
    let mut driver = Driver::named(&arguments.driver, None)?;
    driver.fits(&scenario).with_context(|| format!("the driver {:?} cannot drive there", arguments.driver))?;
    let episode = drive_at(scenario.check()?, arguments.at, &mut driver)?;
    let (width, height) = (u32::from(camera.width_px), u32::from(camera.height_px));
    let seen = episode.seen();
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("cannot create the folder {:?}", arguments.out))?;
    let pictures = [
        ("rgb.png", seen.rgb.clone()),
        ("depth.png", depth_picture(&seen.depth_m)),
        ("class.png", class_picture(&seen.class)),
        ("instance.png", instance_picture(&seen.instance)),
    ];
    for (name, rgb) in pictures {
        let path = arguments.out.join(name);
        write_png(&path, width, height, &rgb)?;
        console.line(path.display());
    }
    Ok(Ended::Held)
}
