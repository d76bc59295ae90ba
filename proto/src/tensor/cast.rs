//! Conversions among the floating-point types.

use std::borrow::Cow;

use bytemuck::Pod;
use half::{bf16, f16, slice::HalfFloatSliceExt as _};

use super::{
    Tensor, TensorError,
    elements::{bytes_of, elements},
};
use crate::DType;

/// The largest magnitude of an element [in range](Tensor::is_in_range): the largest finite f16, so that what is in range is
/// finite in every precision of the wire, and so are the squares of a row of any width.
pub const MAX_MAGNITUDE: f32 = 65_504.0;

/// The bit of the sign.
const SIGN: u32 = 1 << 31;
const HALF_SIGN: u16 = 1 << 15;

/// Bytes between two looks at the result of a check of all elements: short enough to stop early, long enough for the inner
/// loop to be one of vector instructions.
const BLOCK: usize = 4096;

impl Tensor {
    /// This tensor in another floating-point type. To its own type it is a cheap clone, for any type.
    ///
    /// # Rounding
    ///
    /// To the nearest representable number, ties to even. With x the value before and y the value after:
    ///
    /// | to | within | error there | error below | above |
    /// | --- | --- | --- | --- | --- |
    /// | F16 | 2^-14 ≤ abs(x) < 65,520 | abs(y − x) ≤ 2^-11 · abs(x) | abs(y − x) ≤ 2^-25 | infinity |
    /// | BF16 | 2^-126 ≤ abs(x) < (2 − 2^-8) · 2^127 | abs(y − x) ≤ 2^-8 · abs(x) | abs(y − x) ≤ 2^-134 | infinity |
    /// | F32 | all of F16 and BF16 | none | none | |
    ///
    /// Infinities stay infinite, NaN stays NaN, signs stay. Between F16 and BF16 it goes through F32, which is exact,
    /// so one rounding happens.
    ///
    /// # Errors
    ///
    /// One of both types is no float.
    pub fn cast(&self, dtype: DType) -> Result<Tensor, TensorError> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        let data = match dtype {
            DType::F32 => bytes_of(self.to_f32()?),
            DType::F16 => {
                let mut halves = vec![f16::ZERO; self.n_elements()];
                halves.convert_from_f32_slice(&self.f32_elements()?);
                bytes_of(halves)
            }
            DType::BF16 => {
                let mut halves = vec![bf16::ZERO; self.n_elements()];
                halves.convert_from_f32_slice(&self.f32_elements()?);
                bytes_of(halves)
            }
            DType::I64 | DType::U8 => return Err(not_a_float(dtype)),
        };
        Tensor::new(dtype, self.shape(), data)
    }

    /// The elements of a tensor of any floating-point type. Exact: F32 holds every F16 and BF16.
    ///
    /// # Errors
    ///
    /// The type is no float.
    pub fn to_f32(&self) -> Result<Vec<f32>, TensorError> {
        Ok(self.f32_elements()?.into_owned())
    }

    /// The elements of a tensor of type I64.
    ///
    /// # Errors
    ///
    /// The type is another.
    pub fn to_i64(&self) -> Result<Vec<i64>, TensorError> {
        match self.dtype {
            DType::I64 => Ok(elements(&self.data).into_owned()),
            actual => Err(TensorError::WrongType {
                expected: "i64",
                actual,
            }),
        }
    }

    /// Whether no element is infinite or NaN; true for integers.
    pub fn is_finite(&self) -> bool {
        // Without its sign, a float that is not finite is the larger number as an integer too.
        match self.dtype {
            DType::F32 => all_at_most(&self.data, u32::from_le_bytes, SIGN, 0x7f7f_ffff),
            DType::F16 => all_at_most(&self.data, u16::from_le_bytes, HALF_SIGN, 0x7bff),
            DType::BF16 => all_at_most(&self.data, u16::from_le_bytes, HALF_SIGN, 0x7f7f),
            DType::I64 | DType::U8 => true,
        }
    }

    /// Whether no element is beyond ±[`MAX_MAGNITUDE`], infinite or NaN; true for integers.
    pub fn is_in_range(&self) -> bool {
        // bf16 is the upper half of f32, so what is cut off the limit does not change what is below it.
        let limit = MAX_MAGNITUDE.to_bits();
        match self.dtype {
            DType::F32 => all_at_most(&self.data, u32::from_le_bytes, SIGN, limit),
            DType::BF16 => {
                let limit = u16::try_from(limit >> 16).expect("half of the bits");
                all_at_most(&self.data, u16::from_le_bytes, HALF_SIGN, limit)
            }
            DType::F16 | DType::I64 | DType::U8 => self.is_finite(),
        }
    }

    fn f32_elements(&self) -> Result<Cow<'_, [f32]>, TensorError> {
        match self.dtype {
            DType::F32 => Ok(elements(&self.data)),
            DType::F16 => Ok(elements::<f16>(&self.data).to_f32_vec().into()),
            DType::BF16 => Ok(elements::<bf16>(&self.data).to_f32_vec().into()),
            actual @ (DType::I64 | DType::U8) => Err(not_a_float(actual)),
        }
    }
}

fn not_a_float(actual: DType) -> TensorError {
    TensorError::WrongType {
        expected: "f32, f16 or bf16",
        actual,
    }
}

/// Whether every element, as an integer without its `sign`, is at most `limit`.
fn all_at_most<const SIZE: usize, T>(
    data: &[u8],
    bits: impl Fn([u8; SIZE]) -> T + Copy,
    sign: T,
    limit: T,
) -> bool
where
    T: Pod + PartialOrd + std::ops::BitAnd<Output = T> + std::ops::Not<Output = T>,
{
    let magnitude = !sign;
    data.chunks(BLOCK).all(|block| {
        // No early exit within a block: the loop has to be free of branches to be vectorised.
        !block.as_chunks().0.iter().fold(false, |found, &element| {
            found | (bits(element) & magnitude > limit)
        })
    })
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, BytesMut};
    use proptest::prelude::*;

    use super::*;

    fn through(dtype: DType, x: f32) -> f32 {
        Tensor::from_f32(&[1], &[x])
            .unwrap()
            .cast(dtype)
            .unwrap()
            .to_f32()
            .unwrap()[0]
    }

    fn any_f32() -> impl Strategy<Value = f32> {
        any::<u32>().prop_map(f32::from_bits)
    }

    proptest! {
        #[test]
        fn f16_keeps_its_bound(x in any_f32()) {
            let y = through(DType::F16, x);
            let (magnitude, error) = (f64::from(x).abs(), (f64::from(y) - f64::from(x)).abs());
            if x.is_nan() {
                prop_assert!(y.is_nan());
            } else if magnitude >= 65_520.0 {
                prop_assert_eq!(y, f32::INFINITY.copysign(x));
            } else if magnitude >= 2f64.powi(-14) {
                prop_assert!(error <= 2f64.powi(-11) * magnitude, "{x} became {y}");
            } else {
                prop_assert!(error <= 2f64.powi(-25), "{x} became {y}");
            }
        }

        #[test]
        fn bf16_keeps_its_bound(x in any_f32()) {
            let y = through(DType::BF16, x);
            let (magnitude, error) = (f64::from(x).abs(), (f64::from(y) - f64::from(x)).abs());
            if x.is_nan() {
                prop_assert!(y.is_nan());
            } else if magnitude >= (2.0 - 2f64.powi(-8)) * 2f64.powi(127) {
                prop_assert_eq!(y, f32::INFINITY.copysign(x));
            } else if magnitude >= 2f64.powi(-126) {
                prop_assert!(error <= 2f64.powi(-8) * magnitude, "{x} became {y}");
            } else {
                prop_assert!(error <= 2f64.powi(-134), "{x} became {y}");
            }
        }

        #[test]
        fn a_half_survives_f32_exactly(bits in any::<u16>(), is_f16 in any::<bool>()) {
            let dtype = if is_f16 { DType::F16 } else { DType::BF16 };
            let half = Tensor::new(dtype, &[1], bytes_of(vec![bits])).unwrap();
            let back = half.cast(DType::F32).unwrap().cast(dtype).unwrap();
            let is_nan = half.to_f32().unwrap()[0].is_nan();
            prop_assert!(back == half || is_nan);
        }

        #[test]
        fn checks_of_all_elements_agree_with_each(
            mut values in prop::collection::vec(-1e3f32..1e3, 1..3000),
            place in any::<prop::sample::Index>(),
            odd in prop::sample::select(vec![
                0.0, MAX_MAGNITUDE, -65_505.0, 66_000.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN,
            ]),
            dtype in prop::sample::select(vec![DType::F32, DType::F16, DType::BF16]),
        ) {
            let place = place.index(values.len());
            values[place] = odd;
            let n = u32::try_from(values.len()).unwrap();
            let tensor = Tensor::from_f32_vec(&[n], values).unwrap().cast(dtype).unwrap();
            let values = tensor.to_f32().unwrap();
            prop_assert_eq!(tensor.is_finite(), values.iter().all(|value| value.is_finite()));
            let is_in_range = values.iter().all(|value| value.abs() <= MAX_MAGNITUDE);
            prop_assert_eq!(tensor.is_in_range(), is_in_range);
        }
    }

    #[test]
    fn halves_hold_what_the_standard_says() {
        assert_eq!(through(DType::F16, 65_504.0), 65_504.0);
        assert_eq!(through(DType::F16, 65_519.0), 65_504.0);
        assert_eq!(through(DType::F16, 65_520.0), f32::INFINITY);
        assert_eq!(
            through(DType::F16, 1.0 + 2f32.powi(-11)),
            1.0,
            "a tie goes to the even one"
        );
        assert_eq!(
            through(DType::BF16, 1.0 + 2f32.powi(-8)),
            1.0,
            "a tie goes to the even one"
        );
        // 1e38 = 150.46 · 2^119, and 8 significant bits hold 150.
        assert_eq!(through(DType::BF16, 1e38), 150.0 * 2f32.powi(119));
        assert_eq!(through(DType::F16, -0.0).to_bits(), (-0.0f32).to_bits());
    }

    #[test]
    fn unaligned_bytes_are_read_all_the_same() {
        for offset in 0..4usize {
            let mut bytes = BytesMut::new();
            bytes.put_bytes(0xff, offset);
            bytes.put_f32_le(1.5);
            bytes.put_f32_le(-2.5);
            let data = bytes.freeze().slice(offset..);
            let tensor = Tensor::new(DType::F32, &[2], data).unwrap();
            assert_eq!(tensor.to_f32().unwrap(), [1.5, -2.5]);
            assert_eq!(
                tensor.cast(DType::F16).unwrap().to_f32().unwrap(),
                [1.5, -2.5]
            );
        }
    }

    #[test]
    fn integers_are_not_cast() {
        let ids = Tensor::from_i64(&[2], &[3, -4]).unwrap();
        assert_eq!(ids.to_i64().unwrap(), [3, -4]);
        assert_eq!(ids.cast(DType::I64).unwrap(), ids);
        assert!(ids.cast(DType::F32).is_err());
        assert!(ids.to_f32().is_err());
        assert!(ids.is_finite() && ids.is_in_range());
        let floats = Tensor::from_f32(&[1], &[1.0]).unwrap();
        assert!(floats.cast(DType::U8).is_err());
        assert!(floats.to_i64().is_err());
    }

    #[test]
    fn to_its_own_type_a_tensor_is_shared() {
        let tensor = Tensor::from_f32(&[2], &[1.0, 2.0]).unwrap();
        let same = tensor.cast(DType::F32).unwrap();
        assert_eq!(same.data().as_ptr(), tensor.data().as_ptr());
    }
}
