//! Connections that can be reset: by a handler in place of an answer, or all of them at once.
//!
//! A reset sends a real RST (zero linger), not an orderly end, so that the client sees what it
//! would see of a crashed gateway or a cut line.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The handle by which one connection is reset.
#[derive(Debug, Clone, Default)]
pub(super) struct Link(Arc<Broken>);

#[derive(Debug, Default)]
struct Broken {
    flag: AtomicBool,
    waker: AtomicWaker,
}

impl Link {
    /// Resets the connection; whatever is written from now on never leaves.
    pub(super) fn reset(&self) {
        self.0.reset();
    }

    /// An error once the connection is reset.
    fn check(&self) -> io::Result<()> {
        if self.0.flag.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Broken {
    fn reset(&self) {
        self.flag.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

/// The open connections of one listener.
#[derive(Debug, Clone, Default)]
pub(super) struct Links(Arc<Mutex<Vec<Weak<Broken>>>>);

impl Links {
    fn add(&self, link: &Link) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|link| link.strong_count() > 0);
        open.push(Arc::downgrade(&link.0));
    }

    /// Resets all of them.
    pub(super) fn reset_all(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(Weak::upgrade).for_each(|link| link.reset());
    }
}

/// Accepts connections that can be reset.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    links: Links,
}

impl Door {
    pub(super) const fn new(listener: TcpListener, links: Links) -> Self {
        Self { listener, links }
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        // Long enough not to spin while the process is out of file descriptors.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            match self.listener.accept().await {
                Ok((stream, addr)) => {
                    // Without it the kernel may hold a small answer back for tens of
                    // milliseconds; an emulator that is only slow is still right.
                    let _ = stream.set_nodelay(true);
                    let link = Link::default();
                    self.links.add(&link);
                    return (Wire { stream, link }, addr);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    link: Link,
}

impl Wire {
    pub(super) fn link(&self) -> Link {
        self.link.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.link.check().is_err() {
            // If it fails the client sees an orderly end instead: still no answer.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.link.0.waker.register(cx.waker());
        self.link.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.link.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.link.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // No orderly end before a reset: it would reach the client first.
        self.link.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
