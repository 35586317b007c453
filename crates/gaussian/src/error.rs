//! The one error of every crate: a stable code and a sentence that says what to do.

use std::fmt;

/// Stable codes of the public contract (`ErrorCode` in TypeScript).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// An argument has the wrong type, shape, range or name.
    InvalidArgument,
    /// Two things that must have the same dimension do not.
    DimensionMismatch,
    /// No model at the given place.
    ModelNotFound,
    /// The model file is damaged or contradicts itself.
    ModelInvalid,
    /// A sound model whose structure this version cannot handle.
    ModelUnsupported,
    /// The tokenizer file is missing or damaged.
    TokenizerInvalid,
    /// An operation that needs a fitted posterior met an encoder without one.
    NotFitted,
    /// A posterior, index or ensemble belongs to another encoder.
    PosteriorMismatch,
    /// No file at the given place.
    FileNotFound,
    /// A file is cut off, damaged or of another kind.
    FileCorrupt,
    /// A file was written by a newer version.
    FileVersion,
    /// A file could not be written.
    FileWrite,
    /// Another process holds the file.
    FileLocked,
    /// The ONNX Runtime library was not found.
    RuntimeNotFound,
    /// The ONNX Runtime library has an unsupported version or architecture.
    RuntimeVersion,
    /// The wanted device cannot be had.
    DeviceUnavailable,
    /// The queue is full.
    Overloaded,
    /// The object was disposed.
    Disposed,
    /// Memory could not be allocated.
    OutOfMemory,
    /// A fault of this library.
    Internal,
    /// The caller cancelled; becomes the caller's own abort reason at the border.
    Aborted,
}

impl ErrorCode {
    /// The code as users see it, such as `ERR_INVALID_ARGUMENT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "ERR_INVALID_ARGUMENT",
            Self::DimensionMismatch => "ERR_DIMENSION_MISMATCH",
            Self::ModelNotFound => "ERR_MODEL_NOT_FOUND",
            Self::ModelInvalid => "ERR_MODEL_INVALID",
            Self::ModelUnsupported => "ERR_MODEL_UNSUPPORTED",
            Self::TokenizerInvalid => "ERR_TOKENIZER_INVALID",
            Self::NotFitted => "ERR_NOT_FITTED",
            Self::PosteriorMismatch => "ERR_POSTERIOR_MISMATCH",
            Self::FileNotFound => "ERR_FILE_NOT_FOUND",
            Self::FileCorrupt => "ERR_FILE_CORRUPT",
            Self::FileVersion => "ERR_FILE_VERSION",
            Self::FileWrite => "ERR_FILE_WRITE",
            Self::FileLocked => "ERR_FILE_LOCKED",
            Self::RuntimeNotFound => "ERR_RUNTIME_NOT_FOUND",
            Self::RuntimeVersion => "ERR_RUNTIME_VERSION",
            Self::DeviceUnavailable => "ERR_DEVICE_UNAVAILABLE",
            Self::Overloaded => "ERR_OVERLOADED",
            Self::Disposed => "ERR_DISPOSED",
            Self::OutOfMemory => "ERR_OUT_OF_MEMORY",
            Self::Internal => "ERR_INTERNAL",
            Self::Aborted => "ABORTED",
        }
    }
}

/// A coded error: what was wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The stable code.
    pub code: ErrorCode,
    /// One or two sentences for the user.
    pub message: String,
}

impl Error {
    /// An error with this code and message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// An [`ErrorCode::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}

/// A result with the coded [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
