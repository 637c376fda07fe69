//! `roadproof snapshot`

use crate::formats::pictures::{class_picture, depth_picture, instance_picture, write_png};
use anyhow::Context;
use clap::Args;
use roadproof_env::ScriptedDriver;
use roadproof_sim::Episode;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  roadproof snapshot scenarios/following/slow_lead.ron
  roadproof snapshot scenarios/following/slow_lead.ron --at 6 --width 640 --height 360 --out pictures")]
pub(super) struct Arguments {
    /// The scenario.
    scenario: PathBuf,
    /// Time of the drive, driven by the scripted driver.
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

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    anyhow::ensure!(
        arguments.at >= 0.0 && arguments.at.is_finite(),
        "--at = {}, allowed are seconds from 0 on",
        arguments.at
    );
    let mut scenario = roadproof_sim::read(&arguments.scenario)?;
    scenario.camera.width_px = arguments.width.unwrap_or(scenario.camera.width_px);
    scenario.camera.height_px = arguments.height.unwrap_or(scenario.camera.height_px);
    scenario.check()?;
    let driver = ScriptedDriver::new(scenario.ego.vehicle);
    let camera = scenario.camera;
    let mut episode = Episode::new(scenario)?;
    while episode.measures().time_s < arguments.at && episode.verdict().outcome.is_none() {
        episode.step(driver.act(&episode.seen().sensed[0]));
    }
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
        println!("{}", path.display());
    }
    Ok(true)
}
