//! `--device`: where a model computes.

use std::{fmt, str::FromStr};

/// Where a model computes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// On the first GPU, if there is one, else on the CPU.
    Auto,
    /// On the CPU.
    Cpu,
    /// On the GPU of that number.
    Cuda(usize),
}

/// Why a text is not a device.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected auto, cpu, cuda, or cuda: and the number of a GPU")]
pub struct DeviceError;

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Device, DeviceError> {
        match (text, text.strip_prefix("cuda:")) {
            ("auto", _) => Ok(Device::Auto),
            ("cpu", _) => Ok(Device::Cpu),
            ("cuda", _) => Ok(Device::Cuda(0)),
            (_, Some(number)) => number.parse().map(Device::Cuda).map_err(|_| DeviceError),
            _ => Err(DeviceError),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_written_as_they_are_read() {
        for text in ["auto", "cpu", "cuda:0", "cuda:7"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for bad in ["", "gpu", "cuda:", "cuda:-1", "CPU"] {
            assert_eq!(bad.parse::<Device>(), Err(DeviceError));
        }
    }
}
