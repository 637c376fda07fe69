//! The kinds of faults that come in five severities, and where their constants come from.

use serde::{Deserialize, Serialize};

/// What a fault changes; kinds of one group share their mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The 19 corruptions of ImageNet-C.
    Corruption,
    /// Frames that come late, twice, or not at all.
    Timing,
    /// The sensor behind the lens.
    Sensor,
    /// What is on the lens.
    Lens,
    /// What is in the air, or blinds.
    Weather,
    /// Where the camera looks and how it projects.
    Geometry,
    /// Not the picture: controls, and what the car knows of itself without a camera.
    Vehicle,
}

macro_rules! kinds {
    ($($group:ident { $($(#[doc = $doc:literal])+ $name:ident,)+ })+) => {
        /// A fault that comes in five severities.
        ///
        /// Constants in pixels were published for pictures of 224 × 224: they are scaled by the square root of the frame's
        /// pixels over 224, so that the same share of the picture is changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FaultKind {
            $($($(#[doc = $doc])+ $name,)+)+
        }

        impl FaultKind {
            /// Every kind, group by group.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// What the kind changes.
            #[must_use]
            pub fn group(self) -> Group {
                match self {
                    $($(Self::$name)|+ => Group::$group,)+
                }
            }

            /// Its name, as scenario files spell it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => stringify!($name),)+)+
                }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self {
                    $($(Self::$name => concat!($($doc),+),)+)+
                }
            }
        }
    };
}

kinds! {
    Corruption {
        /// Normal noise on every channel.
        GaussianNoise,
        /// Photons counted: Poisson noise.
        ShotNoise,
        /// Values that are all or nothing.
        ImpulseNoise,
        /// Normal noise in proportion to the value.
        SpeckleNoise,
        /// Gaussian blur; below 70 × 70 pixels, weak ones are too narrow to show.
        GaussianBlur,
        /// A lens out of focus: the picture averaged over a disk; below 48 × 48 pixels, weak ones are too narrow to show.
        DefocusBlur,
        /// Frosted glass: pixels in the place of their neighbours.
        GlassBlur,
        /// Movement during the exposure; below 32 × 32 pixels, short ones are too narrow to show.
        MotionBlur,
        /// Movement towards the camera during the exposure.
        ZoomBlur,
        /// Fog as a fractal cloud, the same at any depth.
        Fog,
        /// Frost on the pane, drawn rather than photographed.
        Frost,
        /// Falling snow.
        Snow,
        /// Water or mud thrown against the lens.
        Spatter,
        /// Less contrast.
        Contrast,
        /// Everything brighter.
        Brightness,
        /// Colours too weak or too strong.
        Saturate,
        /// The losses of JPEG.
        JpegCompression,
        /// Fewer, larger pixels.
        Pixelate,
        /// The picture stretched here and pressed there.
        ElasticTransform,
    }
    Timing {
        /// Frames are lost one by one: the driver gets black ones.
        DroppedFrames,
        /// Frames are lost several in a row.
        BurstDrops,
        /// The picture stands still for a while, again and again.
        FrozenFrames,
        /// Frames come so many decisions late as the severity says.
        DelayedFrames,
        /// Frames come in the wrong order.
        ReorderedFrames,
        /// Black for a part of each second.
        BlackFrames,
        /// White for a part of each second.
        WhiteFrames,
    }
    Sensor {
        /// The lower part of the frame is missing.
        HalfFrame,
        /// Pixels that are always black.
        DeadPixels,
        /// Pixels that always show one colour.
        StuckPixels,
        /// Pixels that are always far too bright.
        HotPixels,
        /// Columns that are always black.
        DeadLines,
        /// Bright and dark bands that travel over the frame, as lamps on alternating current cause.
        Banding,
        /// Few bits for each channel.
        ColourQuantisation,
        /// Exposure that jumps between too dark and too bright every second.
        ExposureJump,
        /// A dark scene with the noise of it.
        LowLight,
        /// A high ISO setting: shot noise and read noise.
        IsoNoise,
        /// Rows read one after the other while the camera shakes.
        RollingShutter,
    }
    Lens {
        /// Dust and grease: soft dark spots.
        LensDirt,
        /// Opaque brown spots.
        Mud,
        /// Drops that each show the scene small and upside down.
        WaterDrops,
        /// Ice that grows from the edges.
        Ice,
        /// A lens that has misted up.
        Condensation,
        /// A lens that is cracked.
        Crack,
        /// Colours that do not meet away from the middle.
        ChromaticAberration,
        /// Dark corners.
        Vignetting,
    }
    Weather {
        /// A low sun that blinds.
        SunFlare,
        /// Fog that is denser the farther a thing is.
        DepthFog,
        /// Streaks of rain before a greyer scene.
        Rain,
    }
    Geometry {
        /// A camera turned out of its place.
        CameraRotation,
        /// A camera moved out of its place.
        CameraShift,
        /// A focal length and a middle that have drifted.
        IntrinsicDrift,
    }
    Vehicle {
        /// Controls act so many decisions late as the severity says: camera and controls out of step.
        ControlDelay,
        /// A speedometer that trembles.
        SpeedNoise,
        /// A speedometer that reads too high.
        SpeedBias,
        /// A place on the map that trembles.
        LocalisationNoise,
        /// A place on the map that is off.
        LocalisationBias,
        /// A gyroscope that trembles.
        YawRateNoise,
        /// A gyroscope that tells of turning where there is none.
        YawRateBias,
        /// An accelerometer that trembles: acceleration and the slope of the road.
        AccelerationNoise,
        /// An accelerometer that is off: acceleration and the slope of the road.
        AccelerationBias,
        /// A sensor of the steering angle that trembles.
        SteeringNoise,
        /// A sensor of the steering angle that was put on askew.
        SteeringBias,
    }
}

impl FaultKind {
    /// The kind of this name.
    ///
    /// # Errors
    /// A message with the nearest name.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("no fault is named {name:?}, {} `roadproof faults` lists all", did_you_mean(name, &names))
        })
    }
}

/// The question for the nearest of some names.
pub(crate) fn did_you_mean(found: &str, names: &[&str]) -> String {
    let likeness = |name: &&&str| strsim::jaro_winkler(&found.to_lowercase(), &name.to_lowercase());
    let nearest = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.map_or_else(String::new, |nearest| format!("did you mean {nearest:?}?"))
}

/// How strong a fault is, 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Severity(u8);

impl Severity {
    /// The five severities, the weakest first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// Checks a severity.
    #[must_use]
    pub fn new(severity: u8) -> Option<Self> {
        (1..=5).contains(&severity).then_some(Self(severity))
    }

    /// As a number, 1 to 5.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// The entry of a table of five.
    pub(in crate::fault) fn of<T: Copy>(self, table: [T; 5]) -> T {
        table[usize::from(self.0) - 1]
    }
}

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom(format!("severity = {value}, allowed is 1 to 5")))
    }
}
