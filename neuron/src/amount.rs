//! Amounts of CTM, which people write with a point and the chain counts in whole units.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// Digits after the point.
const DECIMALS: usize = 9;

/// Units of one CTM.
const CTM: u64 = 1_000_000_000;

/// An amount, in units of 10⁻⁹ CTM. In JSON as the number of units, since that is exact.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub u64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an amount of CTM such as 1.5, with at most 9 digits after the point and below 18.4 billion"
)]
pub struct AmountError;

impl FromStr for Amount {
    type Err = AmountError;

    /// Exact: nothing goes through a float.
    fn from_str(text: &str) -> Result<Amount, AmountError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > DECIMALS {
            return Err(AmountError);
        }
        let whole: u64 = whole.parse().map_err(|_| AmountError)?;
        let part: u64 = format!("{part:0<DECIMALS$}")
            .parse()
            .map_err(|_| AmountError)?;
        let units = whole
            .checked_mul(CTM)
            .and_then(|units| units.checked_add(part));
        units.map(Amount).ok_or(AmountError)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format!("{}.{:0DECIMALS$}", self.0 / CTM, self.0 % CTM);
        f.pad(number.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, units) in [
            ("0", 0),
            ("1", CTM),
            ("1.5", 1_500_000_000),
            ("0.000000001", 1),
            ("18446744073.709551615", u64::MAX),
            // No float has these two.
            ("9007199.254740993", 9_007_199_254_740_993),
            ("0.3", 300_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Amount(units)));
            assert_eq!(Amount(units).to_string(), text);
        }
        assert_eq!("007.10".parse(), Ok(Amount(7_100_000_000)));
        assert_eq!(format!("{:>5}", Amount(CTM)), "    1");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "0.0000000001",
            "18446744073.709551616",
            "1 ",
        ] {
            assert_eq!(bad.parse::<Amount>(), Err(AmountError), "{bad}");
        }
    }
}
