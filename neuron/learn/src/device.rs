//! Where a model computes: `--device auto|cpu|cuda[:n]`.
//!
//! The program is linked with the part of libtorch that computes on processors. The part for CUDA, a gigabyte, is opened
//! only when it is asked for or there is a driver: so one binary serves machines with and without a GPU, and starts fast
//! on those without.

use std::{fmt, str::FromStr};

use libloading::Library;
use tch::{Cuda, Device};

/// The part of libtorch for CUDA. It is found in the folder of the rest, which the program has in its run path.
const LIBTORCH_CUDA: &str = "libtorch_cuda.so";

/// The library of NVIDIA's driver: there is a driver where it can be opened.
const DRIVER: &str = "libcuda.so.1";

/// What the operator asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// CUDA if it works, otherwise the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// This GPU, or an error.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || DeviceError::Syntax(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(syntax)?;
                Ok(Self::Cuda(number.parse().map_err(|_| syntax())?))
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Opens the device that was asked for.
///
/// Call it before anything else of libtorch, which looks for CUDA once and remembers.
///
/// # Errors
///
/// What is missing for the GPU that was asked for. `auto` and `cpu` never fail: where CUDA is there and does not work,
/// `auto` says so in the log and takes the processor.
pub fn open(choice: DeviceChoice) -> Result<Device, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(number) => cuda(number),
        DeviceChoice::Auto if !is_there(DRIVER) => Ok(Device::Cpu),
        DeviceChoice::Auto => Ok(cuda(0).unwrap_or_else(|error| {
            tracing::warn!(%error, "there is a driver for CUDA, but it cannot be used: computing on the processor");
            Device::Cpu
        })),
    }
}

/// What a device is called on the command line.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        Device::Cpu => "cpu".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn cuda(number: usize) -> Result<Device, DeviceError> {
    if !is_there(DRIVER) {
        return Err(DeviceError::NoDriver);
    }
    let library = load(LIBTORCH_CUDA).map_err(DeviceError::NoLibrary)?;
    // Never closed: libtorch holds pointers into it from now on.
    std::mem::forget(library);
    let found = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if !Cuda::is_available() || number >= found {
        return Err(DeviceError::NoSuchGpu { number, found });
    }
    Ok(Device::Cuda(number))
}

fn is_there(library: &str) -> bool {
    load(library).is_ok()
}

#[expect(
    unsafe_code,
    reason = "opening a library runs its initialisers: these two are libraries of the vendor, made to be opened so"
)]
fn load(library: &str) -> Result<Library, libloading::Error> {
    // SAFETY: the initialisers of libcuda and libtorch_cuda may run at any time and on any thread.
    unsafe { Library::new(library) }
}

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It is none.
    #[error("expected auto, cpu, cuda or cuda:N as a device, got {0:?}")]
    Syntax(String),
    /// There is no driver.
    #[error(
        "there is no driver for CUDA ({DRIVER} cannot be opened): install NVIDIA's driver, or use --device cpu"
    )]
    NoDriver,
    /// libtorch is the one without CUDA.
    #[error(
        "this libtorch computes on processors only ({LIBTORCH_CUDA} cannot be opened: {0}): install PyTorch with CUDA, or \
         use --device cpu"
    )]
    NoLibrary(libloading::Error),
    /// There are fewer.
    #[error("there is no GPU number {number}: CUDA sees {found}, numbered from 0")]
    NoSuchGpu {
        /// Which was asked for.
        number: usize,
        /// How many there are.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(3)] {
            assert_eq!(choice.to_string().parse::<DeviceChoice>().unwrap(), choice);
        }
        assert_eq!(
            "cuda".parse::<DeviceChoice>().unwrap(),
            DeviceChoice::Cuda(0)
        );
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            let error = wrong.parse::<DeviceChoice>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("expected auto, cpu, cuda or cuda:N as a device, got {wrong:?}")
            );
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_says_what_is_missing() {
        // No machine has ten thousand of them; which error it is depends on the machine.
        let error = open(DeviceChoice::Cuda(10_000)).unwrap_err();
        let expected = match &error {
            DeviceError::NoDriver => "--device cpu",
            DeviceError::NoLibrary(_) => "install PyTorch with CUDA",
            DeviceError::NoSuchGpu { .. } => "there is no GPU number 10000",
            DeviceError::Syntax(_) => panic!("{error}"),
        };
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn the_processor_is_always_there() {
        assert_eq!(open(DeviceChoice::Cpu).unwrap(), Device::Cpu);
        let device = open(DeviceChoice::Auto).unwrap();
        assert!(matches!(name(device).as_str(), "cpu" | "cuda:0"));
    }
}
