//! Weights on disk, as safetensors. A file is checked tensor by tensor before anything of it is used.

use crate::device::flex;
use crate::network::{Network, PerceptionSettings, ShapeError};
use crate::perception::Perception;
use burn::tensor::DType;
use burn_store::{ModuleSnapshot, ModuleStore, SafetensorsStore};
use std::path::{Path, PathBuf};

/// Why weights could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum WeightsError {
    /// The settings describe no network.
    #[error("the settings describe no network")]
    Settings(#[from] ShapeError),
    /// The file cannot be read.
    #[error("cannot read the weights {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    /// The weights have no form as a file.
    #[error("cannot turn the weights into a file: {reason}")]
    Encode { reason: String },
    /// The file is truncated, corrupt or something else altogether.
    #[error("not a whole safetensors file: {reason}, {path:?}")]
    Format { reason: String, path: PathBuf },
    /// A tensor of the network is not in the file.
    #[error("no tensor {tensor:?}, the network has one of shape {expected:?}, in {path:?}")]
    Missing { tensor: String, expected: Vec<usize>, path: PathBuf },
    /// A tensor of the file is not in the network.
    #[error("tensor {tensor:?} of shape {found:?} has no place in the network, in {path:?}")]
    Unknown { tensor: String, found: Vec<usize>, path: PathBuf },
    /// A tensor is of another shape than the settings ask for.
    #[error("tensor {tensor:?} has shape {found:?}, the settings ask for {expected:?}, in {path:?}")]
    Shape { tensor: String, found: Vec<usize>, expected: Vec<usize>, path: PathBuf },
    /// A tensor is not of 32-bit floats.
    #[error("tensor {tensor:?} holds {found}, not F32, in {path:?}")]
    Type { tensor: String, found: String, path: PathBuf },
    /// A weight is NaN or infinite.
    #[error("tensor {tensor:?} holds {value} at {index}, in {path:?}")]
    NotFinite { tensor: String, value: f32, index: usize, path: PathBuf },
}

impl Perception {
    /// The weights as the bytes of a safetensors file; writing it is up to the caller.
    ///
    /// # Errors
    /// [`WeightsError::Encode`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        module_bytes(self.network())
    }

    /// Reads weights that were saved under the same settings.
    ///
    /// # Errors
    /// [`WeightsError`]: the file must hold exactly the tensors of the network, in their shapes, with finite values.
    pub fn load(path: impl AsRef<Path>, settings: PerceptionSettings) -> Result<Self, WeightsError> {
        settings.validate()?;
        let network = load_module(Network::new(&settings, 0, &flex()), path.as_ref())?;
        Ok(Self::new(settings, network))
    }

    /// Reads weights from the bytes of a file; `path` is only named in errors.
    ///
    /// # Errors
    /// Those of [`Perception::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path, settings: PerceptionSettings) -> Result<Self, WeightsError> {
        settings.validate()?;
        let network = load_module_bytes(Network::new(&settings, 0, &flex()), bytes.to_vec(), path)?;
        Ok(Self::new(settings, network))
    }
}

/// The weights of any network as the bytes of a safetensors file.
///
/// # Errors
/// [`WeightsError::Encode`].
pub fn module_bytes(network: &impl ModuleSnapshot) -> Result<Vec<u8>, WeightsError> {
    let failed = |reason: String| WeightsError::Encode { reason };
    // One entry only: several would be written in hash order, and equal weights would be unequal files.
    let mut store = SafetensorsStore::from_bytes(None).clear_metadata().metadata("producer", "roadproof");
    store.collect_from(network).map_err(|error| failed(error.to_string()))?;
    store.get_bytes().map_err(|error| failed(error.to_string()))
}

/// Reads the weights of any network into one of the same shape.
///
/// # Errors
/// [`WeightsError`]: the file must hold exactly the tensors of the network, in their shapes, with finite values.
pub fn load_module<M: ModuleSnapshot>(network: M, path: &Path) -> Result<M, WeightsError> {
    // Read rather than mapped: a file that shrinks under a mapping kills the process.
    let bytes = std::fs::read(path).map_err(|source| WeightsError::Read { path: path.into(), source })?;
    load_module_bytes(network, bytes, path)
}

/// Reads the weights of any network from the bytes of a file; `path` is only named in errors.
///
/// # Errors
/// Those of [`load_module`].
pub fn load_module_bytes<M: ModuleSnapshot>(mut network: M, bytes: Vec<u8>, path: &Path) -> Result<M, WeightsError> {
    let mut store = SafetensorsStore::from_bytes(Some(bytes));
    check(&mut store, &network, path)?;
    store
        .apply_to(&mut network)
        .map_err(|error| WeightsError::Format { reason: error.to_string(), path: path.into() })?;
    Ok(network)
}

/// Holds the tensors of a file against those of a network, in the order of their names.
fn check(store: &mut SafetensorsStore, network: &impl ModuleSnapshot, path: &Path) -> Result<(), WeightsError> {
    let path = || path.to_path_buf();
    let format = |reason: String| WeightsError::Format { reason, path: path() };
    let mut found = store.get_all_tensors().map_err(|error| format(error.to_string()))?.clone();
    for expected in network.collect(None, None, false) {
        let (tensor, expected) = (expected.name.clone(), expected.shape.to_vec());
        let Some(stored) = found.remove(&tensor) else {
            return Err(WeightsError::Missing { tensor, expected, path: path() });
        };
        if stored.shape.to_vec() != expected {
            return Err(WeightsError::Shape { tensor, found: stored.shape.to_vec(), expected, path: path() });
        }
        if stored.dtype != DType::F32 {
            return Err(WeightsError::Type { tensor, found: format!("{:?}", stored.dtype), path: path() });
        }
        let bytes = stored.to_bytes().map_err(|error| format(format!("tensor {tensor:?}: {error}")))?;
        let values = bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        if let Some((index, value)) = values.enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(WeightsError::NotFinite { tensor, value, index, path: path() });
        }
    }
    match found.pop_first() {
        None => Ok(()),
        Some((tensor, stored)) => Err(WeightsError::Unknown { tensor, found: stored.shape.to_vec(), path: path() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    struct Saved {
        folder: tempfile::TempDir,
        perception: Perception,
    }

    impl Saved {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder can be made");
            let perception = synthetic::trainer(5).perception();
            let bytes = perception.to_bytes().expect("a network has a form");
            std::fs::write(folder.path().join("eye.safetensors"), bytes).expect("the folder is ours");
            Self { folder, perception }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("eye.safetensors")
        }

        /// The error of loading after the file's bytes were changed.
        fn error_of(&self, settings: PerceptionSettings, change: impl Fn(&mut Vec<u8>)) -> WeightsError {
            let mut bytes = std::fs::read(self.path()).expect("it was just saved");
            change(&mut bytes);
            let path = self.folder.path().join("changed.safetensors");
            std::fs::write(&path, bytes).expect("the folder is ours");
            Perception::load(path, settings).expect_err("the file is wrong")
        }
    }

    /// Replaces text of the header by text of the same length.
    fn rename(bytes: &mut [u8], from: &str, to: &str) {
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("the header has it");
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }

    #[test]
    fn saved_weights_give_the_same_bits() {
        let saved = Saved::new();
        let loaded = Perception::load(saved.path(), synthetic::settings()).expect("the file is whole");
        let dataset = synthetic::dataset(9, 4);
        let frames = dataset.frames(0, 9);
        assert_eq!(loaded.see(frames), saved.perception.see(frames));
        assert_eq!(loaded.segment(frames), saved.perception.segment(frames));
        let bytes = std::fs::read(saved.path()).expect("it was just saved");
        assert!(loaded.to_bytes().expect("a network has a form") == bytes, "equal weights are equal files");
    }

    #[test]
    fn truncated_and_corrupt_files_are_errors() {
        let saved = Saved::new();
        for length in [0, 7, 8, 200, 5000] {
            let error = saved.error_of(synthetic::settings(), |bytes| bytes.truncate(length));
            assert!(matches!(error, WeightsError::Format { .. }), "{length} bytes: {error}");
        }
        let error = saved.error_of(synthetic::settings(), |bytes| bytes.push(0));
        assert!(matches!(error, WeightsError::Format { .. }), "one byte more: {error}");
        let error = saved.error_of(synthetic::settings(), |bytes| bytes[..8].fill(0xff));
        assert!(matches!(error, WeightsError::Format { .. }), "endless header: {error}");
        let error = saved.error_of(synthetic::settings(), |bytes| bytes[8..200].fill(b'{'));
        assert!(error.to_string().starts_with("not a whole safetensors file: "), "{error}");
        assert!(error.to_string().ends_with("changed.safetensors\""), "{error}");
    }

    #[test]
    fn every_wrong_tensor_is_named() {
        let saved = Saved::new();
        let other = PerceptionSettings { stem_channels: 9, ..synthetic::settings() };
        let error = saved.error_of(other, |_| ()).to_string();
        assert!(
            error.starts_with("tensor \"stem.weight\" has shape [48, 8], the settings ask for [48, 9], in "),
            "{error}"
        );
        let error = saved.error_of(synthetic::settings(), |bytes| rename(bytes, "merge.bias", "merge.bios"));
        let error = error.to_string();
        assert!(error.starts_with("no tensor \"merge.bias\", the network has one of shape [16], in "), "{error}");
        let error = saved.error_of(synthetic::settings(), |bytes| {
            let end = bytes.len();
            bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        });
        assert!(error.to_string().contains("holds NaN at "), "{error}");
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let saved = Saved::new();
        let nowhere = saved.folder.path().join("nowhere").join("eye.safetensors");
        let error = Perception::load(&nowhere, synthetic::settings()).expect_err("there is no such file");
        assert!(matches!(error, WeightsError::Read { .. }), "{error}");
    }
}
