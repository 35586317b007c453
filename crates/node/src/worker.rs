//! One thread per encoder: its ONNX Runtime calls run there, one after the other, in the order in which they were made.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use uec_gaussian::{Error, ErrorCode};

type Work = Box<dyn FnOnce() + Send>;

/// A thread with a queue. Closing it lets the queued work finish.
pub(crate) struct Worker(Mutex<Option<Sender<Work>>>);

impl Worker {
    pub(crate) fn start() -> uec_gaussian::Result<Self> {
        let (sender, receiver) = channel::<Work>();
        thread::Builder::new()
            .name("uec-encoder".to_owned())
            .spawn(move || receiver.into_iter().for_each(|work| work()))
            .map_err(|error| Error::new(ErrorCode::OutOfMemory, format!("a thread could not be started: {error}")))?;
        Ok(Self(Mutex::new(Some(sender))))
    }

    /// Queues `work`.
    pub(crate) fn run(&self, work: Work) -> uec_gaussian::Result<()> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().and_then(|sender| sender.send(work).ok()).ok_or_else(disposed)
    }

    /// Queues the last piece of work; whatever is asked for later is `ERR_DISPOSED`.
    pub(crate) fn close(&self, last: Work) -> uec_gaussian::Result<()> {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        sender.and_then(|sender| sender.send(last).ok()).ok_or_else(disposed)
    }
}

pub(crate) fn disposed() -> Error {
    Error::new(ErrorCode::Disposed, "this encoder was disposed; load it again")
}
