//! Who looks at a limiter from outside.

use super::Limiter;
use crate::ledger::Level;
#[cfg(feature = "observe")]
use crate::observe::Observer;

impl Limiter {
    /// Has an observer told what becomes of calls from now on, as long as the limiter lives, beside those that are told
    /// already. It holds for all clones. Without any, nothing is spent on it but a look.
    #[cfg(feature = "observe")]
    pub fn add_observer(&self, observer: impl Observer) {
        self.inner.observers.add(Box::new(observer));
    }

    /// What is left of every budget now.
    ///
    /// # Example: what is left of a minute's tokens
    ///
    /// ```
    /// use tollgate::{Cost, Limiter, Limits, Unit};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000)).build()?;
    /// let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
    /// let levels = limiter.levels();
    /// let tokens = levels.iter().find(|level| level.quota.unit() == Unit::Tokens).unwrap();
    /// assert_eq!(tokens.reserved, 1_700);
    /// # permit.cancel().await;
    /// # Ok(()) }
    /// ```
    pub fn levels(&self) -> Vec<Level> {
        self.inner.gates.iter().flat_map(|gate| gate.levels()).collect()
    }
}
