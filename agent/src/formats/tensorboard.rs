//! Writes event files that TensorBoard shows: figures over steps, texts and pictures.
//!
//! The few protobuf messages are put together by hand; which figures are worth a curve is for the stages to say.
//!
//! # Source
//! `tensorflow/core/util/event.proto`, `tensorflow/core/framework/summary.proto` and `tensor.proto` for the messages,
//! `tensorflow/core/lib/io/record_writer.cc` for the frame around each of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// Says that the events of the file have the form of 2015 and later.
const FILE_VERSION: &str = "brain.Event:2";

/// Why an event could not be written; the operating system's reason is part of the message.
#[derive(Debug, Error)]
pub enum TensorboardError {
    /// The folder or the event file in it could not be made.
    #[error("cannot create an event file ({cause}) in {folder:?}")]
    Create {
        /// What the operating system said.
        cause: io::Error,
        /// The folder as it was given.
        folder: PathBuf,
    },
    /// An event could not be appended; a full disk ends here.
    #[error("cannot write an event ({cause}) to {path:?}")]
    Write {
        /// What the operating system said.
        cause: io::Error,
        /// The event file.
        path: PathBuf,
    },
}

/// An event file that grows.
///
/// Events are buffered: call [`EventWriter::flush`] when others should see them and before the process ends, since
/// only it reports a failure. Dropping the writer flushes too, without a word.
#[derive(Debug)]
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// Starts a new event file in `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// [`TensorboardError::Create`] and [`TensorboardError::Write`].
    pub fn create(folder: &Path) -> Result<Self, TensorboardError> {
        Self::start(folder, 0)
    }

    /// Starts another event file in `folder` for a run that continues at `step`.
    ///
    /// TensorBoard reads the files in the order of their names as one run. It drops what the earlier ones have at
    /// `step` and after, which an ended process may have written after its last checkpoint; its default loader does
    /// so for each curve as soon as that goes on.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub fn resume(folder: &Path, step: u64) -> Result<Self, TensorboardError> {
        Self::start(folder, step)
    }

    /// The event file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a point to the curve `tag`. A `/` in the tag groups curves.
    ///
    /// # Errors
    /// [`TensorboardError::Write`]
    pub fn scalar(&mut self, tag: &str, step: u64, value: f32) -> Result<(), TensorboardError> {
        self.append(&scalar_event(wall_time_s(), step, tag, value))
    }

    /// Adds a text, which TensorBoard renders as Markdown: fence what should stand as it is.
    ///
    /// # Errors
    /// [`TensorboardError::Write`]
    pub fn text(&mut self, tag: &str, step: u64, markdown: &str) -> Result<(), TensorboardError> {
        self.append(&text_event(wall_time_s(), step, tag, markdown))
    }

    /// Adds a picture of `width_px × height_px`, given as the bytes of a PNG file.
    ///
    /// # Errors
    /// [`TensorboardError::Write`]. The bytes are not looked at; TensorBoard shows a broken picture for broken ones.
    pub fn image_png(
        &mut self,
        tag: &str,
        step: u64,
        width_px: u32,
        height_px: u32,
        png: &[u8],
    ) -> Result<(), TensorboardError> {
        let image = image_message(width_px, height_px, png);
        self.append(&image_event(wall_time_s(), step, tag, &image))
    }

    /// Says under which settings the run goes, by their names with dots: TensorBoard compares runs by them. Lists and what is left out
    /// are no settings to compare by.
    ///
    /// # Errors
    /// [`TensorboardError::Write`]
    pub fn hparams(&mut self, settings: &serde_json::Value) -> Result<(), TensorboardError> {
        let mut all = Vec::new();
        flatten("", settings, &mut all);
        self.append(&hparams_event(wall_time_s(), "_hparams_/session_start_info", &session_start(&all)))
    }

    /// Hands all events so far to the operating system, so that a running TensorBoard sees them.
    ///
    /// # Errors
    /// [`TensorboardError::Write`]
    pub fn flush(&mut self) -> Result<(), TensorboardError> {
        self.file.flush().map_err(|cause| self.not_written(cause))
    }

    /// Without a mark at its very start TensorBoard takes the first restart of a run for its start.
    fn start(folder: &Path, step: u64) -> Result<Self, TensorboardError> {
        let (file, path) =
            new_file(folder).map_err(|cause| TensorboardError::Create { cause, folder: folder.into() })?;
        let mut writer = Self { file: BufWriter::new(file), path };
        writer.append(&version_event(wall_time_s()))?;
        writer.append(&start_event(wall_time_s(), step))?;
        writer.flush()?;
        Ok(writer)
    }

    fn append(&mut self, event: &[u8]) -> Result<(), TensorboardError> {
        self.file.write_all(&record(event)).map_err(|cause| self.not_written(cause))
    }

    fn not_written(&self, cause: io::Error) -> TensorboardError {
        TensorboardError::Write { cause, path: self.path.clone() }
    }
}

/// Never opens a file that is there: two writers of one second get files of their own, in order.
fn new_file(folder: &Path) -> io::Result<(File, PathBuf)> {
    fs::create_dir_all(folder)?;
    let seconds = wall_time_s() as u64;
    let mut count = 0;
    loop {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.roadproof.{count:04}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Seconds since 1970, which TensorBoard shows beside a point; nothing is computed from it.
fn wall_time_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The frame around a message: its length, a checksum of the length, the message, a checksum of the message.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(message.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_crc(message).to_le_bytes());
    record
}

/// CRC-32C, disguised because a checksum over data that contains checksums is weak.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn version_event(wall_time_s: f64) -> Vec<u8> {
    Message::default().double(1, wall_time_s).bytes(3, FILE_VERSION.as_bytes()).0
}

/// The mark of a start, at which the curves of earlier files are cut off.
fn start_event(wall_time_s: f64, step: u64) -> Vec<u8> {
    const START: u64 = 1;
    let session_log = Message::default().varint(1, START);
    Message::default().double(1, wall_time_s).varint(2, step).bytes(7, &session_log.0).0
}

fn scalar_event(wall_time_s: f64, step: u64, tag: &str, value: f32) -> Vec<u8> {
    let value = Message::default().bytes(1, tag.as_bytes()).float(2, value);
    summary_event(wall_time_s, step, &value)
}

fn image_message(width_px: u32, height_px: u32, png: &[u8]) -> Message {
    const RGB: u64 = 3;
    Message::default().varint(1, height_px.into()).varint(2, width_px.into()).varint(3, RGB).bytes(4, png)
}

fn image_event(wall_time_s: f64, step: u64, tag: &str, image: &Message) -> Vec<u8> {
    let value = Message::default().bytes(1, tag.as_bytes()).bytes(4, &image.0);
    summary_event(wall_time_s, step, &value)
}

/// A text is a tensor of one string; the metadata names the plugin that shows it.
fn text_event(wall_time_s: f64, step: u64, tag: &str, text: &str) -> Vec<u8> {
    const DT_STRING: u64 = 7;
    let tensor = Message::default().varint(1, DT_STRING).bytes(2, &[]).bytes(8, text.as_bytes());
    let plugin = Message::default().bytes(1, b"text");
    let metadata = Message::default().bytes(1, &plugin.0);
    let value = Message::default().bytes(1, tag.as_bytes()).bytes(8, &tensor.0).bytes(9, &metadata.0);
    summary_event(wall_time_s, step, &value)
}

/// Numbers, words and switches by their names with dots.
fn flatten(path: &str, value: &serde_json::Value, into: &mut Vec<(String, Message)>) {
    use serde_json::Value;
    let mut push = |value: Message| into.push((path.to_owned(), value));
    match value {
        Value::Null | Value::Array(_) => {}
        Value::Number(number) => push(Message::default().double(2, number.as_f64().unwrap_or(f64::NAN))),
        Value::String(word) => push(Message::default().bytes(3, word.as_bytes())),
        Value::Bool(on) => push(Message::default().varint(4, u64::from(*on))),
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, into);
            }
        }
    }
}

/// The settings of this run: a map, whose entries are a key and a value. Nothing says which settings there are in all: TensorBoard then
/// takes all that any run has, with their types, and every curve as a figure to compare by. It would believe one run for all others.
///
/// # Source
/// TensorBoard, `tensorboard/plugins/hparams/api.proto` and `plugin_data.proto`: `HParamsPluginData` and what it is made of.
fn session_start(settings: &[(String, Message)]) -> Message {
    let start = settings.iter().fold(Message::default(), |start, (name, value)| {
        start.bytes(1, &Message::default().bytes(1, name.as_bytes()).bytes(2, &value.0).0)
    });
    Message::default().bytes(3, &start.0)
}

/// What a plugin is told stands in the metadata of a value that has nothing else.
fn hparams_event(wall_time_s: f64, tag: &str, content: &Message) -> Vec<u8> {
    let plugin = Message::default().bytes(1, b"hparams").bytes(2, &content.0);
    let metadata = Message::default().bytes(1, &plugin.0);
    let value = Message::default().bytes(1, tag.as_bytes()).bytes(9, &metadata.0);
    summary_event(wall_time_s, 0, &value)
}

fn summary_event(wall_time_s: f64, step: u64, value: &Message) -> Vec<u8> {
    let summary = Message::default().bytes(1, &value.0);
    Message::default().double(1, wall_time_s).varint(2, step).bytes(5, &summary.0).0
}

/// A protobuf message under construction: each field is its number and wire type, then its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, field: u8, value: u64) -> Self {
        self.key(field, 0);
        self.base_128(value);
        self
    }

    fn double(mut self, field: u8, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        self.key(field, 2);
        self.base_128(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn float(mut self, field: u8, value: f32) -> Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn key(&mut self, field: u8, wire_type: u8) {
        assert!((1..16).contains(&field), "field {field} needs a longer key");
        self.0.push(field << 3 | wire_type);
    }

    /// Seven bits a byte, lowest first; the eighth bit says that more follow.
    fn base_128(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected bytes are those of TensorBoard 2.21: `RecordWriter` around `Event.SerializeToString()`.

    #[test]
    fn the_version_record_is_that_of_tensorboard() {
        let expected = b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\
            \x09\0\0\0\0\0\0\xf8\x3f\x1a\x0dbrain.Event:2\x2a\x28\x64\x6c";
        assert_eq!(record(&version_event(1.5)), expected);
    }

    #[test]
    fn a_scalar_record_is_that_of_tensorboard() {
        let expected = b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\
            \x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x2a\x0a\x0a\x08\x0a\x01a\x15\0\0\0\x3f\x64\x07\x6a\x3f";
        assert_eq!(record(&scalar_event(1.5, 300, "a", 0.5)), expected);
    }

    #[test]
    fn a_start_event_is_that_of_tensorboard() {
        let expected = b"\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x3a\x02\x08\x01";
        assert_eq!(start_event(1.5, 300), expected);
    }

    #[test]
    fn an_image_event_is_that_of_tensorboard() {
        let expected = b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x01\
            \x2a\x12\x0a\x10\x0a\x01b\x22\x0b\x08\x02\x10\x03\x18\x03\x22\x03png";
        assert_eq!(image_event(1.5, 1, "b", &image_message(3, 2, b"png")), expected);
    }

    #[test]
    fn a_text_event_is_that_of_tensorboard() {
        let expected = b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x01\
            \x2a\x19\x0a\x17\x0a\x01c\x42\x08\x08\x07\x12\0\x42\x02hi\x4a\x08\x0a\x06\x0a\x04text";
        assert_eq!(text_event(1.5, 1, "c", "hi"), expected);
    }

    // The expected bytes are those of `HParamsPluginData` of TensorBoard 2.21, serialised by protobuf.

    #[test]
    fn settings_to_compare_by_are_those_of_tensorboard() {
        let settings = serde_json::json!({"a": {"b": 0.5, "list": [1]}, "c": "x", "d": true, "none": null});
        let mut all = Vec::new();
        flatten("", &settings, &mut all);
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.b", "c", "d"]);
        let start = b"\x1a\x25\x0a\x10\x0a\x03a.b\x12\x09\x11\0\0\0\0\0\0\xe0\x3f\
            \x0a\x08\x0a\x01c\x12\x03\x1a\x01x\x0a\x07\x0a\x01d\x12\x02\x20\x01";
        assert_eq!(session_start(&all).0, start);
    }

    #[test]
    fn crc_is_the_castagnoli_one() {
        // RFC 3720, appendix B.4: 32 bytes of zeroes.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// Lengths of the messages in an event file; panics where a checksum is wrong.
    fn message_lengths(mut bytes: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            assert_eq!(bytes[8..12], masked_crc(&bytes[..8]).to_le_bytes());
            let (message, rest) = bytes[12..].split_at(length);
            assert_eq!(rest[..4], masked_crc(message).to_le_bytes());
            lengths.push(length);
            bytes = &rest[4..];
        }
        lengths
    }

    #[test]
    fn a_file_holds_all_events_after_a_flush() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventWriter::create(&folder.path().join("new")).unwrap();
        let long = "x".repeat(100_000);
        events.scalar("reward", 1, f32::NAN).unwrap();
        events.text("settings", 0, &long).unwrap();
        events.image_png("camera", 2, 3, 2, b"png").unwrap();
        events.flush().unwrap();
        let lengths = message_lengths(&fs::read(events.path()).unwrap());
        assert_eq!(lengths.len(), 5);
        assert_eq!(lengths[0], 24);
        assert!(lengths[3] > long.len());
    }

    #[test]
    fn a_continued_run_adds_a_file_that_sorts_last() {
        let folder = tempfile::tempdir().unwrap();
        let first = EventWriter::create(folder.path()).unwrap();
        let second = EventWriter::resume(folder.path(), 300).unwrap();
        assert!(first.path() < second.path());
        let lengths = message_lengths(&fs::read(second.path()).unwrap());
        assert_eq!(lengths, [24, 16]);
    }

    #[test]
    fn writers_of_one_second_do_not_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let writers: Vec<EventWriter> = (0..3).map(|_| EventWriter::create(folder.path()).unwrap()).collect();
        assert!(writers.is_sorted_by(|a, b| a.path() < b.path()));
        let name = writers[0].path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"").unwrap();
        let error = EventWriter::create(&path).unwrap_err();
        assert!(matches!(&error, TensorboardError::Create { folder, .. } if *folder == path), "{error}");
    }
}
