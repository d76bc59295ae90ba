//! Durations such as `500ms`, `1.5s` and `2m`.

use std::time::Duration;

/// Units, and how many seconds each has. Of endings that fit, the first counts.
const UNITS: [(&str, f64); 5] = [
    ("ms", 1e-3),
    ("us", 1e-6),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// The longest that is sensible here. Far from what clocks can hold.
const LONGEST: f64 = 365.0 * 86_400.0;

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || "expected a number and a unit, such as 500ms, 1.5s, 2m or 1h".to_owned();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, seconds)| Some((text.strip_suffix(name)?, seconds)))
        .ok_or_else(refuse)?;
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(refuse());
    }
    let seconds: f64 = number.parse::<f64>().map_err(|_| refuse())? * unit;
    match seconds <= LONGEST {
        true => Duration::try_from_secs_f64(seconds).map_err(|_| refuse()),
        false => Err("expected at most a year".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("1.5s", 1500),
            ("0s", 0),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(milliseconds));
        }
        assert_eq!(duration("7us").unwrap(), Duration::from_micros(7));
        for bad in ["", "s", "5", "5 s", "-1s", "infs", "nans", "1e9h", "5d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
