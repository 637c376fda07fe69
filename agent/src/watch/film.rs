//! Films and pictures without a window: the same frames for the same seed, at a fixed rate.
//!
//! The window's app is rendered into memory without an event loop or pipelined rendering. It waits until every shader
//! is compiled, and reads each picture back in the update that made it. On one machine a film has the same bytes for
//! the same seed; another processor's software renderer rounds a few pixels otherwise, by 0.01 grey levels in the mean.

use crate::formats::film::FilmSettings;
use crate::formats::pictures::png_bytes;
use crate::formats::{gif, mp4};
use crate::host::files::write_atomically;
use crate::host::folder_lock::FolderLock;
use crate::host::progress::LongWork;
use crate::watch::offscreen;
use crate::watch::window::app::{self, Quality, Screen, Step, Target};
use crate::watch::window::session::{Session, Watched};
use anyhow::Context;
use bevy::prelude::App;
use std::path::{Path, PathBuf};

/// What kind of film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// H.264 in an mp4 file.
    Mp4,
    /// An animated GIF.
    Gif,
    /// A folder of PNG pictures.
    Folder,
    /// The last picture alone, as PNG.
    Picture,
}

impl Format {
    /// What a path's ending asks for.
    ///
    /// # Errors
    /// An ending that is none of the three.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        match path.extension().and_then(|end| end.to_str()) {
            Some("mp4") => Ok(Self::Mp4),
            Some("gif") => Ok(Self::Gif),
            Some("png") => Ok(Self::Picture),
            None => Ok(Self::Folder),
            Some(other) => {
                anyhow::bail!("--record ends in .{other}, allowed are .mp4, .gif, .png, .mcap, or a folder: {path:?}")
            }
        }
    }

    /// Refuses a size in pixels or pictures per second that it cannot hold.
    ///
    /// # Errors
    /// The value with what is allowed.
    pub fn check(&self, (width, height): (u32, u32), fps: u32) -> anyhow::Result<()> {
        let most_fps = match self {
            Self::Gif => gif::MOST_FPS,
            Self::Mp4 | Self::Folder | Self::Picture => mp4::MOST_FPS,
        };
        anyhow::ensure!((1..=most_fps).contains(&fps), "--fps = {fps}, allowed is 1 to {most_fps}");
        let (pixels, most) = (width * height, mp4::MOST_PIXELS);
        anyhow::ensure!(
            *self != Self::Mp4 || pixels <= most,
            "--size \"{width}x{height}\" has {pixels} pixels, an mp4 at most {most}: choose a smaller size or a folder"
        );
        Ok(())
    }
}

/// How long the last picture stays after the drive has ended.
const AFTERWARDS_S: f64 = 1.0;
/// Before a single picture, the camera needs this long to swing to its place.
const SWING_S: f64 = 1.0;

/// Drives and films; returns the number of pictures.
///
/// # Errors
/// If the renderer cannot start or a file cannot be written.
pub fn film(mut session: Session, settings: &FilmSettings, quality: Quality, path: &Path) -> anyhow::Result<usize> {
    let format = Format::of(path)?;
    let mut seconds = settings.seconds;
    if format == Format::Picture && seconds > SWING_S {
        session.advance(seconds - SWING_S);
        seconds = SWING_S;
    }
    let mut studio = Studio::new(session, settings.size, quality);
    let count = (seconds * f64::from(settings.fps)).ceil().max(2.0) as usize;
    let mut writer = Writer::create(&format, path, settings)?;
    let mut progress = LongWork::start("film", count as u64, "pictures");
    let mut ended_s = 0.0;
    let mut made = 0;
    while made < count && ended_s < AFTERWARDS_S {
        // The first picture is the start of the drive.
        let step_s = if made == 0 { 0.0 } else { 1.0 / f64::from(settings.fps) };
        let picture = studio.picture(step_s)?;
        writer.add(&picture)?;
        made += 1;
        let session = studio.session();
        if session.drive().over() && session.shown() == session.drive().last() {
            ended_s += step_s;
        }
        progress.set(made as u64, format_args!("{:.1} s of the drive", session.moment().measures.time_s));
    }
    writer.finish()?;
    let (width, height) = settings.size;
    if format == Format::Picture {
        progress.finish(format_args!("the last of them kept, {width} x {height}"));
        return Ok(1);
    }
    progress.finish(format_args!("{made} pictures of {width} x {height}"));
    Ok(made)
}

/// Renders a session into memory.
pub struct Studio {
    app: App,
    size: (u32, u32),
}

impl Studio {
    /// Starts the renderer; time stands still until the first picture.
    #[must_use]
    pub fn new(session: Session, size: (u32, u32), quality: Quality) -> Self {
        let mut app = app::build(session, Screen::Memory(size.0, size.1), quality);
        app.insert_resource(Step(Some(0.0)));
        offscreen::finish(&mut app);
        offscreen::warm_up(&mut app);
        Self { app, size }
    }

    /// What is watched.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.app.world().resource::<Watched>().0
    }

    /// The app, for whoever gives it input.
    pub fn app(&mut self) -> &mut App {
        &mut self.app
    }

    /// Lets time pass and returns the picture, `height × width × 3`.
    ///
    /// # Errors
    /// If the picture cannot be read back.
    pub fn picture(&mut self, seconds: f64) -> anyhow::Result<Vec<u8>> {
        self.app.insert_resource(Step(Some(seconds)));
        self.app.update();
        let target = self.app.world().resource::<Target>().0.clone();
        let rgba = offscreen::read_back(&self.app, &target, 4)?;
        debug_assert_eq!(rgba.len(), 4 * (self.size.0 * self.size.1) as usize);
        Ok(rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    }
}

/// Puts pictures into a file or folder.
enum Writer {
    Mp4 { path: PathBuf, film: Box<mp4::Mp4> },
    Gif { path: PathBuf, film: gif::Gif },
    Folder { path: PathBuf, size: (u32, u32), count: usize, _lock: FolderLock },
    Picture { path: PathBuf, size: (u32, u32), last: Vec<u8> },
}

impl Writer {
    fn create(format: &Format, path: &Path, settings: &FilmSettings) -> anyhow::Result<Self> {
        let path = path.to_owned();
        if *format != Format::Folder {
            crate::host::files::check_writable(&path)?;
        }
        Ok(match format {
            Format::Mp4 => Self::Mp4 { path, film: Box::new(mp4::Mp4::new(settings)?) },
            Format::Gif => Self::Gif { path, film: gif::Gif::new(settings)? },
            Format::Picture => Self::Picture { path, size: settings.size, last: Vec::new() },
            Format::Folder => {
                std::fs::create_dir_all(&path).with_context(|| format!("cannot create the folder {path:?}"))?;
                // Pictures of an earlier, longer film would go on after this one.
                let _lock = FolderLock::take_empty(&path)
                    .with_context(|| format!("the folder of a film must be empty, choose another: {path:?}"))?;
                Self::Folder { path, size: settings.size, count: 0, _lock }
            }
        })
    }

    fn add(&mut self, rgb: &[u8]) -> anyhow::Result<()> {
        match self {
            Self::Mp4 { film, .. } => film.add(rgb),
            Self::Gif { film, .. } => film.add(rgb),
            Self::Picture { last, .. } => {
                rgb.clone_into(last);
                Ok(())
            }
            Self::Folder { path, size, count, .. } => {
                let file = path.join(format!("{count:05}.png"));
                *count += 1;
                Ok(write_atomically(&file, &png_bytes(size.0, size.1, rgb))?)
            }
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Mp4 { path, film } => Ok(write_atomically(&path, &film.finish()?)?),
            Self::Gif { path, film } => Ok(write_atomically(&path, &film.finish()?)?),
            Self::Picture { path, size, last } => Ok(write_atomically(&path, &png_bytes(size.0, size.1, &last))?),
            Self::Folder { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::window::display::check_graphics;
    use crate::watch::window::orders::{CameraMode, Order};
    use crate::watch::window::session::Choice;

    fn studio() -> Studio {
        let graphics = check_graphics().expect("a graphics driver, which CI installs");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/cut_in/from_left.ron");
        let scenario = roadproof_sim::read(path.as_ref()).expect("a scenario of the repository").into_scenario();
        let choice = Choice { name: "cut_in/from_left".to_owned(), scenario };
        let session = Session::new("shipped", vec![choice], None).expect("a session");
        Studio::new(session, (320, 180), Quality::for_graphics(graphics))
    }

    /// Mean of each channel over a part of the picture, given as shares of its sides.
    fn mean(picture: &[u8], (left, top): (f32, f32), (right, bottom): (f32, f32)) -> [f32; 3] {
        let inside = |pixel: usize| {
            let (x, y) = ((pixel % 320) as f32 / 320.0, (pixel / 320) as f32 / 180.0);
            (left..right).contains(&x) && (top..bottom).contains(&y)
        };
        let pixels: Vec<&[u8]> =
            picture.chunks_exact(3).enumerate().filter(|(pixel, _)| inside(*pixel)).map(|(_, rgb)| rgb).collect();
        [0, 1, 2].map(|channel| pixels.iter().map(|rgb| f32::from(rgb[channel])).sum::<f32>() / pixels.len() as f32)
    }

    #[test]
    fn the_same_seed_makes_the_same_film() {
        let film = || {
            let mut studio = studio();
            (0..6).map(|_| studio.picture(0.1).expect("a picture")).collect::<Vec<_>>()
        };
        let (first, second) = (film(), film());
        assert!(first == second);
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]), "the drive goes on");
    }

    #[test]
    fn the_picture_shows_sky_road_and_panel() {
        let mut studio = studio();
        for _ in 0..5 {
            studio.picture(0.1).expect("a picture");
        }
        let picture = studio.picture(0.1).expect("a picture");
        let sky = mean(&picture, (0.05, 0.02), (0.5, 0.12));
        assert!(sky[2] > 120.0 && sky[2] >= sky[0], "{sky:?}");
        let road = mean(&picture, (0.1, 0.82), (0.2, 0.92));
        let grey = road.iter().copied().fold(0.0, f32::max) - road.iter().copied().fold(255.0, f32::min);
        assert!((25.0..220.0).contains(&road[0]) && grey < 40.0, "{road:?}");
        let panel = mean(&picture, (0.95, 0.0), (1.0, 0.05));
        assert!(panel[0] < 60.0, "{panel:?}");
    }

    #[test]
    fn every_camera_gives_another_picture() {
        let mut studio = studio();
        let mut pictures = Vec::new();
        for camera in CameraMode::ALL {
            let mut watched = studio.app().world_mut().resource_mut::<Watched>();
            watched.0.give(Order::Camera(camera));
            studio.picture(0.0).expect("a picture");
            pictures.push(studio.picture(0.0).expect("a picture"));
        }
        for (index, picture) in pictures.iter().enumerate() {
            assert!(pictures[..index].iter().all(|other| other != picture), "{:?}", CameraMode::ALL[index]);
        }
    }

    #[test]
    fn endings_choose_the_format() {
        let format = |path: &str| Format::of(Path::new(path));
        assert_eq!(format("a/film.mp4").expect("a format"), Format::Mp4);
        assert_eq!(format("film.gif").expect("a format"), Format::Gif);
        assert_eq!(format("picture.png").expect("a format"), Format::Picture);
        assert_eq!(format("pictures/").expect("a format"), Format::Folder);
        assert!(format("film.avi").expect_err("no format").to_string().contains(".avi"));
    }
}
