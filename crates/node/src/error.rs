//! Coded Rust errors become JavaScript errors with `code`; panics become `ERR_INTERNAL`.

use std::any::Any;

use napi::{Env, JsError, Unknown};
use uec_gaussian::{Error, ErrorCode};

/// A JavaScript `Error` with our stable `code`, ready to be thrown or to reject a promise.
pub(crate) fn to_js(env: Env, error: Error) -> napi::Error {
    let coded = napi::Error::<String>::new(error.code.as_str().to_owned(), error.message);
    let value: Unknown<'_> = JsError::from(coded).into_unknown(env);
    napi::Error::from(value)
}

/// What a panic said, as an internal error: the process goes on.
pub(crate) fn from_panic(panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    Error::new(
        ErrorCode::Internal,
        format!("an internal check failed: {said}. This is a fault of uec; please report it."),
    )
}
