//! How long a caller waits, from the header `grpc-timeout`.

use std::time::Duration;

use http::HeaderMap;
use neuron_proto::Code;

use crate::nucleus::Refusal;

/// Of the header and `cap`, the shorter; `cap` without the header.
pub(super) fn wait(headers: &HeaderMap, cap: Duration) -> Result<Duration, Refusal> {
    let Some(header) = headers.get("grpc-timeout") else {
        return Ok(cap);
    };
    match header.to_str().ok().and_then(parse) {
        Some(Duration::ZERO) => Err(Refusal::new(Code::Timeout, "the deadline has passed")),
        Some(wait) => Ok(wait.min(cap)),
        None => Err(Refusal::new(
            Code::InvalidRequest,
            "expected grpc-timeout to be at most eight digits and one of H M S m u n",
        )),
    }
}

/// As the protocol of gRPC has it: `100m` is a hundred milliseconds.
fn parse(timeout: &str) -> Option<Duration> {
    let unit = timeout.chars().last()?;
    let digits = timeout.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count * 3600)),
        'M' => Some(Duration::from_secs(count * 60)),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(30);

    fn wait_for(timeout: &str) -> Result<Duration, Code> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", timeout.parse().unwrap());
        wait(&headers, CAP).map_err(|refusal| refusal.code)
    }

    #[test]
    fn the_callers_deadline_is_honoured_up_to_the_cap() {
        assert_eq!(wait(&HeaderMap::new(), CAP), Ok(CAP));
        assert_eq!(wait_for("100m"), Ok(Duration::from_millis(100)));
        assert_eq!(wait_for("5S"), Ok(Duration::from_secs(5)));
        assert_eq!(wait_for("7u"), Ok(Duration::from_micros(7)));
        assert_eq!(wait_for("7n"), Ok(Duration::from_nanos(7)));
        for long in ["31S", "1M", "99999999H"] {
            assert_eq!(wait_for(long), Ok(CAP));
        }
    }

    #[test]
    fn a_deadline_that_has_passed_is_a_timeout() {
        assert_eq!(wait_for("0n"), Err(Code::Timeout));
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in [
            "",
            "S",
            "5",
            "123456789n",
            "-1S",
            "1.5S",
            "5s",
            "5 S",
            "+5S",
        ] {
            assert_eq!(wait_for(nonsense), Err(Code::InvalidRequest), "{nonsense}");
        }
    }
}
