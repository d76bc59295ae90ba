//! The types of elements that a tensor may have.

use std::{fmt, str::FromStr};

use crate::v1;

/// Type of a tensor's elements: the validated form of [`v1::DataType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16: 11 significant bits, up to 65,504.
    F16,
    /// bfloat16: 8 significant bits, the range of f32.
    BF16,
    /// Signed 64-bit integer; token ids.
    I64,
    /// Unsigned 8-bit integer; pixels.
    U8,
}

impl DType {
    /// Every type, in the protocol's order.
    pub const ALL: [DType; 5] = [DType::F32, DType::F16, DType::BF16, DType::I64, DType::U8];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 => 1,
            DType::F16 | DType::BF16 => 2,
            DType::F32 => 4,
            DType::I64 => 8,
        }
    }

    /// Whether this is a floating-point type, among which [`Tensor::cast`](crate::Tensor::cast) converts.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F16 | DType::BF16)
    }

    /// The name that people and configuration use.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::I64 => "i64",
            DType::U8 => "u8",
        }
    }
}

/// A type of elements that this version does not know, or none at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an element type among f32, f16, bf16, i64 and u8, got {0}")]
pub struct UnknownDType(pub String);

impl From<DType> for v1::DataType {
    fn from(dtype: DType) -> v1::DataType {
        match dtype {
            DType::F32 => v1::DataType::F32,
            DType::F16 => v1::DataType::F16,
            DType::BF16 => v1::DataType::Bf16,
            DType::I64 => v1::DataType::I64,
            DType::U8 => v1::DataType::U8,
        }
    }
}

impl From<DType> for i32 {
    fn from(dtype: DType) -> i32 {
        v1::DataType::from(dtype).into()
    }
}

impl TryFrom<i32> for DType {
    type Error = UnknownDType;

    /// Reads the number of a [`v1::DataType`] as messages hold it.
    fn try_from(number: i32) -> Result<DType, UnknownDType> {
        match v1::DataType::try_from(number) {
            Ok(v1::DataType::F32) => Ok(DType::F32),
            Ok(v1::DataType::F16) => Ok(DType::F16),
            Ok(v1::DataType::Bf16) => Ok(DType::BF16),
            Ok(v1::DataType::I64) => Ok(DType::I64),
            Ok(v1::DataType::U8) => Ok(DType::U8),
            Ok(v1::DataType::Unspecified) => Err(UnknownDType("none".to_owned())),
            Err(_) => Err(UnknownDType(format!("number {number}"))),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DType {
    type Err = UnknownDType;

    fn from_str(name: &str) -> Result<DType, UnknownDType> {
        DType::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| UnknownDType(format!("\"{name}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_its_message_and_its_name() {
        for dtype in DType::ALL {
            assert_eq!(DType::try_from(i32::from(dtype)), Ok(dtype));
            assert_eq!(dtype.to_string().parse(), Ok(dtype));
        }
    }

    #[test]
    fn unspecified_and_unknown_numbers_are_refused() {
        for number in [0, 6, -1, i32::MAX] {
            assert!(DType::try_from(number).is_err());
        }
    }
}
