//! Frames that come late, twice, in the wrong order or not at all.

use crate::fault::kind::Severity;
use crate::fault::memory::{FrameMemory, Shot};

/// Loses frames one by one, black in their place.
///
/// # Source
/// A frame is lost with a sixth for each severity, as in `RoboBEV` (Xie et al. 2023).
pub(in crate::fault) fn dropped(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    if memory.moving.chance(f32::from(severity.get()) / 6.0) {
        shot.rgb.fill(0);
    }
}

/// Loses two to twelve frames in a row, about once in two seconds at ten frames a second.
pub(in crate::fault) fn bursts(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    if goes_on(memory, severity.of([2, 4, 6, 9, 12])) {
        shot.rgb.fill(0);
    }
}

/// Holds a frame for two to twenty more, about once in two seconds at ten frames a second.
pub(in crate::fault) fn frozen(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    if goes_on(memory, severity.of([2, 4, 8, 12, 20])) && !memory.frames.is_empty() {
        shot.rgb.copy_from_slice(&memory.frames[0]);
        return;
    }
    memory.frames.clear();
    memory.frames.push_back(shot.rgb.to_vec());
}

/// Whether this frame is one of a row of `length`; rows begin at random.
fn goes_on(memory: &mut FrameMemory, length: usize) -> bool {
    if memory.left > 0 {
        memory.left -= 1;
        return true;
    }
    let begins = memory.moving.chance(0.05);
    memory.left = if begins { length - 1 } else { 0 };
    begins
}

/// Delivers the frame of so many decisions ago.
pub(in crate::fault) fn delayed(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    memory.frames.push_back(shot.rgb.to_vec());
    if memory.frames.len() > usize::from(severity.get()) + 1 {
        memory.frames.pop_front();
    }
    shot.rgb.copy_from_slice(&memory.frames[0]);
}

/// Delivers any of the last frames, one more of them for each severity.
pub(in crate::fault) fn reordered(shot: &mut Shot<'_>, severity: Severity, memory: &mut FrameMemory) {
    memory.frames.push_back(shot.rgb.to_vec());
    if memory.frames.len() > usize::from(severity.get()) + 1 {
        memory.frames.pop_front();
    }
    let chosen = memory.moving.below(memory.frames.len());
    shot.rgb.copy_from_slice(&memory.frames[chosen]);
}

/// One colour for a part of each second, at least a frame; all of it at the highest severity.
pub(in crate::fault) fn covered(shot: &mut Shot<'_>, severity: Severity, level: u8) {
    if shot.is_in_first(severity.of([0.1, 0.2, 0.4, 0.7, 1.0]), 1.0) {
        shot.rgb.fill(level);
    }
}
