//! What can be wrong with a file.

use std::io::{self, ErrorKind};
use std::path::Path;

use uec_gaussian::{Error, ErrorCode};

/// Why a file cannot be used; [`Damage::at`] adds which.
#[derive(Debug)]
pub(super) enum Damage {
    Corrupt(&'static str),
    Version {
        found: u32,
        known: u32,
    },
    Read(io::Error),
    Write(io::Error),
    /// An error that is complete.
    Coded(Error),
}

pub(super) type Result<T, E = Damage> = std::result::Result<T, E>;

impl Damage {
    /// The coded error. `what` is "index" or "journal".
    pub(super) fn at(self, path: &Path, what: &str) -> Error {
        let place = path.display();
        let (code, message) = match self {
            Self::Coded(error) => return error,
            Self::Read(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Self::Corrupt("it is cut off").at(path, what);
            }
            Self::Read(error) => return uec_files::read_error(path, what, &error),
            Self::Write(error) => return uec_files::write_error(path, &error),
            Self::Corrupt(wrong) => {
                (ErrorCode::FileCorrupt, format!("{place} is no sound {what}: {wrong}. Restore or rebuild it"))
            }
            Self::Version { found, known } => {
                let remedy = if found > known { "update uec" } else { "make it again with this version" };
                let message = format!("{place} has format {found}, this version of uec reads {known}: {remedy}");
                (ErrorCode::FileVersion, message)
            }
        };
        Error::new(code, message)
    }
}

impl From<Error> for Damage {
    fn from(error: Error) -> Self {
        Self::Coded(error)
    }
}
