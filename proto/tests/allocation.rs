//! What a hostile message makes the receiver allocate, counted by an allocator.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use bytes::Bytes;
use neuron_proto::{DType, Limits, Tensor, v1};
use proptest::prelude::*;
use prost::Message as _;

/// The system's allocator, counting what this thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is ending has no counters any more; nothing is measured there.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe by its interface; this one hands on to the system's"
)]
// SAFETY: every call is handed on unchanged to `System`, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were held at once during this, beyond those held before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before).unsigned_abs())
}

/// A few axes' worth of shape, and what an error says.
const SMALL_CHANGE: usize = 512;

fn decode(wire: Bytes) -> Option<Tensor> {
    let request = v1::ForwardRequest::decode(wire).ok()?;
    Tensor::decode(request.inputs?, &Limits::default()).ok()
}

#[test]
fn a_tensor_is_taken_over_without_allocating() {
    let data = Bytes::from(vec![0; 1 << 20]);
    let message = v1::Tensor {
        dtype: DType::F32.into(),
        shape: vec![1 << 18],
        data,
    };
    let (tensor, peak) = peak_of(|| Tensor::decode(message, &Limits::default()));
    assert_eq!(tensor.unwrap().n_elements(), 1 << 18);
    assert_eq!(peak, 0);
}

#[test]
fn a_message_with_a_large_tensor_is_read_in_place() {
    let inputs = Tensor::from_f32(&[1 << 18], &vec![0.5; 1 << 18])
        .unwrap()
        .encode();
    let request = v1::ForwardRequest {
        inputs: Some(inputs),
        ..Default::default()
    };
    let wire = Bytes::from(request.encode_to_vec());
    let (tensor, peak) = peak_of(|| decode(wire));
    assert!(tensor.is_some());
    assert!(peak <= SMALL_CHANGE, "{peak} bytes for a message of a MiB");
}

#[test]
fn a_message_of_nothing_but_axes_takes_no_more_than_a_growing_list_of_them() {
    let shape = vec![u32::MAX; 1 << 18];
    let inputs = v1::Tensor {
        shape,
        ..Default::default()
    };
    let request = v1::ForwardRequest {
        inputs: Some(inputs),
        ..Default::default()
    };
    let wire = Bytes::from(request.encode_to_vec());
    let length = wire.len();
    let (tensor, peak) = peak_of(|| decode(wire));
    assert!(tensor.is_none());
    // While a list doubles, the old half and the new whole are held at once: 1.5 times what it grows to.
    assert!(
        peak <= 3 * length + SMALL_CHANGE,
        "{peak} bytes for a message of {length}"
    );
}

#[test]
fn a_shape_that_claims_the_world_allocates_nothing_for_it() {
    for shape in [
        vec![u32::MAX],
        vec![1 << 16; 2],
        vec![u32::MAX; 8],
        vec![0, u32::MAX],
    ] {
        let inputs = v1::Tensor {
            dtype: DType::I64.into(),
            shape,
            data: Bytes::new(),
        };
        let request = v1::ForwardRequest {
            inputs: Some(inputs),
            ..Default::default()
        };
        let wire = Bytes::from(request.encode_to_vec());
        let (tensor, peak) = peak_of(|| decode(wire));
        assert!(tensor.is_none());
        assert!(peak <= SMALL_CHANGE, "{peak} bytes");
    }
}

proptest! {
    #[test]
    fn no_message_takes_more_than_a_small_multiple_of_itself(wire in prop::collection::vec(any::<u8>(), 0..2048)) {
        let wire = Bytes::from(wire);
        let length = wire.len();
        let (_, peak) = peak_of(|| decode(wire));
        prop_assert!(peak <= 3 * length + SMALL_CHANGE, "{peak} bytes for a message of {length}");
    }
}
