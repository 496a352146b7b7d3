use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Contender;

/// A tokio semaphore and nothing else: the floor, since RPM, TPM and TPD are not kept. The assemblies take
/// their slots from it.
#[derive(Debug)]
pub struct Slots(Arc<Semaphore>);

impl Contender for Slots {
    const NAME: &str = "semaphore alone, no budgets";
    type Pass = OwnedSemaphorePermit;

    fn with_slots(slots: u32) -> Self {
        Slots(Arc::new(Semaphore::new(slots as usize)))
    }

    #[inline]
    async fn enter(&self) -> OwnedSemaphorePermit {
        self.0.clone().acquire_owned().await.expect("never closed")
    }

    #[inline]
    fn end(&self, slot: OwnedSemaphorePermit) {
        drop(slot);
    }
}
