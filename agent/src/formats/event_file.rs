//! Reads back what TensorBoard's event files of a run say: its curves, and the newest picture of each kind.
//!
//! # Source
//! `tensorflow/core/util/event.proto`, `tensorflow/core/framework/summary.proto` for the messages, `record_writer.cc` for the frame around
//! each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What names of event files have in them.
const IN_NAME: &str = ".tfevents.";

/// What a run's event files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// Curves by their tags: steps and values.
    pub curves: BTreeMap<String, Vec<(u64, f32)>>,
    /// The newest picture of each tag: width, height, and the bytes of a PNG file.
    pub pictures: BTreeMap<String, (u32, u32, Vec<u8>)>,
}

impl Events {
    /// Reads all event files of a folder in the order of their names, as one run: where a later one starts again, what earlier ones have from
    /// that step on is dropped, as TensorBoard does. A file that is cut off, as by a process that was killed, is read as far as it goes.
    ///
    /// # Errors
    /// A folder or a file that cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().contains(IN_NAME)) {
                files.push(path);
            }
        }
        files.sort();
        let mut events = Self::default();
        for file in files {
            let bytes = fs::read(file)?;
            let mut rest = &bytes[..];
            while let Some(message) = next_record(&mut rest) {
                events.note(message);
            }
        }
        Ok(events)
    }

    fn note(&mut self, event: &[u8]) {
        let (mut step, mut starts, mut values) = (0, false, Vec::new());
        for field in Fields(event) {
            match field {
                (2, Field::Number(number)) => step = number,
                (5, Field::Bytes(summary)) => values.extend(Fields(summary).filter_map(|field| match field {
                    (1, Field::Bytes(value)) => Some(value),
                    _ => None,
                })),
                (7, Field::Bytes(session)) => starts = Fields(session).any(|field| field == (1, Field::Number(1))),
                _ => {}
            }
        }
        if starts {
            self.curves.values_mut().for_each(|points| points.retain(|(at, _)| *at < step));
        }
        values.into_iter().for_each(|value| self.note_value(step, value));
    }

    fn note_value(&mut self, step: u64, value: &[u8]) {
        let (mut tag, mut scalar, mut picture) = (String::new(), None, None);
        for field in Fields(value) {
            match field {
                (1, Field::Bytes(name)) => tag = String::from_utf8_lossy(name).into_owned(),
                (2, Field::Four(bytes)) => scalar = Some(f32::from_le_bytes(bytes)),
                (4, Field::Bytes(image)) => picture = Some(image),
                _ => {}
            }
        }
        if let Some(value) = scalar {
            self.curves.entry(tag).or_default().push((step, value));
        } else if let Some(image) = picture {
            let (mut width, mut height, mut png) = (0, 0, Vec::new());
            for field in Fields(image) {
                match field {
                    (1, Field::Number(number)) => height = u32::try_from(number).unwrap_or_default(),
                    (2, Field::Number(number)) => width = u32::try_from(number).unwrap_or_default(),
                    (4, Field::Bytes(bytes)) => png = bytes.to_vec(),
                    _ => {}
                }
            }
            self.pictures.insert(tag, (width, height, png));
        }
    }
}

/// The next message of a file, without its frame; none where the file ends or is cut off.
fn next_record<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    const CHECKSUM: usize = 4;
    let length = u64::from_le_bytes(*rest.first_chunk()?);
    let begins = size_of::<u64>() + CHECKSUM;
    let ends = begins.checked_add(usize::try_from(length).ok()?)?;
    let message = rest.get(begins..ends)?;
    *rest = rest.get(ends + CHECKSUM..)?;
    Some(message)
}

/// A value of a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field<'b> {
    Number(u64),
    Eight,
    Bytes(&'b [u8]),
    Four([u8; 4]),
}

/// The fields of a protobuf message by their numbers, until it ends or makes no sense.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn base_128(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = (u64, Field<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.base_128()?;
        let field = match key & 7 {
            0 => Field::Number(self.base_128()?),
            1 => {
                self.take(8)?;
                Field::Eight
            }
            2 => {
                let length = usize::try_from(self.base_128()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Four(*self.take(4)?.first_chunk()?),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::tensorboard::EventWriter;

    #[test]
    fn what_was_written_is_read_back_and_a_later_start_drops_what_was_ahead_of_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut writer = EventWriter::create(folder.path()).expect("a file");
        for step in [10, 20, 300, 40_000] {
            writer.scalar("a/b", step, step as f32 / 8.0).expect("an event");
        }
        writer.scalar("other", 5, f32::NAN).expect("an event");
        writer.image_png("frame", 10, 7, 300, b"first").expect("an event");
        writer.image_png("frame", 20, 8, 3, b"second").expect("an event");
        writer.text("settings", 0, "()").expect("an event");
        writer.flush().expect("a flush");
        let first = Events::read(folder.path()).expect("events");
        assert_eq!(first.curves["a/b"], [(10, 1.25), (20, 2.5), (300, 37.5), (40_000, 5000.0)]);
        assert_eq!(first.pictures["frame"], (8, 3, b"second".to_vec()));
        assert!(first.curves["other"][0].1.is_nan() && first.curves.len() == 2);
        let mut writer = EventWriter::resume(folder.path(), 300).expect("a file");
        writer.scalar("a/b", 310, 1.0).expect("an event");
        writer.flush().expect("a flush");
        let path = writer.path().to_owned();
        drop(writer);
        let wanted = [(10, 1.25), (20, 2.5), (310, 1.0)];
        assert_eq!(Events::read(folder.path()).expect("events").curves["a/b"], wanted);
        // One that is cut off anywhere is read as far as it goes.
        let whole = fs::read(&path).expect("the file");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("a file");
            let points = &Events::read(folder.path()).expect("events").curves["a/b"];
            assert!(points.len() >= 2 && points[..2] == wanted[..2] && !points.contains(&wanted[2]), "{length}");
        }
        fs::write(&path, [0xff; 64]).expect("a file");
        assert!(Events::read(folder.path()).is_ok());
    }
}
