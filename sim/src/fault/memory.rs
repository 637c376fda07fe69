//! What one fault remembers from frame to frame, and what it works on.

use crate::clock::Clock;
use crate::fault::filter::{Scratch, Size, Taps, Warp};
use crate::seed::{Purpose, Seed, Stream};
use std::collections::VecDeque;
use std::sync::Arc;

/// One frame on its way to the driver.
pub(in crate::fault) struct Shot<'a> {
    pub size: Size,
    pub rgb: &'a mut [u8],
    /// Depth along the optical axis, metres; empty where it is not known.
    pub depth_m: &'a [f32],
    pub focal_px: f32,
    pub clock: Clock,
    pub time_s: f32,
}

impl Shot<'_> {
    /// Whether its decision lies in the first `first_s` of a period that begins anew every `period_s`.
    pub fn is_in_first(&self, first_s: f32, period_s: f32) -> bool {
        self.clock.is_in_first(self.clock.decision_at(self.time_s), first_s, period_s)
    }
}

/// What one fault of one drive remembers.
#[derive(Clone, Debug)]
pub(in crate::fault) struct FrameMemory {
    /// Where what stays for the whole drive is drawn from.
    fixed: Seed,
    /// What each frame draws anew.
    pub moving: Stream,
    pub scratch: Scratch,
    field: Arc<Vec<f32>>,
    taps: Arc<Taps>,
    warps: Arc<Vec<Warp>>,
    /// Earlier frames, the oldest first.
    pub frames: VecDeque<Vec<u8>>,
    /// Frames that a burst or a freeze goes on.
    pub left: usize,
}

impl FrameMemory {
    /// The memory of a fresh drive; `index` is the fault's place in the scenario.
    pub fn new(seed: Seed, index: usize) -> Self {
        let fixed = seed.child(index as u64);
        Self {
            fixed,
            moving: fixed.stream(Purpose::Fault),
            scratch: Scratch::default(),
            field: Arc::default(),
            taps: Arc::default(),
            warps: Arc::default(),
            frames: VecDeque::new(),
            left: 0,
        }
    }

    /// Random numbers that are the same in each frame of the drive.
    pub fn fixed(&self) -> Stream {
        self.fixed.stream(Purpose::Appearance)
    }

    /// A number for each pixel, the same in each frame of the drive.
    pub fn field(&mut self, size: Size, make: impl FnOnce(&mut Stream, &mut Scratch) -> Vec<f32>) -> Arc<Vec<f32>> {
        if self.field.len() != size.pixels() {
            self.field = Arc::new(make(&mut self.fixed(), &mut self.scratch));
        }
        self.field.clone()
    }

    /// A kernel, the same in each frame of the drive.
    pub fn taps(&mut self, make: impl FnOnce(&mut Stream) -> Taps) -> Arc<Taps> {
        if self.taps.is_empty() {
            self.taps = Arc::new(make(&mut self.fixed()));
        }
        self.taps.clone()
    }

    /// Maps of the picture onto itself, the same in each frame of the drive.
    pub fn warps(&mut self, size: Size, make: impl FnOnce(&mut Stream) -> Vec<Warp>) -> Arc<Vec<Warp>> {
        if self.warps.first().is_none_or(|warp| !warp.fits(size)) {
            self.warps = Arc::new(make(&mut self.fixed()));
        }
        self.warps.clone()
    }
}
