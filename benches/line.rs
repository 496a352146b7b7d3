use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::{Contender, now};

/// Calls in line behind one that holds the only slot.
pub struct Line<C: Contender> {
    contender: &'static C,
    /// By place; the one that was granted is gone until its place is taken anew.
    waiting: Vec<Option<Waits<C>>>,
    wakers: Vec<Waker>,
    woken: Arc<Mutex<Vec<usize>>>,
    holder: Option<C::Pass>,
}

type Waits<C> = Pin<Box<dyn Future<Output = <C as Contender>::Pass>>>;

/// Says which place was woken.
struct Bell {
    place: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.lock().expect("nobody panics with it").push(self.place);
    }
}

impl<C: Contender> Line<C> {
    /// So many calls in line for one slot.
    pub fn new(waiting: usize) -> Self {
        Line::of(C::with_slots(1), waiting)
    }

    /// The same of a contender with one slot. It is never freed: a program has few.
    pub fn of(contender: C, waiting: usize) -> Self {
        let contender = Box::leak(Box::new(contender));
        let woken: Arc<Mutex<Vec<usize>>> = Arc::default();
        let bell = |place| Waker::from(Arc::new(Bell { place, woken: woken.clone() }));
        let mut line = Line {
            contender,
            waiting: (0..=waiting).map(|_| None).collect(),
            wakers: (0..=waiting).map(bell).collect(),
            holder: Some(now(contender.enter())),
            woken,
        };
        (0..waiting).for_each(|place| line.join(place));
        line
    }

    fn join(&mut self, place: usize) {
        let mut waits: Waits<C> = Box::pin(self.contender.enter());
        assert!(waits.as_mut().poll(&mut Context::from_waker(&self.wakers[place])).is_pending());
        self.waiting[place] = Some(waits);
    }

    /// The holder ends, whoever is next is woken and takes the slot, and a new call joins.
    pub fn turn(&mut self) {
        self.contender.end(self.holder.take().expect("somebody holds the slot"));
        let place = self.woken.lock().expect("nobody panics with it").pop().expect("one was woken");
        let mut granted = self.waiting[place].take().expect("it waits");
        let Poll::Ready(pass) = granted.as_mut().poll(&mut Context::from_waker(&self.wakers[place])) else {
            panic!("woken for nothing");
        };
        drop(granted);
        self.holder = Some(pass);
        self.join(place);
    }

    /// One more call joins the line and gives up.
    pub fn join_and_leave(&mut self) {
        let last = self.waiting.len() - 1;
        self.join(last);
        self.waiting[last] = None;
    }
}

impl<C: Contender> fmt::Debug for Line<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}
