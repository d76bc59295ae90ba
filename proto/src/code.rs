//! How a call ended, and how a gRPC status says it.
//!
//! [`Code`] is the protocol's own enum, so its numbers and its documentation have one source. A refusal travels as the
//! gRPC status nearest to it, which standard tools understand, with the exact code in the metadata [`NEURON_CODE`].

use std::{fmt, time::Duration};

use tonic::{Status, metadata::MetadataValue};

use crate::v1::Code;

/// Metadata key of the exact [`Code`] of a refusal: its number in decimal.
pub const NEURON_CODE: &str = "neuron-code";

/// Metadata key of refusals for overload and rate: after how many milliseconds asking again may succeed, in decimal.
pub const RETRY_AFTER_MS: &str = "retry-after-ms";

impl Code {
    /// Every code, in the order of its number.
    pub const ALL: [Code; 26] = [
        Code::NoReturn,
        Code::Success,
        Code::Timeout,
        Code::Backoff,
        Code::Unavailable,
        Code::NotImplemented,
        Code::EmptyRequest,
        Code::EmptyResponse,
        Code::InvalidResponse,
        Code::InvalidRequest,
        Code::RequestShapeException,
        Code::ResponseShapeException,
        Code::RequestSerializationException,
        Code::ResponseSerializationException,
        Code::RequestDeserializationException,
        Code::ResponseDeserializationException,
        Code::NotServingNucleus,
        Code::NucleusTimeout,
        Code::NucleusFull,
        Code::RequestIncompatibleVersion,
        Code::ResponseIncompatibleVersion,
        Code::SenderUnknown,
        Code::UnknownException,
        Code::Unauthenticated,
        Code::BadEndpoint,
        Code::TokenizerMismatch,
    ];

    /// Whether the call gave a valid answer.
    pub const fn is_success(self) -> bool {
        matches!(self, Code::Success)
    }

    /// The gRPC status code nearest to this code.
    pub const fn grpc(self) -> tonic::Code {
        match self {
            Code::Success => tonic::Code::Ok,
            Code::NoReturn | Code::UnknownException => tonic::Code::Unknown,
            Code::Timeout | Code::NucleusTimeout => tonic::Code::DeadlineExceeded,
            Code::Backoff | Code::Unavailable | Code::NotServingNucleus => tonic::Code::Unavailable,
            Code::NotImplemented => tonic::Code::Unimplemented,
            Code::NucleusFull => tonic::Code::ResourceExhausted,
            Code::EmptyRequest
            | Code::InvalidRequest
            | Code::RequestShapeException
            | Code::RequestDeserializationException => tonic::Code::InvalidArgument,
            Code::EmptyResponse
            | Code::InvalidResponse
            | Code::ResponseShapeException
            | Code::RequestSerializationException
            | Code::ResponseSerializationException
            | Code::ResponseDeserializationException => tonic::Code::Internal,
            Code::RequestIncompatibleVersion
            | Code::ResponseIncompatibleVersion
            | Code::BadEndpoint
            | Code::TokenizerMismatch => tonic::Code::FailedPrecondition,
            Code::SenderUnknown => tonic::Code::PermissionDenied,
            Code::Unauthenticated => tonic::Code::Unauthenticated,
        }
    }

    /// The status that refuses with this code, which [`Code::of_status`] reads back.
    pub fn status(self, message: impl Into<String>) -> Status {
        let mut status = Status::new(self.grpc(), message);
        status
            .metadata_mut()
            .insert(NEURON_CODE, MetadataValue::from(i32::from(self)));
        status
    }

    /// How a call ended that a status ended: the code in its metadata, or else the one nearest to the status.
    ///
    /// A status never means success: one that claims so, or that names a code which does not exist, is read by its gRPC
    /// code.
    ///
    /// Who reads a cancelled status has not cancelled the call, so it was cancelled for the deadline that the caller set:
    /// servers on tonic end a call so when `grpc-timeout` has passed.
    pub fn of_status(status: &Status) -> Code {
        Code::in_metadata(status).unwrap_or(match status.code() {
            tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Code::Timeout,
            tonic::Code::Unavailable => Code::Unavailable,
            tonic::Code::Unauthenticated => Code::Unauthenticated,
            tonic::Code::ResourceExhausted => Code::NucleusFull,
            tonic::Code::Unimplemented => Code::NotImplemented,
            _ => Code::UnknownException,
        })
    }

    fn in_metadata(status: &Status) -> Option<Code> {
        let number = status
            .metadata()
            .get(NEURON_CODE)?
            .to_str()
            .ok()?
            .parse::<i32>()
            .ok()?;
        Code::try_from(number)
            .ok()
            .filter(|code| !matches!(code, Code::Success | Code::NoReturn))
    }
}

impl fmt::Display for Code {
    /// The code's name: `NucleusFull`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// Writes into a refusal after how long asking again may succeed, rounded up to a millisecond.
pub fn set_retry_after(status: &mut Status, wait: Duration) {
    let ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    status
        .metadata_mut()
        .insert(RETRY_AFTER_MS, MetadataValue::from(ms));
}

/// After how long a refusal says that asking again may succeed, if it says so.
pub fn retry_after(status: &Status) -> Option<Duration> {
    let ms = status
        .metadata()
        .get(RETRY_AFTER_MS)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the origin's table, in its words and numbers, and what came after it.
    const TABLE: &str = "0 NoReturn, 1 Success, 2 Timeout, 3 Backoff, 4 Unavailable, 5 NotImplemented, 6 EmptyRequest, \
        7 EmptyResponse, 8 InvalidResponse, 9 InvalidRequest, 10 RequestShapeException, 11 ResponseShapeException, \
        12 RequestSerializationException, 13 ResponseSerializationException, 14 RequestDeserializationException, \
        15 ResponseDeserializationException, 16 NotServingNucleus, 17 NucleusTimeout, 18 NucleusFull, \
        19 RequestIncompatibleVersion, 20 ResponseIncompatibleVersion, 21 SenderUnknown, 22 UnknownException, \
        23 Unauthenticated, 24 BadEndpoint, 25 TokenizerMismatch";

    #[test]
    fn codes_are_the_rows_of_the_table() {
        let rows: Vec<String> = Code::ALL
            .iter()
            .map(|&code| format!("{} {code}", i32::from(code)))
            .collect();
        assert_eq!(rows.join(", "), TABLE);
    }

    #[test]
    fn zero_is_not_success() {
        assert_eq!(Code::default(), Code::NoReturn);
        assert!(!Code::default().is_success());
    }

    #[test]
    fn only_success_is_an_ok_status() {
        for code in Code::ALL {
            assert_eq!(code.grpc() == tonic::Code::Ok, code.is_success(), "{code}");
        }
    }

    #[test]
    fn a_refusal_is_read_back_exactly() {
        for code in Code::ALL {
            if !matches!(code, Code::NoReturn | Code::Success) {
                assert_eq!(Code::of_status(&code.status("no")), code);
            }
        }
    }

    #[test]
    fn a_status_without_our_metadata_is_read_by_its_grpc_code() {
        let read = |grpc| Code::of_status(&Status::new(grpc, ""));
        assert_eq!(read(tonic::Code::DeadlineExceeded), Code::Timeout);
        assert_eq!(read(tonic::Code::Cancelled), Code::Timeout);
        assert_eq!(read(tonic::Code::Unavailable), Code::Unavailable);
        assert_eq!(read(tonic::Code::Unauthenticated), Code::Unauthenticated);
        assert_eq!(read(tonic::Code::ResourceExhausted), Code::NucleusFull);
        assert_eq!(read(tonic::Code::Unimplemented), Code::NotImplemented);
        assert_eq!(read(tonic::Code::Aborted), Code::UnknownException);
    }

    #[test]
    fn a_status_that_claims_success_or_nonsense_is_read_by_its_grpc_code() {
        for claim in ["0", "1", "26", "-1", "x", ""] {
            let mut status = Status::unavailable("gone");
            status
                .metadata_mut()
                .insert(NEURON_CODE, claim.parse().unwrap());
            assert_eq!(Code::of_status(&status), Code::Unavailable, "{claim}");
        }
    }

    #[test]
    fn the_wait_is_rounded_up_and_read_back() {
        let mut status = Code::NucleusFull.status("full");
        assert_eq!(retry_after(&status), None);
        set_retry_after(&mut status, Duration::from_micros(1_500));
        assert_eq!(retry_after(&status), Some(Duration::from_millis(2)));
    }
}
