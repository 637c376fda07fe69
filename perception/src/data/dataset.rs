//! Labelled frames in memory, as bytes: a [`Dataset`] is what training draws from and what metrics are taken over.

use crate::classes::{CELL_PX, CLASSES, cell_class};
use crate::percept::PerceptLabel;

/// Why a frame or a dataset was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum DatasetError {
    /// The frame is not `width × height × 3` bytes.
    #[error("a frame has {found} bytes, {width} x {height} RGB pixels have {expected}")]
    FrameSize { found: usize, expected: usize, width: usize, height: usize },
    /// The class map is not `width × height` bytes.
    #[error("a class map has {found} bytes, {width} x {height} pixels have {expected}")]
    ClassMapSize { found: usize, expected: usize, width: usize, height: usize },
    /// A class byte without a class.
    #[error("pixel {pixel} of a class map is {class}, the classes are 0 to {last}", last = CLASSES - 1)]
    NoSuchClass { class: u8, pixel: usize },
    /// A label that is NaN, infinite or, for a gap, negative.
    #[error("the label {quantity} is {value}")]
    Label { quantity: &'static str, value: f32 },
    /// The frame does not divide into segmentation cells.
    #[error("a frame of {width} x {height} pixels does not divide into cells of {cell} x {cell}", cell = CELL_PX)]
    Cells { width: usize, height: usize },
    /// Two datasets of different frame sizes.
    #[error("frames of {found_width} x {found_height} pixels cannot join frames of {width} x {height}")]
    Append { found_width: usize, found_height: usize, width: usize, height: usize },
}

/// Frames, the class of each segmentation cell, and labels.
///
/// # Units
/// One byte a colour value and one a cell: 23.5 kB a frame of 160 × 48, so 30 000 frames take 0.7 GB.
#[derive(Clone, Debug)]
pub struct Dataset {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    cells: Vec<u8>,
    labels: Vec<PerceptLabel>,
}

impl Dataset {
    /// An empty dataset for frames of `width × height` pixels.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: Vec::new(), cells: Vec::new(), labels: Vec::new() }
    }

    /// Makes room for so many frames at once; growing step by step would hold up to three times the memory.
    pub fn reserve(&mut self, frames: usize) {
        let cells = (self.width / CELL_PX) * (self.height / CELL_PX);
        self.rgb.reserve_exact(frames * self.width * self.height * 3);
        self.cells.reserve_exact(frames * cells);
        self.labels.reserve_exact(frames);
    }

    /// Adds a frame; on an error the dataset is as it was.
    ///
    /// The class map is kept per cell of [`CELL_PX`] pixels, by the rule of [`cell_class`].
    ///
    /// # Shapes
    /// - `rgb`: `height × width × 3` bytes, row-major, top row first
    /// - `class_map`: `height × width` class bytes, in the same order
    ///
    /// # Errors
    /// [`DatasetError`] for wrong sizes, unknown classes, and labels that are not finite or have a negative gap.
    pub fn push(&mut self, rgb: &[u8], class_map: &[u8], label: PerceptLabel) -> Result<(), DatasetError> {
        let (width, height) = (self.width, self.height);
        let pixels = width * height;
        if !width.is_multiple_of(CELL_PX) || !height.is_multiple_of(CELL_PX) {
            return Err(DatasetError::Cells { width, height });
        }
        if rgb.len() != pixels * 3 {
            return Err(DatasetError::FrameSize { found: rgb.len(), expected: pixels * 3, width, height });
        }
        if class_map.len() != pixels {
            return Err(DatasetError::ClassMapSize { found: class_map.len(), expected: pixels, width, height });
        }
        if let Some(pixel) = class_map.iter().position(|&class| usize::from(class) >= CLASSES) {
            return Err(DatasetError::NoSuchClass { class: class_map[pixel], pixel });
        }
        check_label(&label)?;
        self.rgb.extend_from_slice(rgb);
        push_cells(class_map, width, &mut self.cells);
        self.labels.push(label);
        Ok(())
    }

    /// Moves the frames of `other` behind the frames of this one.
    ///
    /// # Errors
    /// [`DatasetError::Append`] if the frames differ in size.
    pub fn append(&mut self, other: Dataset) -> Result<(), DatasetError> {
        if (self.width, self.height) != (other.width, other.height) {
            return Err(DatasetError::Append {
                found_width: other.width,
                found_height: other.height,
                width: self.width,
                height: self.height,
            });
        }
        self.rgb.extend_from_slice(&other.rgb);
        self.cells.extend_from_slice(&other.cells);
        self.labels.extend_from_slice(&other.labels);
        Ok(())
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Width of a frame in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height of a frame in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes of frame `index`.
    ///
    /// # Shapes
    /// - returns: `height × width × 3`
    pub fn frame(&self, index: usize) -> &[u8] {
        self.frames(index, index + 1)
    }

    /// The bytes of the frames `from..to`, one after another, as [`Perception::see`](crate::Perception::see) takes them.
    pub fn frames(&self, from: usize, to: usize) -> &[u8] {
        let frame_bytes = self.width * self.height * 3;
        &self.rgb[from * frame_bytes..to * frame_bytes]
    }

    /// The class of every segmentation cell of frame `index`.
    ///
    /// # Shapes
    /// - returns: `(height / 4) × (width / 4)` class bytes, row-major, top row first
    pub fn cells(&self, index: usize) -> &[u8] {
        let cells = (self.width / CELL_PX) * (self.height / CELL_PX);
        &self.cells[index * cells..][..cells]
    }

    /// The truth about frame `index`.
    pub fn label(&self, index: usize) -> &PerceptLabel {
        &self.labels[index]
    }

    /// How much memory the frames, cells and labels hold.
    pub fn memory_bytes(&self) -> usize {
        self.rgb.len() + self.cells.len() + size_of_val(self.labels.as_slice())
    }
}

fn check_label(label: &PerceptLabel) -> Result<(), DatasetError> {
    let finite = [
        ("lane_offset_m", label.lane_offset_m),
        ("heading_rad", label.heading_rad),
        ("curvature_per_m", label.curvature_per_m),
        ("gap_m", label.gap_m.unwrap_or(0.0)),
    ];
    for (quantity, value) in finite {
        if !value.is_finite() || (quantity == "gap_m" && value < 0.0) {
            return Err(DatasetError::Label { quantity, value });
        }
    }
    Ok(())
}

fn push_cells(class_map: &[u8], width: usize, cells: &mut Vec<u8>) {
    for band in class_map.chunks_exact(width * CELL_PX) {
        for left in (0..width).step_by(CELL_PX) {
            let mut counts = [0; CLASSES];
            for row in band.chunks_exact(width) {
                for &class in &row[left..left + CELL_PX] {
                    counts[usize::from(class)] += 1;
                }
            }
            cells.push(cell_class(&counts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::SegmentClass;

    #[test]
    fn cells_follow_the_class_map() {
        let mut dataset = Dataset::new(8, 4);
        let mut class_map = vec![SegmentClass::Road as u8; 32];
        for row in 0..4 {
            class_map[row * 8 + 6] = SegmentClass::Marking as u8;
        }
        dataset.push(&[7; 96], &class_map, PerceptLabel::default()).expect("the frame fits");
        assert_eq!(dataset.cells(0), &[SegmentClass::Road as u8, SegmentClass::Marking as u8]);
        assert_eq!(dataset.frame(0), &[7; 96]);
        assert_eq!(dataset.len(), 1);
    }

    #[test]
    fn bad_frames_are_refused_and_leave_nothing_behind() {
        let mut dataset = Dataset::new(8, 4);
        let label = PerceptLabel::default();
        let error = dataset.push(&[0; 95], &[0; 32], label).expect_err("a byte is missing");
        assert_eq!(error.to_string(), "a frame has 95 bytes, 8 x 4 RGB pixels have 96");
        let error = dataset.push(&[0; 96], &[6; 32], label).expect_err("there is no class 6");
        assert_eq!(error.to_string(), "pixel 0 of a class map is 6, the classes are 0 to 5");
        let label = PerceptLabel { gap_m: Some(f32::NAN), ..label };
        let error = dataset.push(&[0; 96], &[0; 32], label).expect_err("NaN teaches nothing");
        assert_eq!(error.to_string(), "the label gap_m is NaN");
        assert!(dataset.is_empty());
        assert_eq!(dataset.memory_bytes(), 0);
    }

    #[test]
    fn appending_needs_one_frame_size() {
        let mut dataset = Dataset::new(8, 4);
        let mut other = Dataset::new(8, 4);
        other.push(&[1; 96], &[0; 32], PerceptLabel::default()).expect("the frame fits");
        dataset.append(other.clone()).expect("the sizes agree");
        dataset.append(other).expect("the sizes agree");
        assert_eq!(dataset.len(), 2);
        let error = dataset.append(Dataset::new(4, 4)).expect_err("the sizes differ");
        assert_eq!(error.to_string(), "frames of 4 x 4 pixels cannot join frames of 8 x 4");
    }
}
