//! Recorded perturbations: how the frames of one drive were changed, decision by decision, kept in a file beside the
//! scenario. Who found the change, and how, is not known here.
//!
//! It is the last of the faults: it goes onto the frame after everything else, since that frame is what was attacked.
//! To add it is all that a replay needs, so none needs a gradient.
//!
//! # File
//! A line of text that says what it is, then little-endian: width and height in pixels (`u16` each), the number of decisions
//! (`u32`); for each decision the length of its part (`u32`, zero where the frame stays as it is) and the part; last the XXH3
//! of all before it (`u64`). A part is deflated and holds the signed change of every byte of the frame, folded to 0, -1, 1,
//! -2 ... = 0, 1, 2, 3 ...: all low bytes, then all high ones, which are zero for changes below 128. Each decision is packed by
//! itself, so that no file, however it came about, takes much more memory than twice itself and a few frames.

use crate::camera::MAX_PIXELS;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// How a file begins, before its version.
const MAGIC: &[u8] = b"roadproof perturbation ";
/// The version this program reads and writes, with the end of the line.
const VERSION: &[u8] = b"1\n";
/// The longest drive there is: an hour of 50 decisions per second.
const MAX_DECISIONS: u32 = 180_000;
/// No file is larger; it holds a quarter of an hour of 84 × 84 pixels under noise that cannot be packed.
const MAX_BYTES: u64 = 1 << 28;
/// How thoroughly frames are packed: files are written once and kept.
const LEVEL: u8 = 9;

/// The changed frames of one drive, as they lie in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    width_px: u16,
    height_px: u16,
    decisions: Vec<Vec<u8>>,
}

/// A recorded change of the frames of a drive as a scenario names it: a file in the scenario's folder or below it. Attacks write them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    file: String,
    recording: Option<Arc<Recording>>,
}

/// A recorded perturbation that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The file cannot be read.
    #[error("cannot read the recorded perturbation: {cause}")]
    Io {
        /// What the system said.
        #[from]
        cause: std::io::Error,
    },
    /// Not a regular file, or far too large for one.
    #[error("the recorded perturbation is no file of at most {MAX_BYTES} bytes")]
    NoFile,
    /// Something else altogether.
    #[error("not a recorded perturbation: it does not begin with \"roadproof perturbation 1\"")]
    Foreign,
    /// Written by another version.
    #[error("a recorded perturbation of version {found:?}, this version reads 1")]
    Version {
        /// The version found.
        found: String,
    },
    /// Cut off or changed since it was written.
    #[error("the recorded perturbation is damaged: {reason}")]
    Damaged {
        /// How that was noticed.
        reason: &'static str,
    },
    /// Numbers that no drive has.
    #[error(
        "the recorded perturbation says {decisions} decisions of {width_px} x {height_px} pixels, allowed are at most \
         {MAX_DECISIONS} of 1 to {MAX_PIXELS}"
    )]
    Header {
        /// Width it says.
        width_px: u16,
        /// Height it says.
        height_px: u16,
        /// Decisions it says.
        decisions: u32,
    },
}

impl Recording {
    /// Packs changes.
    ///
    /// # Shapes
    /// - `changes`: for each decision `height × width × 3`, -255 to 255, or empty where the frame stays as it is
    ///
    /// # Panics
    /// If a change is not of the frame's size or no change of a byte.
    #[must_use]
    pub fn new(width_px: u16, height_px: u16, changes: &[Vec<i16>]) -> Self {
        let bytes = frame_bytes(width_px, height_px);
        let pack = |change: &Vec<i16>| {
            if change.iter().all(|by| *by == 0) {
                return Vec::new();
            }
            assert_eq!(change.len(), bytes, "a change of the frame's size");
            let folded = change.iter().map(|by| {
                assert!((-255..=255).contains(by), "{by} is no change of a byte");
                ((by << 1) ^ (by >> 15)).to_le_bytes()
            });
            let (low, high): (Vec<u8>, Vec<u8>) = folded.map(|[low, high]| (low, high)).unzip();
            miniz_oxide::deflate::compress_to_vec(&[low, high].concat(), LEVEL)
        };
        Self { width_px, height_px, decisions: changes.iter().map(pack).collect() }
    }

    /// Width and height of its frames.
    #[must_use]
    pub fn size_px(&self) -> (u16, u16) {
        (self.width_px, self.height_px)
    }

    /// Changes the frame that a decision, counted from 0, is made from. Values stop at 0 and 255.
    ///
    /// # Panics
    /// If the frame is of another size.
    pub fn apply(&self, decision: u32, rgb: &mut [u8]) {
        let Some(part) = self.decisions.get(decision as usize).filter(|part| !part.is_empty()) else { return };
        assert_eq!(rgb.len(), frame_bytes(self.width_px, self.height_px), "a frame of the recording's size");
        let changes = unpack(part, rgb.len()).expect("every part was packed or unpacked before");
        for (value, by) in rgb.iter_mut().zip(changes) {
            *value = (i16::from(*value) + by).clamp(0, 255) as u8;
        }
    }

    /// The file's content.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, VERSION].concat();
        bytes.extend_from_slice(&self.width_px.to_le_bytes());
        bytes.extend_from_slice(&self.height_px.to_le_bytes());
        bytes.extend_from_slice(&(self.decisions.len() as u32).to_le_bytes());
        for part in &self.decisions {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Every variant of [`RecordedError`] but those of a file that cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordedError> {
        const CUT: RecordedError = RecordedError::Damaged { reason: "it ends too early" };
        let after_magic = bytes.strip_prefix(MAGIC).ok_or(RecordedError::Foreign)?;
        let rest = after_magic.strip_prefix(VERSION).ok_or_else(|| {
            let line = after_magic.iter().take(20).take_while(|byte| **byte != b'\n').copied().collect::<Vec<_>>();
            RecordedError::Version { found: String::from_utf8_lossy(&line).into_owned() }
        })?;
        let (rest, sum) = rest.split_last_chunk::<8>().ok_or(CUT)?;
        if xxh3_64(&bytes[..bytes.len() - sum.len()]) != u64::from_le_bytes(*sum) {
            return Err(RecordedError::Damaged { reason: "its checksum is not that of its content" });
        }
        let (width, rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (height, rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (count, mut rest) = rest.split_first_chunk().ok_or(CUT)?;
        let (width_px, height_px, count) =
            (u16::from_le_bytes(*width), u16::from_le_bytes(*height), u32::from_le_bytes(*count));
        let pixels = u32::from(width_px) * u32::from(height_px);
        if count > MAX_DECISIONS || !(1..=MAX_PIXELS).contains(&pixels) {
            return Err(RecordedError::Header { width_px, height_px, decisions: count });
        }
        let mut decisions = Vec::new();
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk().ok_or(CUT)?;
            let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(CUT)?;
            if !part.is_empty() && unpack(part, frame_bytes(width_px, height_px)).is_none() {
                return Err(RecordedError::Damaged { reason: "a part is not the change of a frame" });
            }
            decisions.push(part.to_vec());
            rest = after;
        }
        if !rest.is_empty() {
            return Err(RecordedError::Damaged { reason: "something stands after its last decision" });
        }
        Ok(Self { width_px, height_px, decisions })
    }

    fn read(path: &Path) -> Result<Self, RecordedError> {
        // Asked first: opening a pipe would wait for somebody to write into it.
        let metadata = std::fs::metadata(path)?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(RecordedError::NoFile);
        }
        Self::parse(&std::fs::read(path)?)
    }
}

impl Recorded {
    /// A recording under the name its file has in the scenario's folder.
    #[must_use]
    pub fn new(file: String, recording: Arc<Recording>) -> Self {
        Self { file, recording: Some(recording) }
    }

    /// Name of its file, from the scenario's folder on.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its content, once that was read.
    #[must_use]
    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_deref()
    }

    /// Reads the file, from the scenario's folder.
    ///
    /// # Errors
    /// [`RecordedError`]; the path it is about is [`Self::path`].
    pub(crate) fn load(&mut self, folder: &Path) -> Result<(), RecordedError> {
        self.recording = Some(Arc::new(Recording::read(&self.path(folder))?));
        Ok(())
    }

    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.file)
    }
}

/// As the name of its file.
impl Serialize for Recorded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = String::deserialize(deserializer)?;
        let mut parts = Path::new(&file).components().peekable();
        let inside = parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)));
        if inside {
            Ok(Self { file, recording: None })
        } else {
            let allowed = "allowed is a file in the scenario's folder or below it";
            Err(serde::de::Error::custom(format!("recorded = {file:?}, {allowed}")))
        }
    }
}

/// Bytes of a frame.
fn frame_bytes(width_px: u16, height_px: u16) -> usize {
    3 * usize::from(width_px) * usize::from(height_px)
}

/// The changes in a part; `None` if it does not hold one for each of so many bytes.
fn unpack(part: &[u8], bytes: usize) -> Option<impl Iterator<Item = i16>> {
    let folded = miniz_oxide::inflate::decompress_to_vec_with_limit(part, 2 * bytes).ok()?;
    let value = move |folded: &[u8], at: usize| u16::from_le_bytes([folded[at], folded[bytes + at]]);
    let fits = folded.len() == 2 * bytes && (0..bytes).all(|at| value(&folded, at) <= 510);
    fits.then(|| {
        (0..bytes).map(move |at| {
            let value = value(&folded, at) as i16;
            (value >> 1) ^ -(value & 1)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three decisions, of which the second changes nothing.
    fn changes() -> Vec<Vec<i16>> {
        let wave = |at: i16| [2, -2, 0, 255, -255, 127, -128, 128, 1][(at * 7 % 9) as usize];
        vec![(0..72).map(wave).collect(), Vec::new(), (0..72).map(|at| wave(at + 3)).collect()]
    }

    fn recording() -> Recording {
        Recording::new(6, 4, &changes())
    }

    /// A file whose checksum fits, whatever else is wrong with it.
    fn sealed(width_px: u16, height_px: u16, count: u32, parts: &[u8]) -> Vec<u8> {
        let mut bytes = [MAGIC, VERSION, &width_px.to_le_bytes(), &height_px.to_le_bytes()].concat();
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(parts);
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    #[test]
    fn what_was_recorded_comes_back_and_values_stop_at_black_and_white() {
        let read = Recording::parse(&recording().to_bytes()).unwrap();
        assert_eq!(read, recording());
        for (decision, changes) in changes().iter().enumerate() {
            for grey in [0_u8, 100, 255] {
                let mut rgb = vec![grey; 72];
                read.apply(decision as u32, &mut rgb);
                let expected = |at: usize| {
                    let by = changes.get(at).copied().unwrap_or(0);
                    (i16::from(grey) + by).clamp(0, 255) as u8
                };
                assert_eq!(rgb, (0..72).map(expected).collect::<Vec<_>>(), "decision {decision} on {grey}");
            }
        }
        let mut rgb = vec![9; 72];
        read.apply(3, &mut rgb);
        assert_eq!(rgb, [9; 72], "after the last decision");
    }

    #[test]
    fn damage_at_any_byte_is_found() {
        let whole = recording().to_bytes();
        for at in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                assert!(Recording::parse(&bytes).is_err(), "byte {at} changed by {flip}");
            }
            assert!(Recording::parse(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(Recording::parse(&[whole.as_slice(), &[0]].concat()).is_err(), "one byte more");
    }

    #[test]
    fn what_is_wrong_under_a_checksum_that_fits_is_refused_or_applied() {
        let whole = recording().to_bytes();
        let content = &whole[MAGIC.len() + VERSION.len() + 8..whole.len() - 8];
        let mut read = 0;
        for at in 0..content.len() {
            for flip in 1..=255 {
                let mut content = content.to_vec();
                content[at] ^= flip;
                if let Ok(recording) = Recording::parse(&sealed(6, 4, 3, &content)) {
                    (0..4).for_each(|decision| recording.apply(decision, &mut [100; 72]));
                    read += 1;
                }
            }
        }
        assert!(read > 0, "no other content could be read");
    }

    #[test]
    fn mistakes_are_told_apart() {
        let message = |bytes: &[u8]| Recording::parse(bytes).unwrap_err().to_string();
        assert!(message(b"").starts_with("not a recorded perturbation"));
        assert!(message(b"roadproof trace 1\n").starts_with("not a recorded perturbation"));
        assert_eq!(
            message(b"roadproof perturbation 12\nx"),
            "a recorded perturbation of version \"12\", this version reads 1"
        );
        assert!(message(b"roadproof perturbation 1\nx").ends_with("it ends too early"));
        assert!(message(&sealed(6, 4, 1, &[])).ends_with("it ends too early"));
        assert!(message(&sealed(6, 4, 0, &[0])).ends_with("after its last decision"));
        assert!(message(&sealed(6, 4, 1, &[2, 0, 0, 0, 7, 7])).ends_with("not the change of a frame"));
        // Sizes that nobody has memory for are refused, or never asked for.
        assert!(message(&sealed(u16::MAX, u16::MAX, 1, &[0; 4])).contains("65535 x 65535 pixels"));
        assert!(message(&sealed(0, 4, 1, &[0; 4])).contains("0 x 4 pixels"));
        assert!(message(&sealed(6, 4, u32::MAX, &[0; 4])).contains("4294967295 decisions"));
        assert!(message(&sealed(1024, 1024, MAX_DECISIONS, &[0; 4])).ends_with("it ends too early"));
        let bomb = miniz_oxide::deflate::compress_to_vec(&vec![0; 1 << 20], LEVEL);
        let parts = [&(bomb.len() as u32).to_le_bytes(), bomb.as_slice()].concat();
        assert!(message(&sealed(6, 4, 1, &parts)).ends_with("not the change of a frame"));
    }

    #[test]
    fn names_stay_in_the_folder() {
        let read = |name: &str| ron::from_str::<Recorded>(&format!("{name:?}"));
        assert_eq!(read("a/b.perturbation").unwrap().path(Path::new("x")), Path::new("x/a/b.perturbation"));
        for name in ["", ".", "..", "../a", "a/../../b", "/a", "./a"] {
            let message = read(name).unwrap_err().to_string();
            assert!(message.contains(&format!("recorded = {name:?}")), "{message}");
        }
    }
}
