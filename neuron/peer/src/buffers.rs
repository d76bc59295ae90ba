//! Between HTTP/2 and TCP: fewer and larger reads and writes.
//!
//! ```text
//! HTTP/2 ─► Gather ─► TLS ─► TCP     what one turn of the connection's task wrote goes out in its next
//! HTTP/2 ◄─────────── TLS ◄─ ReadAhead ◄─ TCP     as much at once as is there
//! ```
//!
//! HTTP/2 writes out each frame of data as soon as it is encoded, rustls reads four kilobytes at a time. Each of these writes would
//! be a record of TLS and a system call, and each of the reads one: for tensors of 4 KiB that is a quarter of all work
//! (`make bench BENCH=wire`).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};

/// Bytes that are kept for writing, and bytes that are read ahead, at most: two records of TLS.
const CAPACITY: usize = 32 << 10;
/// Pieces that are written at once, beside what is kept. HTTP/2 writes the head of a frame and its data.
const SLICES: usize = 7;

/// TCP from which as much is read at once as is there.
pub(crate) type ReadAhead = BufReader<TcpStream>;

pub(crate) fn read_ahead(stream: TcpStream) -> ReadAhead {
    BufReader::with_capacity(CAPACITY, stream)
}

/// Keeps what is written, at most 32 KiB, until its task comes round again. More than that goes out at once, uncopied,
/// with what was kept before it.
///
/// To flush it is to ask its task to come round: the other tasks that are ready run first, and may have more to write. What
/// was kept is written out when the task reads next. So this is for who reads in every turn, as HTTP/2 does. A failure
/// to write is reported by that read.
#[derive(Debug)]
pub(crate) struct Gather<S> {
    stream: S,
    /// Of which the first `n_written` bytes are written. Nothing is held while nothing is kept.
    kept: Vec<u8>,
    n_written: usize,
    /// Whether the task was asked to come round.
    is_due: bool,
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    pub(crate) fn new(stream: S) -> Gather<S> {
        Gather {
            stream,
            kept: Vec::new(),
            n_written: 0,
            is_due: false,
        }
    }

    fn keep(&mut self, slices: &[IoSlice<'_>]) {
        if self.kept.capacity() == 0 {
            self.kept.reserve_exact(CAPACITY);
        }
        for slice in slices {
            self.kept.extend_from_slice(slice);
        }
    }

    /// Writes as much of what is kept, and of the slices after it, as the stream takes at once. How much of the slices.
    fn poll_write_on(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let kept = self.kept.get(self.n_written..).unwrap_or_default();
        let n_kept = kept.len();
        let mut all = [IoSlice::new(&[]); SLICES + 1];
        let mut n_slices = 0;
        let given = slices.iter().map(|slice| &**slice);
        let pieces = std::iter::once(kept).chain(given);
        for (to, from) in all.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            *to = IoSlice::new(from);
            n_slices += 1;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, &all[..n_slices]);
        match ready!(written)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => {
                self.n_written += n.min(n_kept);
                if n >= n_kept {
                    self.kept = Vec::new();
                    self.n_written = 0;
                    self.is_due = false;
                }
                Poll::Ready(Ok(n.saturating_sub(n_kept)))
            }
        }
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            ready!(self.poll_write_on(cx, &[]))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // What cannot be written yet stays due: the stream wakes the task when it can.
        if self.is_due
            && let Poll::Ready(Err(error)) = self.poll_write_out(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let n_bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        while self.kept.len().saturating_add(n_bytes) > CAPACITY {
            match ready!(self.poll_write_on(cx, slices))? {
                // Only of what was kept.
                0 => {}
                n => return Poll::Ready(Ok(n)),
            }
        }
        self.keep(slices);
        Poll::Ready(Ok(n_bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            return Pin::new(&mut self.stream).poll_flush(cx);
        }
        if !self.is_due {
            self.is_due = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };

    use proptest::prelude::*;

    use super::*;

    /// What a stream does when it is written to next.
    #[derive(Clone, Copy, Debug)]
    enum Taking {
        AtMost(usize),
        Later,
        Broken,
    }

    /// Takes what it is given as its script says, and everything after its end. There is never anything to read.
    #[derive(Default)]
    struct Script {
        takings: VecDeque<Taking>,
        /// What came in one call.
        writes: Vec<Vec<u8>>,
        is_shut_down: bool,
    }

    impl Script {
        fn gather(takings: impl IntoIterator<Item = Taking>) -> Gather<Script> {
            let takings = takings.into_iter().collect();
            Gather::new(Script {
                takings,
                ..Script::default()
            })
        }
    }

    impl AsyncRead for Script {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Script {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let mut bytes: Vec<u8> = slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect();
            assert!(!bytes.is_empty(), "nothing is written in vain");
            match self.takings.pop_front() {
                None => {}
                Some(Taking::AtMost(n)) => bytes.truncate(n),
                Some(Taking::Later) => return Poll::Pending,
                Some(Taking::Broken) => {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
            }
            let n = bytes.len();
            self.writes.push(bytes);
            Poll::Ready(Ok(n))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut_down = true;
            Poll::Ready(Ok(()))
        }
    }

    /// Counts how often its task is asked to come round.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a turn of the task begins with.
    fn turn(gather: &mut Gather<Script>) -> io::Result<()> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut space = [0; 8];
        match Pin::new(gather).poll_read(&mut cx, &mut ReadBuf::new(&mut space)) {
            Poll::Pending => Ok(()),
            Poll::Ready(read) => read,
        }
    }

    fn flush(gather: &mut Gather<Script>, waker: &Waker) {
        let flushed = Pin::new(gather).poll_flush(&mut Context::from_waker(waker));
        assert!(matches!(flushed, Poll::Ready(Ok(()))));
    }

    fn write(gather: &mut Gather<Script>, bytes: &[u8]) -> Poll<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        let written = Pin::new(gather).poll_write(&mut cx, bytes);
        written.map(Result::unwrap)
    }

    #[test]
    fn what_one_turn_writes_goes_out_at_once_in_the_next() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut gather = Script::gather([]);
        for frame in [b"head", b"data", b"tail"] {
            assert_eq!(write(&mut gather, frame), Poll::Ready(4));
            flush(&mut gather, &waker);
        }
        assert_eq!(gather.stream.writes.len(), 0, "the turn is not over");
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "asked for one more");
        turn(&mut gather).unwrap();
        assert_eq!(gather.stream.writes, [b"headdatatail"]);
        assert_eq!(gather.kept.capacity(), 0, "who is silent holds nothing");
        turn(&mut gather).unwrap();
        assert_eq!(gather.stream.writes.len(), 1);
    }

    #[test]
    fn what_is_not_to_be_flushed_is_kept() {
        let mut gather = Script::gather([]);
        assert_eq!(write(&mut gather, b"head"), Poll::Ready(4));
        turn(&mut gather).unwrap();
        assert_eq!(gather.stream.writes.len(), 0);
        assert_eq!(gather.kept, b"head");
    }

    #[test]
    fn what_is_long_goes_out_with_what_was_kept_before_it() {
        let mut gather = Script::gather([]);
        let long = vec![7; CAPACITY - 3];
        assert_eq!(write(&mut gather, b"head"), Poll::Ready(4));
        assert_eq!(write(&mut gather, &long), Poll::Ready(long.len()));
        assert_eq!(gather.stream.writes, [[&b"head"[..], &long].concat()]);
    }

    #[test]
    fn what_cannot_be_written_yet_stays_due() {
        let mut gather = Script::gather([Taking::AtMost(1), Taking::Later]);
        assert_eq!(write(&mut gather, b"head"), Poll::Ready(4));
        flush(&mut gather, Waker::noop());
        turn(&mut gather).unwrap();
        assert_eq!(gather.stream.writes, [b"h"]);
        turn(&mut gather).unwrap();
        assert_eq!(gather.stream.writes, [&b"h"[..], b"ead"]);
    }

    #[test]
    fn who_reads_learns_that_nothing_can_be_written() {
        let mut gather = Script::gather([Taking::Broken]);
        assert_eq!(write(&mut gather, b"head"), Poll::Ready(4));
        flush(&mut gather, Waker::noop());
        let error = turn(&mut gather).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[derive(Clone, Debug)]
    enum Action {
        Write(Vec<usize>),
        Flush,
        Turn,
    }

    fn action() -> impl Strategy<Value = Action> {
        let n_bytes = prop_oneof![0..64_usize, 0..2 * CAPACITY];
        prop_oneof![
            3 => prop::collection::vec(n_bytes, 0..SLICES + 3).prop_map(Action::Write),
            1 => Just(Action::Flush),
            2 => Just(Action::Turn),
        ]
    }

    fn taking() -> impl Strategy<Value = Taking> {
        prop_oneof![
            (1..2 * CAPACITY).prop_map(Taking::AtMost),
            Just(Taking::Later)
        ]
    }

    proptest! {
        /// However it is written, and however the stream takes it: the same bytes in the same order, and no more than
        /// its capacity kept.
        #[test]
        fn nothing_is_lost_or_changes_places(
            actions in prop::collection::vec(action(), 0..40),
            takings in prop::collection::vec(taking(), 0..40),
        ) {
            let mut gather = Script::gather(takings);
            let mut cx = Context::from_waker(Waker::noop());
            let mut given = Vec::new();
            let mut next = (0..=250_u8).cycle();
            for action in actions {
                match action {
                    Action::Write(lengths) => {
                        let mark = next.next().unwrap();
                        let pieces: Vec<Vec<u8>> = lengths.iter().map(|&n| vec![mark; n]).collect();
                        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                        let written = Pin::new(&mut gather).poll_write_vectored(&mut cx, &slices);
                        if let Poll::Ready(n) = written.map(Result::unwrap) {
                            given.extend(pieces.concat().into_iter().take(n));
                        }
                    }
                    Action::Flush => flush(&mut gather, Waker::noop()),
                    Action::Turn => {
                        let is_due = gather.is_due;
                        let takes_all = gather.stream.takings.is_empty();
                        turn(&mut gather).unwrap();
                        prop_assert!(gather.kept.is_empty() || !(is_due && takes_all));
                    }
                }
                prop_assert!(gather.kept.capacity() <= CAPACITY);
            }
            while Pin::new(&mut gather).poll_shutdown(&mut cx).is_pending() {}
            prop_assert!(gather.stream.is_shut_down);
            prop_assert!(gather.stream.writes.concat() == given);
        }
    }
}
