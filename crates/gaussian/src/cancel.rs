//! Cooperative cancellation: long work asks between blocks whether the caller still wants the result.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, ErrorCode, Result};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// A flag shared by the caller and the work. Clones share the flag.
#[derive(Clone, Default)]
pub struct Cancel(Arc<State>);

#[derive(Default)]
struct State {
    cancelled: AtomicBool,
    hooks: Mutex<Vec<(u64, Hook)>>,
}

impl Cancel {
    /// Asks the work to stop and runs the registered hooks. Later calls do nothing more.
    pub fn cancel(&self) {
        let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.0.cancelled.swap(true, Ordering::SeqCst) {
            for (_, hook) in hooks.iter() {
                hook();
            }
        }
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`ErrorCode::Aborted`] after [`Cancel::cancel`].
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorCode::Aborted, "the operation was aborted"));
        }
        Ok(())
    }

    /// Runs `work` while `hook` is registered: `hook` is called once if the flag is set before `work` ends
    /// (at once if it is set already). Interrupts work that cannot ask by itself.
    pub fn during<R>(&self, hook: impl Fn() + Send + Sync + 'static, work: impl FnOnce() -> R) -> R {
        let id = {
            let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_cancelled() {
                hook();
            }
            let id = hooks.last().map_or(0, |(id, _)| id + 1);
            hooks.push((id, Arc::new(hook)));
            id
        };
        let result = work();
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        hooks.retain(|(other, _)| *other != id);
        result
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("cancelled", &self.is_cancelled()).finish()
    }
}
