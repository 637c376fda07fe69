//! A file of several named parts that is whole or is told not to be: what a stage needs to go on as if it had not been broken off.
//!
//! The file begins with a line that says what it is and a digest of all that comes after it. Of two generations the newer one is taken if it
//! is whole, and else the older one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

/// What such a file begins with, with the version of its shape.
const HEAD: &[u8] = b"roadproof snapshot 1\n";

/// Why bytes are no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// Something else, or of another version.
    #[error("not a snapshot that this version reads")]
    Foreign,
    /// It was cut off, or changed.
    #[error("the snapshot is damaged")]
    Damaged,
    /// A part is not there.
    #[error("the snapshot has no {0}")]
    Missing(&'static str),
}

/// Parts by their names, in the order in which they were put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Vec<(String, Vec<u8>)>);

impl Parts {
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.0.push((name.to_owned(), bytes));
        self
    }

    /// The same with a value, as CBOR.
    ///
    /// # Panics
    /// If the value has no form in CBOR, which plain structs of numbers have.
    #[must_use]
    pub fn with_value(self, name: &str, value: &impl Serialize) -> Self {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).expect("plain values have a form, and memory takes it");
        self.with(name, bytes)
    }

    /// A value that was put in.
    ///
    /// # Errors
    /// [`PartsError`] if it is not there, or something else.
    pub fn value<V: DeserializeOwned>(&self, name: &'static str) -> Result<V, PartsError> {
        ciborium::from_reader(self.get(name)?).map_err(|_| PartsError::Missing(name))
    }

    /// A part.
    ///
    /// # Errors
    /// [`PartsError::Missing`].
    pub fn get(&self, name: &'static str) -> Result<&[u8], PartsError> {
        let part = self.0.iter().find(|(known, _)| known == name);
        part.map(|(_, bytes)| &bytes[..]).ok_or(PartsError::Missing(name))
    }

    /// All of them as the bytes of a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length: usize = self.0.iter().map(|(name, bytes)| 16 + name.len() + bytes.len()).sum();
        let body = HEAD.len() + 8;
        let mut file = Vec::with_capacity(body + length);
        file.extend_from_slice(HEAD);
        file.extend_from_slice(&[0; 8]);
        for (name, bytes) in &self.0 {
            for block in [name.as_bytes(), bytes] {
                file.extend_from_slice(&(block.len() as u64).to_le_bytes());
                file.extend_from_slice(block);
            }
        }
        let digest = xxh3_64(&file[body..]).to_le_bytes();
        file[HEAD.len()..body].copy_from_slice(&digest);
        file
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// [`PartsError::Foreign`] and [`PartsError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PartsError> {
        let rest = bytes.strip_prefix(HEAD).ok_or(PartsError::Foreign)?;
        let (digest, mut body) = rest.split_at_checked(8).ok_or(PartsError::Damaged)?;
        if xxh3_64(body).to_le_bytes() != digest {
            return Err(PartsError::Damaged);
        }
        let mut parts = Self::default();
        while !body.is_empty() {
            let name = String::from_utf8(block(&mut body)?.to_vec()).map_err(|_| PartsError::Damaged)?;
            parts = parts.with(&name, block(&mut body)?.to_vec());
        }
        Ok(parts)
    }
}

/// Floats as one string of bytes: an item for each would take more room and many times as long.
pub mod floats {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt::Formatter;

    /// Writes them.
    ///
    /// # Errors
    /// What the writer says.
    pub fn serialize<S: Serializer>(values: &[f32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// Reads them.
    ///
    /// # Errors
    /// Something else than a string of bytes of whole floats.
    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<f32>, D::Error> {
        from.deserialize_byte_buf(Floats)
    }

    struct Floats;

    impl Visitor<'_> for Floats {
        type Value = Vec<f32>;

        fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("the bytes of floats")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<f32>, E> {
            let (floats, rest) = bytes.as_chunks::<4>();
            if rest.is_empty() {
                Ok(floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
            } else {
                Err(E::custom("a float is cut off"))
            }
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<f32>, E> {
            self.visit_bytes(&bytes)
        }
    }
}

/// Takes a block with its length before it off the front.
fn block<'b>(body: &mut &'b [u8]) -> Result<&'b [u8], PartsError> {
    let (length, rest) = body.split_at_checked(8).ok_or(PartsError::Damaged)?;
    let length = u64::from_le_bytes(length.try_into().map_err(|_| PartsError::Damaged)?);
    let length = usize::try_from(length).map_err(|_| PartsError::Damaged)?;
    let (block, rest) = rest.split_at_checked(length).ok_or(PartsError::Damaged)?;
    *body = rest;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_whatever_is_cut_or_changed_is_told() {
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Numbers(#[serde(with = "floats")] Vec<f32>);
        let numbers = Numbers(vec![1.5, -0.0, f32::MAX]);
        let parts = Parts::default().with("network", vec![1, 2, 3]).with("empty", Vec::new());
        let parts = parts.with_value("numbers", &numbers);
        assert_eq!(parts.value::<Numbers>("numbers"), Ok(numbers));
        let bytes = parts.to_bytes();
        assert_eq!(Parts::from_bytes(&bytes), Ok(parts.clone()));
        assert_eq!((parts.get("network"), parts.get("else")), (Ok(&[1, 2, 3][..]), Err(PartsError::Missing("else"))));
        for end in 0..bytes.len() {
            assert!(Parts::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 16;
            assert!(Parts::from_bytes(&changed).is_err(), "changed at {at}");
        }
        assert_eq!(Parts::from_bytes(b"something else"), Err(PartsError::Foreign));
    }
}
