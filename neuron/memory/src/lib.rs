//! How a process that computes gets its memory.
//!
//! A crate of its own: whoever measures a part of a neuron needs it as well, also without libtorch.

/// Lets the C library keep what tensors and messages free for the next ones.
///
/// libtorch allocates the results of every operation anew, with `posix_memalign`. As it comes, glibc gives each thread an arena of
/// its own, which returns large blocks to the kernel as soon as they are free: their pages are then cleared and mapped again for
/// the next operation, in every thread but the first. For images that is a fifth of an inference (`make bench BENCH=models`). One
/// arena that keeps what it has costs hardly more memory than the largest step needs.
///
/// Call it once, before the first thread is started: threads keep the arena that they have. Elsewhere than with glibc it does
/// nothing, and `MALLOC_ARENA_MAX` and its like in the environment are overruled.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::keep_freed();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, c_int, mallopt};

    /// Bytes of a block from which on it is a mapping of its own: larger than any tensor of a usual step.
    const MAPPED_FROM: c_int = 1 << 30;

    pub(super) fn keep_freed() {
        let settings = [
            (M_ARENA_MAX, 1),
            (M_MMAP_THRESHOLD, MAPPED_FROM),
            // Bytes free at the end of the arena from which on they are given back: never.
            (M_TRIM_THRESHOLD, c_int::MAX),
        ];
        for (parameter, value) in settings {
            #[expect(
                unsafe_code,
                reason = "a function of the C library that takes two numbers"
            )]
            // SAFETY: mallopt takes any parameter and value, and refuses what it does not know by its result.
            let is_taken = unsafe { mallopt(parameter, value) };
            if is_taken == 0 {
                tracing::debug!(parameter, value, "the C library does not take this setting");
            }
        }
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::{fs, hint::black_box};

    /// Kilobytes of this process that are in memory.
    fn resident() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1);
        kilobytes.unwrap().parse().unwrap()
    }

    #[test]
    fn what_is_freed_stays_for_the_next() {
        const KILOBYTES: usize = 32 << 10;
        super::keep_freed();
        let before = resident();
        drop(black_box(vec![1_u8; KILOBYTES << 10]));
        let kept = resident().saturating_sub(before);
        assert!(kept > KILOBYTES as u64 * 9 / 10, "{kept} KB");
    }
}
