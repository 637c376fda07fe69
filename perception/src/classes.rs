//! The classes of a pixel and of a segmentation cell. Who paints them is the simulator's business.

/// Side of a square segmentation cell, in pixels.
///
/// Cells of four pixels keep a lane marking at 20 m and a car at 50 m visible, at a sixteenth of the work per pixel.
pub const CELL_PX: usize = 4;

/// How many classes there are; a class byte is below this.
pub const CLASSES: usize = 6;

/// What a class byte stands for, as reports print it. The index is the byte.
pub const CLASS_NAMES: [&str; CLASSES] = ["sky", "terrain", "road", "marking", "vehicle", "obstacle"];

/// What a pixel shows. The discriminant is the byte of class maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SegmentClass {
    /// Nothing but air.
    Sky = 0,
    /// Ground that is no road.
    Terrain = 1,
    /// Asphalt without paint.
    Road = 2,
    /// Paint on the road.
    Marking = 3,
    /// Any other road user.
    Vehicle = 4,
    /// A building, tree, sign or kerb.
    Obstacle = 5,
}

/// Classes that are small and matter: a quarter of a cell is enough to claim it, in this order.
const CLAIMANTS: [SegmentClass; 3] = [SegmentClass::Marking, SegmentClass::Vehicle, SegmentClass::Obstacle];

/// The class of a cell from how many of its pixels show each class.
///
/// A cell is a marking if at least 25 % of its pixels are, else a vehicle if at least 25 % are, else an obstacle if at
/// least 25 % are, else what most of its pixels are (the lower class on a tie).
///
/// # Shapes
/// - `counts`: pixels per class, indexed by class byte
pub fn cell_class(counts: &[usize; CLASSES]) -> u8 {
    let pixels: usize = counts.iter().sum();
    for claimant in CLAIMANTS {
        if 4 * counts[claimant as usize] >= pixels {
            return claimant as u8;
        }
    }
    let mut majority = 0;
    for class in 1..CLASSES {
        if counts[class] > counts[majority] {
            majority = class;
        }
    }
    majority as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_paint_claims_a_cell() {
        assert_eq!(cell_class(&[0, 0, 12, 4, 0, 0]), SegmentClass::Marking as u8);
        assert_eq!(cell_class(&[0, 0, 13, 3, 0, 0]), SegmentClass::Road as u8);
    }

    #[test]
    fn claimants_go_in_order_and_the_rest_by_majority() {
        assert_eq!(cell_class(&[0, 0, 4, 4, 4, 4]), SegmentClass::Marking as u8);
        assert_eq!(cell_class(&[0, 0, 5, 1, 4, 6]), SegmentClass::Vehicle as u8);
        assert_eq!(cell_class(&[4, 5, 3, 0, 0, 4]), SegmentClass::Obstacle as u8);
        assert_eq!(cell_class(&[8, 8, 0, 0, 0, 0]), SegmentClass::Sky as u8);
    }
}
