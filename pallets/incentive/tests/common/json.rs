//! The vectors file, as this crate's types.

use incentive::{BondsMode, Consensus, Entry, EpochParams, LiquidAlpha, Uid};
use serde_json::Value;

/// What the origin's arithmetic and the origin's tests say, see `meta` and `conventions` inside.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/yuma_vectors.json")).unwrap()
}

pub fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("a list, not {value}"))
}

pub fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("an unsigned number, not {value}"))
}

pub fn real(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("a number, not {value}"))
}

pub fn numbers(value: &Value) -> Vec<u64> {
    list(value).iter().map(number).collect()
}

pub fn u16s(value: &Value) -> Vec<u16> {
    list(value).iter().map(small).collect()
}

pub fn bools(value: &Value) -> Vec<bool> {
    list(value)
        .iter()
        .map(|value| value.as_bool().unwrap())
        .collect()
}

pub fn reals(value: &Value) -> Vec<f64> {
    list(value).iter().map(real).collect()
}

pub fn small(value: &Value) -> u16 {
    u16::try_from(number(value)).unwrap()
}

pub fn optional_uid(value: &Value) -> Option<Uid> {
    (!value.is_null()).then(|| Uid(small(value)))
}

/// A row of `[uid, value]`.
pub fn entries(value: &Value) -> Vec<Entry> {
    list(value)
        .iter()
        .map(|pair| (Uid(small(&pair[0])), small(&pair[1])))
        .collect()
}

pub fn rows(value: &Value) -> Vec<Vec<Entry>> {
    list(value).iter().map(entries).collect()
}

/// The first of `keys` that is there.
fn first<'a>(value: &'a Value, keys: &[&str]) -> &'a Value {
    keys.iter()
        .map(|key| &value[key])
        .find(|value| !value.is_null())
        .unwrap_or(&Value::Null)
}

/// Parameters, in the two spellings that the file has.
pub fn params(value: &Value) -> EpochParams {
    let liquid = &value["liquid_alpha"];
    let bonds = match (value["yuma3"].as_bool().unwrap(), liquid.is_null()) {
        (false, _) => BondsMode::Relative,
        (true, true) => BondsMode::Absolute,
        (true, false) => BondsMode::Liquid(LiquidAlpha {
            low: small(first(liquid, &["low", "alpha_low_u16"])),
            high: small(first(liquid, &["high", "alpha_high_u16"])),
            steepness: small(&liquid["steepness"]),
        }),
    };
    let kept = number(first(
        value,
        &["bonds_moving_average", "bonds_moving_average_ppm"],
    ));
    let cutoff = first(value, &["activity_cutoff_blocks", "activity_cutoff"]);
    EpochParams {
        consensus: Consensus::Median {
            kappa: small(first(value, &["kappa", "kappa_u16"])),
        },
        bonds,
        bonds_moving_average: u32::try_from(kept).unwrap(),
        bonds_penalty: small(first(value, &["bonds_penalty", "bonds_penalty_u16"])),
        activity_cutoff: cutoff.as_u64().unwrap_or(5_000),
        max_validators: small(&value["max_allowed_validators"]),
        min_stake: value["min_stake"].as_u64().unwrap_or(0),
        ..EpochParams::default()
    }
}
