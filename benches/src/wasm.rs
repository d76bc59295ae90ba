//! The measured code as a runtime has it: called by name, with the node's allocator.

#![expect(
    unsafe_code,
    reason = "the interface to a WebAssembly host is made of addresses"
)]

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};

use crate::{Network, checksum, params};

/// The allocator of the node, which every runtime uses.
struct HostAllocator;

unsafe extern "C" {
    fn ext_allocator_malloc_version_1(size: usize) -> *mut u8;
    fn ext_allocator_free_version_1(address: *mut u8);
}

// SAFETY: the host hands out addresses in this module's memory, aligned to 8 bytes, and takes them back. Nothing here
// needs a greater alignment.
unsafe impl GlobalAlloc for HostAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a function of the node for every runtime.
        unsafe { ext_allocator_malloc_version_1(layout.size()) }
    }

    unsafe fn dealloc(&self, address: *mut u8, _: Layout) {
        // SAFETY: the address is one that `alloc` returned.
        unsafe { ext_allocator_free_version_1(address) }
    }
}

#[global_allocator]
static ALLOCATOR: HostAllocator = HostAllocator;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Makes a network and computes `repetitions` epochs of it. Arguments are five `u16` in little endian: neurons,
/// validators, bonds mode, and the low and the high half of the repetitions. Returns the checksum of the last outcome,
/// in eight bytes.
#[unsafe(no_mangle)]
extern "C" fn measure(arguments: *const [u8; 10], length: usize) -> u64 {
    if length != 10 {
        core::arch::wasm32::unreachable()
    }
    // SAFETY: the host wrote that many bytes there.
    let bytes = unsafe { arguments.read() };
    let argument = |at: usize| u16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]);
    let repetitions = u32::from(argument(3)) | u32::from(argument(4)) << 16;
    let network = Network::dense(argument(0), argument(1), 1);
    let params = params(argument(2).into());
    let mut sum = 0;
    for _ in 0..repetitions {
        sum = network
            .epoch(&params)
            .map_or(0, |outcome| checksum(&outcome));
    }
    let result: &[u8; 8] = Box::leak(Box::new(sum.to_le_bytes()));
    // Where the host finds the result: its length above its address.
    (8 << 32) | (result.as_ptr() as usize as u64)
}
