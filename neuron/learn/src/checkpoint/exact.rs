//! Numbers in JSON that come back to the last bit.
//!
//! JSON's own numbers pass through a parser that may be a unit in the last place off. Here a number is a string: Rust
//! prints the shortest decimal that is read back as the same number, infinities and NaN included.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number that comes back as it was.
#[derive(Clone, Copy)]
struct Exact(f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Decimal;
        impl de::Visitor<'_> for Decimal {
            type Value = Exact;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Exact, E> {
                text.parse().map(Exact).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Decimal)
    }
}

/// For a number.
pub(crate) mod number {
    use super::{Deserialize, Deserializer, Exact, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Exact(*number).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Exact::deserialize(deserializer)?.0)
    }
}

/// For a number that may be absent.
pub(super) mod option {
    use super::{Deserialize, Deserializer, Exact, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(
        number: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        number.map(Exact).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Exact>::deserialize(deserializer)?.map(|Exact(number)| number))
    }
}

/// For numbers by key.
pub(super) mod map {
    use std::collections::BTreeMap;

    use super::{Deserialize, Deserializer, Exact, Serializer};
    use neuron_wallet::PublicKey;

    pub(crate) fn serialize<S: Serializer>(
        numbers: &BTreeMap<PublicKey, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(numbers.iter().map(|(key, number)| (key, Exact(*number))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<PublicKey, f64>, D::Error> {
        let numbers = BTreeMap::<PublicKey, Exact>::deserialize(deserializer)?;
        Ok(numbers
            .into_iter()
            .map(|(key, Exact(number))| (key, number))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_back_to_the_last_bit(bits: u64) {
            let number = f64::from_bits(bits);
            let json = serde_json::to_string(&Exact(number)).unwrap();
            let Exact(back) = serde_json::from_str(&json).unwrap();
            prop_assert!(back.to_bits() == bits || (number.is_nan() && back.is_nan()));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert!(serde_json::from_str::<Exact>("\"one\"").is_err());
        assert!(serde_json::from_str::<Exact>("1.0").is_err());
    }
}
