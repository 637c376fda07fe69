//! Weights on disk, as safetensors. A file is checked tensor by tensor before anything of it is used.

use crate::network::{Network, PerceptionSettings, SettingsError};
use crate::perception::Perception;
use burn::prelude::*;
use burn::tensor::DType;
use burn_store::{ModuleSnapshot, ModuleStore, SafetensorsStore};
use std::path::{Path, PathBuf};

/// Why weights could not be saved or loaded.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum WeightsError {
    /// The settings describe no network.
    #[error("the settings describe no network")]
    Settings(#[from] SettingsError),
    /// The file cannot be read.
    #[error("cannot read the weights {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    /// The file cannot be written.
    #[error("cannot write the weights: {reason}, {path:?}")]
    Write { reason: String, path: PathBuf },
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
    /// Writes the weights beside `path` and renames them into place, so that no reader meets half a file.
    ///
    /// # Errors
    /// [`WeightsError::Write`] if the folder does not exist or cannot be written to.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), WeightsError> {
        let path = path.as_ref();
        SafetensorsStore::from_file(path)
            .overwrite(true)
            .collect_from(self.network())
            .map_err(|error| WeightsError::Write { reason: error.to_string(), path: path.into() })
    }

    /// Reads weights that were saved under the same settings.
    ///
    /// # Errors
    /// [`WeightsError`]: the file must hold exactly the tensors of the network, in their shapes, with finite values.
    pub fn load(path: impl AsRef<Path>, settings: PerceptionSettings) -> Result<Self, WeightsError> {
        settings.validate()?;
        let path = path.as_ref();
        // Read rather than mapped: a file that shrinks under a mapping kills the process.
        let bytes = std::fs::read(path).map_err(|source| WeightsError::Read { path: path.into(), source })?;
        let format = |reason: String| WeightsError::Format { reason, path: path.into() };
        let mut store = SafetensorsStore::from_bytes(Some(bytes));
        let mut network = Network::new(&settings, 0, &Device::flex());
        check(&mut store, &network, path)?;
        store.apply_to(&mut network).map_err(|error| format(error.to_string()))?;
        Ok(Self::new(settings, network))
    }
}

/// Holds the tensors of a file against those of a network, in the order of their names.
fn check(store: &mut SafetensorsStore, network: &Network, path: &Path) -> Result<(), WeightsError> {
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
        Some((tensor, stored)) => {
            Err(WeightsError::Unknown { tensor, found: stored.shape.to_vec(), path: path() })
        }
    }
}
