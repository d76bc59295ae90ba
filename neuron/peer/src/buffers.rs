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
/// was kept is written out when the task reads next. So this is for who reads in every turn, as HTTP/2 does.
///
/// That nothing can be written any more is told by a read, once there is nothing more to read: what the peer said before it hung
/// up still arrives. Until then, what is written is dropped.
#[derive(Debug)]
pub(crate) struct Gather<S> {
    stream: S,
    /// Of which the first `n_written` bytes are written. Nothing is held while nothing is kept.
    kept: Vec<u8>,
    n_written: usize,
    /// Whether the task was asked to come round to write, or the stream has to be flushed.
    is_due: bool,
    /// Why nothing can be written any more. Who reads meets the end of a stream that is broken.
    broken: Option<io::Error>,
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    pub(crate) fn new(stream: S) -> Gather<S> {
        Gather {
            stream,
            kept: Vec::new(),
            n_written: 0,
            is_due: false,
            broken: None,
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

    fn forget(&mut self) {
        self.kept = Vec::new();
        self.n_written = 0;
        self.is_due = false;
    }

    fn breaks(&mut self, error: io::Error) {
        self.forget();
        self.broken = Some(error);
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
                    self.forget();
                }
                Poll::Ready(Ok(n.saturating_sub(n_kept)))
            }
        }
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            ready!(self.poll_write_on(cx, &[]))?;
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.is_due = flushed.is_pending();
        flushed
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
            self.breaks(error);
        }
        let n_filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let is_at_end = buffer.filled().len() == n_filled;
        match self.broken.take_if(|_| is_at_end) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
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
        while self.kept.len().saturating_add(n_bytes) > CAPACITY && self.broken.is_none() {
            match ready!(self.poll_write_on(cx, slices)) {
                // Only of what was kept.
                Ok(0) => {}
                Ok(n) => return Poll::Ready(Ok(n)),
                Err(error) => {
                    self.breaks(error);
                    cx.waker().wake_by_ref();
                }
            }
        }
        if n_bytes > 0 && self.broken.is_none() {
            self.keep(slices);
        }
        Poll::Ready(Ok(n_bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        if self.kept.is_empty() {
            if let Err(error) = ready!(self.poll_write_out(cx)) {
                self.breaks(error);
                cx.waker().wake_by_ref();
            }
        } else if !self.is_due {
            self.is_due = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Err(error));
        }
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

    use neuron_wallet::Keypair;
    use proptest::prelude::*;
    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, split};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::Identity;

    /// What a stream does when it is written to, flushed or read next.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Next {
        /// As many bytes, or as are there.
        AtMost(usize),
        Later,
        Broken,
    }

    /// Takes what it is given as its script says, and everything after its end. There is nothing to read but what its script
    /// says.
    #[derive(Default)]
    struct Script {
        takes: VecDeque<Next>,
        flushes: VecDeque<Next>,
        gives: VecDeque<Next>,
        /// What came in one call.
        writes: Vec<Vec<u8>>,
        n_flushes: usize,
        is_shut_down: bool,
        /// Of who has to wait until it can write.
        waiting: Option<Waker>,
    }

    impl Script {
        fn taking(takes: impl IntoIterator<Item = Next>) -> Gather<Script> {
            Gather::new(Script {
                takes: takes.into_iter().collect(),
                ..Script::default()
            })
        }

        fn waits(&mut self, cx: &Context<'_>) {
            self.waiting = Some(cx.waker().clone());
        }
    }

    fn broken<T>() -> Poll<io::Result<T>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    impl AsyncRead for Script {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.gives.pop_front() {
                Some(Next::AtMost(n)) => buffer.put_slice(&vec![7; n]),
                Some(Next::Broken) => return broken(),
                Some(Next::Later) | None => return Poll::Pending,
            }
            Poll::Ready(Ok(()))
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
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            assert!(!bytes.is_empty(), "nothing is written in vain");
            match self.takes.pop_front() {
                None => {}
                Some(Next::AtMost(n)) => bytes.truncate(n),
                Some(Next::Broken) => return broken(),
                Some(Next::Later) => {
                    self.waits(cx);
                    return Poll::Pending;
                }
            }
            let n = bytes.len();
            self.writes.push(bytes);
            Poll::Ready(Ok(n))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.n_flushes += 1;
            match self.flushes.pop_front() {
                Some(Next::Broken) => broken(),
                Some(Next::Later) => {
                    self.waits(cx);
                    Poll::Pending
                }
                Some(Next::AtMost(_)) | None => Poll::Ready(Ok(())),
            }
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_shut_down = true;
            Poll::Ready(Ok(()))
        }
    }

    /// Counts how often its task is asked to come round.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The task whose stream it is.
    struct Task {
        gather: Gather<Script>,
        woken: Arc<Count>,
    }

    impl Task {
        fn of(gather: Gather<Script>) -> Task {
            let woken = Arc::default();
            Task { gather, woken }
        }

        fn poll<T>(
            &mut self,
            poll: impl FnOnce(Pin<&mut Gather<Script>>, &mut Context<'_>) -> Poll<T>,
        ) -> Poll<T> {
            let waker = Waker::from(self.woken.clone());
            poll(Pin::new(&mut self.gather), &mut Context::from_waker(&waker))
        }

        fn write(&mut self, bytes: &[u8]) -> Poll<usize> {
            let written = self.poll(|gather, cx| gather.poll_write(cx, bytes));
            written.map(Result::unwrap)
        }

        fn flush(&mut self) -> Poll<()> {
            let flushed = self.poll(|gather, cx| gather.poll_flush(cx));
            flushed.map(Result::unwrap)
        }

        /// What a turn begins with: how many bytes there were to read.
        fn read(&mut self) -> Poll<io::Result<usize>> {
            let mut space = [0; 64];
            let mut buffer = ReadBuf::new(&mut space);
            let read = self.poll(|gather, cx| gather.poll_read(cx, &mut buffer));
            read.map_ok(|()| buffer.filled().len())
        }

        fn turn(&mut self) {
            assert!(self.read().is_pending(), "there is nothing to read");
        }

        fn n_woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }

        fn written(&self) -> Vec<u8> {
            self.gather.stream.writes.concat()
        }
    }

    #[test]
    fn what_one_turn_writes_goes_out_at_once_in_the_next() {
        let mut task = Task::of(Script::taking([]));
        for round in 1..=2 {
            for frame in [b"head", b"data", b"tail"] {
                assert_eq!(task.write(frame), Poll::Ready(4));
                assert_eq!(task.flush(), Poll::Ready(()));
            }
            let n_writes = task.gather.stream.writes.len();
            assert_eq!(n_writes, round - 1, "the turn is not over");
            assert_eq!(task.n_woken(), round, "asked for one more");
            task.turn();
            assert_eq!(task.gather.stream.writes.len(), round);
            assert_eq!(task.gather.stream.writes[round - 1], b"headdatatail");
            assert_eq!(task.gather.stream.n_flushes, round);
            assert_eq!(task.gather.kept.capacity(), 0, "who is silent has nothing");
            task.turn();
            assert_eq!(task.gather.stream.writes.len(), round);
        }
    }

    #[test]
    fn what_is_not_to_be_flushed_is_kept() {
        let mut task = Task::of(Script::taking([]));
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        task.turn();
        assert_eq!(task.gather.kept, b"head");
        assert_eq!(task.n_woken(), 0);
    }

    #[test]
    fn what_is_long_goes_out_with_what_was_kept_before_it() {
        let mut task = Task::of(Script::taking([]));
        let long = vec![7; CAPACITY - 3];
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.write(&long), Poll::Ready(long.len()));
        let whole = [&b"head"[..], &long].concat();
        assert_eq!(task.gather.stream.writes, [whole]);
        // HTTP/2 copies the data of a frame otherwise.
        assert!(task.gather.is_write_vectored());
    }

    #[test]
    fn what_cannot_be_written_yet_stays_due_and_keeps_nobody_from_reading() {
        let mut task = Task::of(Script::taking([Next::AtMost(1), Next::Later]));
        task.gather.stream.gives = [Next::AtMost(3)].into();
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.flush(), Poll::Ready(()));
        assert_eq!(task.read().map(Result::unwrap), Poll::Ready(3));
        assert_eq!(task.written(), b"h");
        // The stream has something to wake the task with.
        let before = task.n_woken();
        task.gather.stream.waiting.take().unwrap().wake();
        assert_eq!(task.n_woken(), before + 1);
        task.turn();
        assert_eq!(task.written(), b"head");
    }

    #[test]
    fn what_the_stream_holds_back_is_flushed_in_later_turns() {
        let mut task = Task::of(Script::taking([]));
        task.gather.stream.flushes = [Next::Later, Next::Later].into();
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.flush(), Poll::Ready(()));
        for n_flushes in 1..=3 {
            task.turn();
            assert_eq!(task.gather.stream.n_flushes, n_flushes);
        }
        task.turn();
        assert_eq!(task.gather.stream.n_flushes, 3, "it is flushed");
    }

    #[test]
    fn who_has_kept_nothing_flushes_the_stream() {
        let mut task = Task::of(Script::taking([]));
        task.gather.stream.flushes = [Next::Later].into();
        assert_eq!(task.flush(), Poll::Pending);
        assert_eq!(task.flush(), Poll::Ready(()));
        assert_eq!(task.gather.stream.n_flushes, 2);
    }

    /// Reads what there is, and then why nothing can be written.
    fn reads_to_the_end(task: &mut Task, kind: io::ErrorKind) {
        task.gather.stream.gives = [Next::AtMost(5), Next::AtMost(3), Next::AtMost(0)].into();
        assert_eq!(task.read().map(Result::unwrap), Poll::Ready(5));
        assert_eq!(task.write(b"tail"), Poll::Ready(4), "it is dropped");
        assert_eq!(task.flush(), Poll::Ready(()));
        assert_eq!(task.read().map(Result::unwrap), Poll::Ready(3));
        let told = task.read().map(|read| read.unwrap_err().kind());
        assert_eq!(told, Poll::Ready(kind));
        assert!(task.gather.kept.is_empty());
    }

    #[test]
    fn what_arrived_before_the_stream_broke_is_read_first() {
        let mut task = Task::of(Script::taking([Next::Broken]));
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.flush(), Poll::Ready(()));
        reads_to_the_end(&mut task, io::ErrorKind::BrokenPipe);

        // Also if a long write finds out, or a flush, which come after the turn's read.
        let long = vec![7; CAPACITY + 1];
        let mut task = Task::of(Script::taking([Next::Broken]));
        assert_eq!(task.write(&long), Poll::Ready(long.len()));
        assert_eq!(task.n_woken(), 1);
        reads_to_the_end(&mut task, io::ErrorKind::BrokenPipe);

        let mut task = Task::of(Script::taking([]));
        task.gather.stream.flushes = [Next::Broken].into();
        assert_eq!(task.flush(), Poll::Ready(()));
        assert_eq!(task.n_woken(), 1);
        reads_to_the_end(&mut task, io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_broken_stream_is_not_shut_down_as_if_all_had_arrived() {
        let mut task = Task::of(Script::taking([Next::Broken]));
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.flush(), Poll::Ready(()));
        task.turn();
        let ended = task.poll(|gather, cx| gather.poll_shutdown(cx));
        let told = ended.map(|ended| ended.unwrap_err().kind());
        assert_eq!(told, Poll::Ready(io::ErrorKind::BrokenPipe));
        assert!(!task.gather.stream.is_shut_down);
    }

    #[test]
    fn a_stream_that_takes_nothing_is_broken() {
        let mut task = Task::of(Script::taking([Next::AtMost(0)]));
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.flush(), Poll::Ready(()));
        reads_to_the_end(&mut task, io::ErrorKind::WriteZero);
    }

    #[test]
    fn what_reading_says_comes_before_what_writing_said() {
        let mut task = Task::of(Script::taking([Next::AtMost(0)]));
        task.gather.stream.gives = [Next::Broken].into();
        assert_eq!(task.write(b"head"), Poll::Ready(4));
        assert_eq!(task.flush(), Poll::Ready(()));
        let told = task.read().map(|read| read.unwrap_err().kind());
        assert_eq!(told, Poll::Ready(io::ErrorKind::BrokenPipe));
    }

    /// More at once in both directions than anything on the way holds.
    #[tokio::test]
    async fn both_ends_may_write_at_once_over_tls() {
        const N_BYTES: usize = 1 << 20;
        let [client, server] = ["//Alice", "//Bob"].map(|uri| Keypair::from_uri(uri).unwrap());
        let expected = server.public();
        let [client, server] = [client, server].map(|key| Identity::new(key).unwrap());
        let (near, far) = duplex(1 << 10);
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(client.client_config(expected).unwrap());
        let acceptor = TlsAcceptor::from(server.server_config().unwrap());
        let (near, far) = tokio::join!(connector.connect(name, near), acceptor.accept(far));

        async fn exchange(
            stream: impl AsyncRead + AsyncWrite + Unpin,
            marks: [u8; 2],
        ) -> io::Result<()> {
            let (mut reader, mut writer) = split(Gather::new(stream));
            let writing = async {
                // As frames come.
                for piece in vec![marks[0]; N_BYTES].chunks(4103) {
                    writer.write_all(piece).await?;
                    writer.flush().await?;
                }
                writer.shutdown().await
            };
            let mut arrived = Vec::new();
            let (written, read) = tokio::join!(writing, reader.read_to_end(&mut arrived));
            written.and(read)?;
            assert!(arrived == [marks[1]; N_BYTES]);
            Ok(())
        }
        let near = exchange(near.unwrap(), [1, 2]);
        let far = exchange(far.unwrap(), [2, 1]);
        let (near, far) = tokio::join!(near, far);
        near.and(far).unwrap();
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

    fn next() -> impl Strategy<Value = Next> {
        let at_most = (1..2 * CAPACITY).prop_map(Next::AtMost);
        prop_oneof![at_most, Just(Next::Later)]
    }

    proptest! {
        /// However it is written, and however the stream takes it: the same bytes in the same order, no more than its capacity
        /// kept, and somebody who wakes the task while something is due.
        #[test]
        fn nothing_is_lost_or_changes_places(
            actions in prop::collection::vec(action(), 0..40),
            takes in prop::collection::vec(next(), 0..40),
        ) {
            let mut task = Task::of(Script::taking(takes));
            let mut given = Vec::new();
            let mut is_flushed = true;
            for (action, mark) in actions.into_iter().zip((0..=250_u8).cycle()) {
                match action {
                    Action::Write(lengths) => {
                        let pieces: Vec<Vec<u8>> = lengths.iter().map(|&n| vec![mark; n]).collect();
                        let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                        let written = task.poll(|gather, cx| gather.poll_write_vectored(cx, &slices));
                        if let Poll::Ready(n) = written.map(Result::unwrap) {
                            given.extend(pieces.concat().into_iter().take(n));
                            is_flushed &= n == 0;
                        }
                    }
                    Action::Flush => is_flushed = task.flush().is_ready(),
                    Action::Turn => {
                        task.gather.stream.waiting = None;
                        task.turn();
                        if is_flushed && task.written() != given {
                            prop_assert!(task.gather.stream.waiting.is_some());
                        }
                    }
                }
                prop_assert!(task.gather.kept.capacity() <= CAPACITY);
            }
            while task.poll(|gather, cx| gather.poll_shutdown(cx)).is_pending() {}
            prop_assert!(task.gather.stream.is_shut_down);
            prop_assert!(task.written() == given);
        }
    }
}
