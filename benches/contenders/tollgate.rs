use tollgate::{Cost, Limiter, Limits, Model, Permit, Usage};

use super::Contender;
use crate::TOKENS;

const MODEL: &str = "gpt-4o-mini";

/// tollgate with RPM, TPM, TPD and concurrency, by the model's handle.
#[derive(Debug)]
pub struct ByHandle(pub Model);

/// The same by the model's name.
#[derive(Debug)]
pub struct ByName(pub Limiter);

impl Contender for ByHandle {
    const NAME: &str = "tollgate by handle";
    type Pass = Permit;

    fn with_slots(slots: u32) -> Self {
        ByHandle(ByName::with_slots(slots).0.model(MODEL).expect("it has limits"))
    }

    #[inline]
    async fn enter(&self) -> Permit {
        self.0.acquire(Cost::input(TOKENS.into())).await.expect("never over")
    }

    #[inline]
    fn end(&self, permit: Permit) {
        permit.release(Usage::new(TOKENS.into(), 0));
    }
}

impl Contender for ByName {
    const NAME: &str = "tollgate by name";
    type Pass = Permit;

    fn with_slots(slots: u32) -> Self {
        let limits = Limits::new()
            .rpm(60_000_000_000)
            .tpm(600_000_000_000)
            .tpd(1_000_000_000_000)
            .concurrency(slots.into());
        ByName(Limiter::builder().model(MODEL, limits).build().expect("the limits are valid"))
    }

    #[inline]
    async fn enter(&self) -> Permit {
        self.0.acquire(MODEL, Cost::input(TOKENS.into())).await.expect("never over")
    }

    #[inline]
    fn end(&self, permit: Permit) {
        permit.release(Usage::new(TOKENS.into(), 0));
    }
}
