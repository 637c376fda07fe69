//! What each output of the network is: name, unit and scale. Their order is that of [`Output`] and stands nowhere else.

/// One output of a frame.
///
/// A quantity is predicted as a mean and as the logarithm of how far off that is expected to be, its scale; whether something is
/// ahead as a logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Offset in the lane.
    LaneOffset,
    /// Heading against the lane.
    Heading,
    /// Curvature ahead.
    Curvature,
    /// Gap to what is ahead; it counts only where there is something.
    Gap,
    /// Expected error of the offset.
    LaneOffsetScale,
    /// Expected error of the heading.
    HeadingScale,
    /// Expected error of the curvature.
    CurvatureScale,
    /// Expected error of the gap.
    GapScale,
    /// Whether something is ahead.
    Lead,
}

/// Outputs of a frame.
pub const OUTPUTS: usize = TABLE.len();

/// A row of the table.
struct Row {
    output: Output,
    name: &'static str,
    unit: &'static str,
    scale: f32,
}

const fn row(output: Output, name: &'static str, unit: &'static str, scale: f32) -> Row {
    Row { output, name, unit, scale }
}

/// The scale of a quantity is about its spread on ordinary roads, so that all weigh alike in training. That of the gap is of its
/// logarithm, because the network sees ratios of distances.
const TABLE: [Row; 9] = [
    row(Output::LaneOffset, "lane_offset", "m", 0.6),
    row(Output::Heading, "heading", "rad", 0.12),
    row(Output::Curvature, "curvature", "1/m", 0.008),
    row(Output::Gap, "gap", "ln m", 0.7),
    row(Output::LaneOffsetScale, "lane_offset_scale", "m", 0.6),
    row(Output::HeadingScale, "heading_scale", "rad", 0.12),
    row(Output::CurvatureScale, "curvature_scale", "1/m", 0.008),
    row(Output::GapScale, "gap_scale", "ln m", 0.7),
    row(Output::Lead, "lead", "ln odds", 1.0),
];

// A row out of its place does not compile.
const _: () = {
    let mut index = 0;
    while index < OUTPUTS {
        assert!(TABLE[index].output as usize == index, "the table has the order of the outputs");
        index += 1;
    }
};

impl Output {
    /// Every output, in the order of the network.
    pub const ALL: [Self; OUTPUTS] = {
        let mut all = [Self::LaneOffset; OUTPUTS];
        let mut index = 0;
        while index < OUTPUTS {
            all[index] = TABLE[index].output;
            index += 1;
        }
        all
    };
    /// The quantities: what is predicted with an expected error.
    pub const QUANTITIES: [Self; 4] = [Self::LaneOffset, Self::Heading, Self::Curvature, Self::Gap];
    /// What a frame is taken to show: the quantities and the lead, without how sure that is.
    pub const PERCEIVED: [Self; 5] = [Self::LaneOffset, Self::Heading, Self::Curvature, Self::Gap, Self::Lead];

    /// Its place among the outputs of a frame.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        TABLE[self.index()].name
    }

    /// The unit of [`Self::scale`].
    #[must_use]
    pub const fn unit(self) -> &'static str {
        TABLE[self.index()].unit
    }

    /// What one is of the output; for an expected error, whose output is a logarithm, what nought is.
    #[must_use]
    pub const fn scale(self) -> f32 {
        TABLE[self.index()].scale
    }

    /// The output that says how far off a quantity is expected to be; nothing says so of the others.
    #[must_use]
    pub const fn expected_error(self) -> Option<Self> {
        match self {
            Self::LaneOffset => Some(Self::LaneOffsetScale),
            Self::Heading => Some(Self::HeadingScale),
            Self::Curvature => Some(Self::CurvatureScale),
            Self::Gap => Some(Self::GapScale),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_output_once_and_a_quantity_shares_its_unit_with_its_error() {
        let names: std::collections::BTreeSet<&str> = Output::ALL.into_iter().map(Output::name).collect();
        assert_eq!(names.len(), OUTPUTS);
        for (index, output) in Output::ALL.into_iter().enumerate() {
            assert_eq!(output.index(), index);
            assert_eq!(output.expected_error().is_some(), Output::QUANTITIES.contains(&output), "{output:?}");
            if let Some(error) = output.expected_error() {
                assert_eq!(error.name(), format!("{}_scale", output.name()));
                assert_eq!((error.unit(), error.scale()), (output.unit(), output.scale()));
            }
        }
        assert_eq!(Output::PERCEIVED[..4], Output::QUANTITIES);
    }
}
