//! The wish to stop: from a signal, or from the run itself.

use std::io;

use tokio::sync::watch;

/// The exit code of a run that a signal ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a run ends before its file does.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// Ctrl-C, or SIGTERM.
    Signal,
    /// No further request can succeed; says why.
    Hopeless(String),
}

/// Set once; the first reason counts. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Sender<Option<Reason>>);

impl Stop {
    pub(crate) fn new() -> Self {
        Stop(watch::Sender::new(None))
    }

    /// Says why, unless that has been said already.
    pub(crate) fn because(&self, reason: Reason) {
        self.0.send_if_modified(|held| {
            let first = held.is_none();
            held.get_or_insert(reason);
            first
        });
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.0.borrow().clone()
    }

    /// Returns once there is a reason.
    pub(crate) async fn wanted(&self) {
        // The sender is alive: it is self.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// Lets Ctrl-C and SIGTERM stop the run, and a second one end the program at once. `notice` is said at
    /// the first.
    pub(crate) fn on_signals(&self, notice: impl Fn() + Send + 'static) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let stop = self.clone();
        tokio::spawn(async move {
            signals.next().await;
            stop.because(Reason::Signal);
            notice();
            signals.next().await;
            std::process::exit(i32::from(INTERRUPTED));
        });
        Ok(())
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
