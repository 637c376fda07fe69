//! The camera's frame as the driver gets it, with what it makes of it drawn over: classes, cars, the lane against the truth, and
//! what its decision hangs on.

use crate::formats::pictures::{Picture, class_colour};
use crate::watch::drive::{Moment, lane_centre_m};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{Drawable, Point, Primitive, RgbColor, Size};
use embedded_graphics::primitives::{Line, PrimitiveStyle, Rectangle};
use roadproof_perception::{CELL_PX, SegmentClass as Seen};
use roadproof_sim::math::sin_cos;
use roadproof_sim::{CameraSettings, Class};

/// Colour of what is true.
pub const TRUTH: Rgb888 = Rgb888::new(90, 220, 120);
/// Colour of what the driver believes.
pub const BELIEF: Rgb888 = Rgb888::new(255, 150, 40);

/// How far ahead the lane is drawn.
const LANE_M: (f32, f32) = (4.0, 45.0);
/// Width of the lane that is drawn, of the car that is believed in, and its height.
const LANE_WIDTH_M: f32 = 3.5;
const CAR_M: (f32, f32) = (1.8, 1.5);
/// Share of a class's colour over the frame.
const VEIL: f32 = 0.4;

/// What is to be drawn.
pub struct Overlay<'a> {
    /// The camera of the frame.
    pub camera: &'a CameraSettings,
    /// Length of the ego, from whose front gaps are measured.
    pub ego_length_m: f32,
    /// Pixels of the picture for each pixel of the frame, along each side.
    pub scale: usize,
}

impl Overlay<'_> {
    /// A frame enlarged, without anything over it.
    #[must_use]
    pub fn enlarged(&self, rgb: &[u8]) -> Picture {
        let (width, height) = (usize::from(self.camera.width_px), usize::from(self.camera.height_px));
        let mut picture = Vec::with_capacity(rgb.len() * self.scale * self.scale);
        for row in rgb.chunks_exact(3 * width).take(height) {
            let line: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(self.scale)).collect();
            (0..self.scale).for_each(|_| picture.extend_from_slice(&line));
        }
        Picture { width: (width * self.scale) as u32, height: (height * self.scale) as u32, rgb: picture }
    }

    /// The driver's frame with what it sees in it.
    #[must_use]
    pub fn perceived(&self, moment: &Moment) -> Picture {
        let mut picture = self.enlarged(&moment.frame);
        self.veil_cells(&mut picture, &moment.cells);
        self.draw_truth(&mut picture, moment);
        if let Some(thought) = &moment.thought {
            let percept = &thought.percept;
            self.draw_lane(&mut picture, [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m], BELIEF);
            if percept.lead_probability >= 0.5 {
                let lane = [percept.lane_offset_m, percept.heading_rad, percept.curvature_per_m];
                self.draw_lead(&mut picture, lane, percept.gap_m);
            }
        }
        picture
    }

    /// The driver's frame, glowing where the decision hangs on it.
    #[must_use]
    pub fn salient(&self, moment: &Moment, saliency: &[f32]) -> Picture {
        let mut frame = moment.frame.clone();
        for (pixel, value) in frame.chunks_exact_mut(3).zip(saliency) {
            // Slopes span orders of magnitude: their square root shows more than the largest few.
            let share = value.max(0.0).sqrt();
            let hot = [255.0, 225.0 * share, 60.0 * share];
            for (channel, hot) in pixel.iter_mut().zip(hot) {
                let dim = 0.45 * f32::from(*channel);
                *channel = (dim + (hot - dim) * share) as u8;
            }
        }
        self.enlarged(&frame)
    }

    fn veil_cells(&self, picture: &mut Picture, cells: &[u8]) {
        let (across, side) = (usize::from(self.camera.width_px) / CELL_PX, CELL_PX * self.scale);
        let width = picture.width as usize;
        for (cell, &class) in cells.iter().enumerate() {
            let Some(colour) = veil(class) else { continue };
            let (left, top) = (cell % across * side, cell / across * side);
            for row in top..top + side {
                let line = &mut picture.rgb[3 * (row * width + left)..][..3 * side];
                for (at, channel) in line.iter_mut().enumerate() {
                    let (below, veil) = (f32::from(*channel), f32::from(colour[at % 3]));
                    *channel = (below + VEIL * (veil - below)) as u8;
                }
            }
        }
    }

    fn draw_truth(&self, picture: &mut Picture, moment: &Moment) {
        let measures = &moment.measures;
        self.draw_lane(picture, [measures.lane_offset_m, measures.heading_rad, measures.curvature_per_m], TRUTH);
        let scale = self.scale as u32;
        for found in &moment.boxes {
            let corner = Point::new((found.from[0] as u32 * scale) as i32, (found.from[1] as u32 * scale) as i32);
            let size = [0, 1].map(|axis| (u32::from(found.to[axis] - found.from[axis]) + 1) * scale);
            let style = PrimitiveStyle::with_stroke(TRUTH, 1);
            let Ok(()) = Rectangle::new(corner, Size::new(size[0], size[1])).into_styled(style).draw(picture);
        }
    }

    /// Both borders of a lane with this offset, heading and curvature.
    fn draw_lane(&self, picture: &mut Picture, lane: [f32; 3], colour: Rgb888) {
        for side in [-0.5, 0.5] {
            let at = |ahead_m: f32| [ahead_m, lane_centre_m(lane, ahead_m) + side * LANE_WIDTH_M, 0.0];
            let stretch = LANE_M.1 - LANE_M.0;
            let points = (0..=40).map(|step| at(LANE_M.0 + stretch * (step as f32 / 40.0)));
            self.draw_line(picture, points, colour);
        }
    }

    /// The rear of a car this far ahead in the lane.
    fn draw_lead(&self, picture: &mut Picture, lane: [f32; 3], gap_m: f32) {
        let ahead_m = gap_m + 0.5 * self.ego_length_m;
        let middle_m = lane_centre_m(lane, ahead_m);
        let corner = |side: f32, up_m: f32| [ahead_m, middle_m + side * 0.5 * CAR_M.0, up_m];
        let corners = [corner(-1.0, 0.0), corner(1.0, 0.0), corner(1.0, CAR_M.1), corner(-1.0, CAR_M.1)];
        self.draw_line(picture, corners.into_iter().chain([corners[0]]), BELIEF);
    }

    fn draw_line(&self, picture: &mut Picture, points: impl Iterator<Item = [f32; 3]>, colour: Rgb888) {
        let points: Vec<Option<Point>> = points.map(|point| self.project(point)).collect();
        let style = PrimitiveStyle::with_stroke(colour, 2);
        for ends in points.windows(2) {
            if let [Some(from), Some(to)] = ends {
                let Ok(()) = Line::new(*from, *to).into_styled(style).draw(picture);
            }
        }
    }

    /// Where a place relative to the car (ahead, to the left, over the ground) is in the picture.
    fn project(&self, [x, y, z]: [f32; 3]) -> Option<Point> {
        let (mount, camera) = (self.camera.mount_m, self.camera);
        let (sin, cos) = sin_cos(camera.pitch_deg.to_radians());
        let (ahead, left, up) = (x - mount.0, y - mount.1, z - mount.2);
        let depth = ahead * cos - up * sin;
        let rise = ahead * sin + up * cos;
        if depth < 0.5 {
            return None;
        }
        let focal = camera.focal_px();
        let column = 0.5 * f32::from(camera.width_px) - focal * left / depth;
        let row = 0.5 * f32::from(camera.height_px) - focal * rise / depth;
        let scale = self.scale as f32;
        // Far outside there is nothing to draw, and a picture's coordinates end.
        let within = column.abs().max(row.abs()) < 10_000.0;
        within.then(|| Point::new((column * scale) as i32, (row * scale) as i32))
    }
}

/// The colour of one of perception's classes; the sky stays as it is.
fn veil(class: u8) -> Option<[u8; 3]> {
    const TERRAIN: u8 = Seen::Terrain as u8;
    const ROAD: u8 = Seen::Road as u8;
    const MARKING: u8 = Seen::Marking as u8;
    const VEHICLE: u8 = Seen::Vehicle as u8;
    const OBSTACLE: u8 = Seen::Obstacle as u8;
    match class {
        TERRAIN => Some(class_colour(Class::Terrain)),
        ROAD => Some(class_colour(Class::Road)),
        MARKING => Some(class_colour(Class::Marking)),
        VEHICLE => Some([40, 60, 255]),
        OBSTACLE => Some(class_colour(Class::Building)),
        _ => None,
    }
}

/// A colour of these pictures as red, green and blue.
#[must_use]
pub fn channels(colour: Rgb888) -> [u8; 3] {
    [colour.r(), colour.g(), colour.b()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Driver, LearnedDriver};
    use crate::watch::drive::{Hands, WatchedDrive};
    use roadproof_sim::{Controls, parse};

    /// A straight road with a car 20 m ahead, some decisions in.
    fn drive() -> WatchedDrive {
        let text = "Scenario(format: 1, title: \"t\", duration_s: 9.0, road: Straight(length_m: 400.0), \
                    light: Some((sun_azimuth_deg: 40.0, sun_elevation_deg: 50.0, visibility_m: 2000.0)), \
                    ego: (s_m: 20.0, speed_mps: 8.0), \
                    actors: [(name: \"ahead\", start: (lane: 0, s_m: 45.0, speed_mps: 8.0))])";
        let driver = Driver::Learned(Box::new(LearnedDriver::shipped().expect("the shipped driver")));
        let scenario = parse(text, "t.ron".as_ref()).expect("a scenario");
        let mut drive = WatchedDrive::new(scenario.into_scenario(), driver, Hands::Driver).expect("a world");
        (0..5).for_each(|_| drive.step(Controls::default()));
        drive
    }

    fn bounds(picture: &Picture, colour: Rgb888) -> Option<[usize; 4]> {
        let width = picture.width as usize;
        let of_colour = picture.rgb.chunks_exact(3).enumerate().filter(|(_, pixel)| **pixel == channels(colour));
        of_colour.fold(None, |found, (pixel, _)| {
            let (x, y) = (pixel % width, pixel / width);
            let [left, top, right, bottom] = found.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
    }

    #[test]
    fn truth_lies_on_what_is_seen() {
        let drive = drive();
        let camera = drive.scenario().camera;
        let overlay = Overlay { camera: &camera, ego_length_m: 4.3, scale: 4 };
        let moment = &drive.moments()[5];
        // The car's box as its pixels are, against the one that is projected from the true gap.
        let found = moment.boxes[0];
        let ahead_m = moment.measures.gap_m.expect("a gap") + 0.5 * 4.3;
        let measures = &moment.measures;
        let lane = [measures.lane_offset_m, measures.heading_rad, measures.curvature_per_m];
        let foot = overlay.project([ahead_m, lane_centre_m(lane, ahead_m) + 0.9, 0.0]).expect("in view");
        assert!((foot.x - 4 * i32::from(found.from[0])).abs() <= 6, "{foot} {found:?}");
        assert!((foot.y - 4 * (i32::from(found.to[1]) + 1)).abs() <= 8, "{foot} {found:?}");
    }

    #[test]
    fn belief_and_truth_are_drawn_over_a_veil() {
        let drive = drive();
        let camera = drive.scenario().camera;
        let overlay = Overlay { camera: &camera, ego_length_m: 4.3, scale: 4 };
        let moment = &drive.moments()[5];
        let plain = overlay.enlarged(&moment.frame);
        assert_eq!((plain.width, plain.height, plain.rgb.len()), (640, 192, 3 * 640 * 192));
        assert_eq!(bounds(&plain, BELIEF), None);
        let picture = overlay.perceived(moment);
        let (belief, truth) = (bounds(&picture, BELIEF).expect("drawn"), bounds(&picture, TRUTH).expect("drawn"));
        assert!(belief[2] > belief[0] + 200 && truth[2] > truth[0] + 200, "{belief:?} {truth:?}");
        let changed = picture.rgb.iter().zip(&plain.rgb).filter(|(a, b)| a != b).count();
        assert!(changed > plain.rgb.len() / 3, "{changed}");
    }

    #[test]
    fn saliency_glows() {
        let mut drive = drive();
        let map = drive.saliency(5);
        let camera = drive.scenario().camera;
        let overlay = Overlay { camera: &camera, ego_length_m: 4.3, scale: 1 };
        let picture = overlay.salient(&drive.moments()[5], &map);
        let hottest = map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("pixels").0;
        assert_eq!(picture.rgb[3 * hottest..][..2], [255, 225]);
    }
}
