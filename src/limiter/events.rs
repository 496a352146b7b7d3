use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::event::Event;

/// What happens in a limiter from the moment of [`Limiter::events`](crate::Limiter::events) on.
///
/// What two threads bring about at one instant may be told in either order. The last 256 events are kept for a listener that does not keep up; it misses the older ones.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    pub(super) fn new(receiver: Receiver<Event>) -> Self {
        Events { receiver }
    }

    /// Waits for the next event. `None` when the limiter is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Event> {
        use tokio::sync::broadcast::error::TryRecvError;
        loop {
            match self.receiver.try_recv() {
                Ok(event) => return Some(event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}
