//! Where networks compute. The backends are those that were built in by cargo's features, and chosen among at run time; nothing else names
//! one: whatever holds a network asks it where it is.
//!
//! burn's flex on the processor is always there, and is the only one that promises the same bits on every machine. Opening a device can end
//! the process where a driver or a library is missing, so a device is tried in a process of its own before it is trusted: see
//! [`ComputeBackend::try_out`].

use burn::prelude::*;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::tensor::DeviceType;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};
use std::str::FromStr;

/// The device that every machine has.
#[must_use]
pub fn flex() -> Device {
    Device::flex()
}

/// What can compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ComputeBackend {
    /// burn's own on the processor: the same bits everywhere.
    #[default]
    Flex,
    /// NVIDIA's graphics cards.
    Cuda,
    /// Graphics cards through Vulkan, Metal or DirectX; processors through software Vulkan.
    Wgpu,
    /// libtorch, on the processor.
    Tch,
}

/// A backend that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// It was not built in.
    #[error("{backend} is not part of this program: build it with cargo build --release --features {backend}")]
    NotBuilt {
        /// The backend.
        backend: ComputeBackend,
    },
    /// The machine has no such device.
    #[error("there is no device for {backend} here: {missing}")]
    NotThere {
        /// The backend.
        backend: ComputeBackend,
        /// What was looked for.
        missing: &'static str,
    },
}

impl ComputeBackend {
    /// All there are, the fastest for large batches first but for flex, which is the usual one.
    pub const ALL: [Self; 4] = [Self::Flex, Self::Cuda, Self::Wgpu, Self::Tch];

    /// Its name, which is that of the feature that builds it in.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::Tch => "tch",
        }
    }

    /// What it computes on, in words.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Flex => "the processor, the same bits on every machine",
            Self::Cuda => "NVIDIA graphics cards",
            Self::Wgpu => "graphics cards through Vulkan, Metal or DirectX",
            Self::Tch => "the processor, by libtorch 2.9",
        }
    }

    /// Whether it is part of this program.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Flex => true,
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Tch => cfg!(feature = "tch"),
        }
    }

    /// Its first device, which is looked for but not opened.
    ///
    /// # Errors
    /// [`DeviceError`] if it is not built in, or the machine has none.
    pub fn device(self) -> Result<Device, DeviceError> {
        let backend = self;
        match self {
            Self::Flex => Ok(flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda if Device::enumerate(DeviceType::Cuda).is_empty() => {
                Err(DeviceError::NotThere { backend, missing: "no NVIDIA driver, or no card" })
            }
            #[cfg(feature = "cuda")]
            Self::Cuda => Ok(Device::cuda(0)),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => {
                let mut all: Vec<Device> = Device::enumerate(DeviceType::Wgpu).into_iter().collect();
                // A card before software.
                all.sort_by_key(|device| !is_gpu(device));
                let missing = "no graphics driver, such as one for Vulkan";
                all.into_iter().next().ok_or(DeviceError::NotThere { backend, missing })
            }
            #[cfg(feature = "tch")]
            #[expect(deprecated, reason = "burn gives it up with its next version; it is here for who has libtorch")]
            Self::Tch => Ok(Device::libtorch()),
            #[cfg_attr(all(feature = "cuda", feature = "wgpu", feature = "tch"), expect(unreachable_patterns))]
            _ => Err(DeviceError::NotBuilt { backend }),
        }
    }

    /// Opens its device and computes something, forward and backward; ends the process where a library is missing.
    ///
    /// # Errors
    /// [`DeviceError`], or what came out instead of what it should.
    pub fn try_out(self) -> Result<(), String> {
        let device = self.device().map_err(|error| error.to_string())?.autodiff();
        let numbers =
            |values: [f32; 6], shape| Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), &device);
        let left = numbers([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).require_grad();
        let product = left.clone().matmul(numbers([1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2]));
        let slopes = product.clone().sum().backward();
        let slope = left.grad(&slopes).ok_or("there is no gradient")?;
        let computed = [product.inner(), slope].map(|tensor| tensor.into_data().try_into_vec::<f32>());
        let expected = [vec![4.0, 5.0, 10.0, 11.0], vec![1.0, 1.0, 2.0, 1.0, 1.0, 2.0]];
        for (computed, expected) in computed.into_iter().zip(expected) {
            let computed = computed.map_err(|error| format!("numbers cannot be read back: {error:?}"))?;
            if computed != expected {
                return Err(format!("it computes {computed:?} in place of {expected:?}"));
            }
        }
        Ok(())
    }
}

impl Display for ComputeBackend {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str(self.name())
    }
}

impl FromStr for ComputeBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|backend| backend.name() == text);
        found.ok_or_else(|| format!("there is no backend {text:?}, allowed are {}", names()))
    }
}

/// Frames that go through a network together: as many as fit a core's cache, and as many as there are elsewhere, in few sizes, because a
/// device has to get ready for each.
pub(crate) fn block(device: &Device, on_flex: usize, frames: usize) -> usize {
    const LEAST: usize = 64;
    const MOST: usize = 1024;
    if is_flex(device) { on_flex } else { frames.next_power_of_two().clamp(LEAST, MOST) }
}

/// Whether it is a graphics card, as far as that can be known without opening it: software that draws on the processor is none.
#[must_use]
pub fn is_gpu(device: &Device) -> bool {
    names_card(&format!("{device:?}"))
}

/// Whether burn's name of a device is that of a card: kinds of adapters of wgpu, and CUDA's.
fn names_card(name: &str) -> bool {
    ["CudaDevice", "DiscreteGpu", "IntegratedGpu", "VirtualGpu"].iter().any(|card| name.contains(card))
}

/// Whether it is burn's own on the processor, with gradients or without.
#[must_use]
pub fn is_flex(device: &Device) -> bool {
    device.clone().inner() == flex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flex_is_there_and_computes_and_what_was_not_built_in_is_refused_with_the_way_to_get_it() {
        assert_eq!(ComputeBackend::Flex.try_out(), Ok(()));
        for backend in ComputeBackend::ALL {
            assert_eq!(backend.name().parse(), Ok(backend));
            if !backend.is_built_in() {
                let told = backend.device().err().map(|error| error.to_string()).unwrap_or_default();
                assert!(told.ends_with(&format!("--features {backend}")), "{told}");
            }
        }
        let told = "gpu".parse::<ComputeBackend>().expect_err("there is none");
        assert!(told.contains("allowed are flex, cuda, wgpu, tch"), "{told}");
        assert!(is_flex(&flex()) && is_flex(&flex().autodiff()));
        assert_eq!(block(&flex().autodiff(), 8, 300), 8);
        assert!(!is_gpu(&flex()) && !names_card("Device<Cube(Wgpu(WgpuDevice { kind: Cpu, backend: Auto }))>"));
        assert!(names_card("Device<Cube(Wgpu(WgpuDevice { kind: DiscreteGpu(0), backend: Auto }))>"));
    }
}
