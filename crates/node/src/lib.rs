//! The N-API binding of uec: converts arguments, schedules work, maps errors; computes nothing.
//!
//! Every exported function catches unwinding: a panic in a bare exported function would end the process.
#![allow(unsafe_code, unreachable_pub)] // what the napi macros generate is unsafe, and what they export need not be reachable
#![cfg_attr(test, allow(clippy::unwrap_used, dead_code))] // in a test build the napi macros export nothing

mod alignment;
mod capabilities;
mod encoder;
mod error;
mod fit;
mod ids;
mod index;
mod job;
mod posterior;
mod scoring;
mod threads;
mod worker;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

/// Runs once in every environment that loads the addon.
#[napi(module_exports)]
pub fn init(_exports: Object<'_>, env: Env) -> Result<()> {
    job::watch(&env)
}
