//! Jobs: work off the event loop that can be cancelled, reports progress and never outlives its environment.
//!
//! Every environment (the main thread, each worker) keeps the list of its running jobs. When it ends, they are
//! cancelled and awaited, because a thread that still computes while the process tears down is undefined behaviour.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Result};
use napi_derive::napi;
use uec_encoder::Progress;
use uec_gaussian::{Cancel, ErrorCode};

use crate::error::{from_panic, to_js};

/// How long the end of an environment waits for its jobs.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Running {
    next: u64,
    /// Cancel flags by job number, grouped by environment.
    jobs: HashMap<usize, HashMap<u64, Cancel>>,
}

static RUNNING: Mutex<Option<Running>> = Mutex::new(None);
static ENDED: Condvar = Condvar::new();

fn running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(env: &Env) -> usize {
    env.raw() as usize
}

/// Cancels the jobs of one environment (`None`: of all) and waits until they have ended or `patience` is over.
fn drain(env: Option<usize>, patience: Duration) {
    let deadline = Instant::now() + patience;
    let mut guard = running();
    loop {
        let Some(all) = guard.as_ref() else { return };
        let left: Vec<Cancel> = all
            .jobs
            .iter()
            .filter(|(id, _)| env.is_none_or(|wanted| wanted == **id))
            .flat_map(|(_, jobs)| jobs.values().cloned())
            .collect();
        let now = Instant::now();
        if left.is_empty() || now >= deadline {
            return;
        }
        drop(guard);
        left.iter().for_each(Cancel::cancel);
        let lock = running();
        guard = ENDED
            .wait_timeout(lock, (deadline - now).min(Duration::from_millis(20)))
            .unwrap_or_else(PoisonError::into_inner)
            .0;
    }
}

/// Cancels and awaits every job of the process, at most this many milliseconds: called when the process exits.
#[napi(catch_unwind)]
pub fn drain_jobs(milliseconds: u32) {
    drain(None, Duration::from_millis(u64::from(milliseconds)));
}

/// Registers the end of an environment, so that its jobs end with it.
pub(crate) fn watch(env: &Env) -> Result<()> {
    env.add_env_cleanup_hook(key(env), |id| drain(Some(id), PATIENCE))?;
    Ok(())
}

/// What the caller holds of a running operation: a way to cancel it and to see how far it is.
#[napi]
#[derive(Clone, Default)]
pub struct Job {
    pub(crate) cancel: Cancel,
    pub(crate) progress: Progress,
}

/// How far an operation is.
#[napi(object)]
pub struct JobProgress {
    /// What is being done.
    pub phase: String,
    /// Units done.
    pub done: f64,
    /// Units in all, where known.
    pub total: Option<f64>,
}

#[napi]
impl Job {
    /// A job that has not started.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop; its promise rejects with code `ABORTED`.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// How far the work is.
    #[napi(catch_unwind)]
    pub fn progress(&self) -> JobProgress {
        let now = self.progress.snapshot();
        JobProgress {
            phase: now.phase.as_str().to_owned(),
            done: now.done as f64,
            total: now.total.map(|total| total as f64),
        }
    }
}

/// Takes the job off the list when the work ends, however it ends.
struct Registered {
    env: usize,
    id: u64,
}

impl Registered {
    fn new(env: &Env, cancel: &Cancel) -> Self {
        let mut guard = running();
        let all = guard.get_or_insert_with(Running::default);
        all.next += 1;
        let id = all.next;
        all.jobs.entry(key(env)).or_default().insert(id, cancel.clone());
        Self { env: key(env), id }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(all) = running().as_mut()
            && let Some(jobs) = all.jobs.get_mut(&self.env)
        {
            jobs.remove(&self.id);
            if jobs.is_empty() {
                all.jobs.remove(&self.env);
            }
        }
        ENDED.notify_all();
    }
}

/// Runs `work`; a panic in it becomes an internal error that says what the panic said.
fn caught<T>(work: impl FnOnce() -> uec_gaussian::Result<T>) -> uec_gaussian::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(from_panic(&*panic)))
}

/// Runs `work` off the event loop through `execute`, and `finish` on it; returns the promise of the result.
///
/// A panic in `work` rejects with `ERR_INTERNAL`.
pub(crate) fn promise<'env, T, R>(
    env: &'env Env,
    job: &Job,
    execute: impl FnOnce(Box<dyn FnOnce() + Send>) -> uec_gaussian::Result<()>,
    work: impl FnOnce(&Job) -> uec_gaussian::Result<T> + Send + 'static,
    finish: impl FnOnce(&Env, T) -> Result<R> + Send + 'static,
) -> Result<Object<'env>>
where
    T: Send + 'static,
    R: ToNapiValue + 'static,
{
    type Resolver<R> = Box<dyn FnOnce(Env) -> Result<R>>;
    let (deferred, promise) = env.create_deferred::<R, Resolver<R>>()?;
    let registered = Registered::new(env, &job.cancel);
    let job = job.clone();
    let failed = deferred.clone();
    let started = execute(Box::new(move || {
        let outcome = job.cancel.check().and_then(|()| caught(|| work(&job)));
        // An environment that is ending no longer runs callbacks: the job counts as ended only after the hand-over.
        deferred.resolve(Box::new(move |env| match outcome {
            Ok(value) => finish(&env, value),
            Err(error) => Err(to_js(env, error)),
        }));
        drop(registered);
    }));
    if let Err(error) = started {
        debug_assert!(error.code != ErrorCode::Aborted);
        failed.resolve(Box::new(move |env| Err(to_js(env, error))));
    }
    Ok(promise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error_with_its_message() {
        let rows = 3;
        let fixed = caught::<()>(|| panic!("no rows")).unwrap_err();
        let formatted = caught::<()>(|| panic!("{rows} rows")).unwrap_err();
        assert_eq!([fixed.code, formatted.code], [ErrorCode::Internal; 2]);
        assert!(fixed.message.contains("no rows") && formatted.message.contains("3 rows"));
    }

    #[test]
    fn what_does_not_panic_passes_through() {
        assert_eq!(caught(|| Ok(7)), Ok(7));
        let aborted = uec_gaussian::Error::new(ErrorCode::Aborted, "stopped");
        assert_eq!(caught::<()>(|| Err(aborted.clone())), Err(aborted));
    }
}
