//! The ONNX Runtime library: found, loaded once, kept until the process ends.
//!
//! The library is loaded, not linked, at the first encoder. The environment of ONNX Runtime is one per process for ever,
//! and any other call before it would load a library by its bare name, so everything goes through [`Runtime::ensure`].

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use uec_gaussian::{Error, ErrorCode, Result};

/// The variable that names the library where no path is given.
pub const RUNTIME_VARIABLE: &str = "UEC_ONNXRUNTIME";

/// Where to look for the library: an explicit path, else [`RUNTIME_VARIABLE`], else the first candidate that exists.
#[derive(Clone, Debug, Default)]
pub struct RuntimeSearch {
    /// The user's own choice. A path that does not exist is an error, not a reason to look further.
    pub path: Option<PathBuf>,
    /// Places to try in this order.
    pub candidates: Vec<PathBuf>,
}

/// The loaded library.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
    path: PathBuf,
    version: String,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Runtime {
    /// The library, loaded now if it was not.
    ///
    /// # Errors
    /// [`ErrorCode::RuntimeNotFound`] if there is no such file, [`ErrorCode::RuntimeVersion`] if it is too old, of another
    /// architecture or no ONNX Runtime, [`ErrorCode::InvalidArgument`] if another one is loaded already.
    pub fn ensure(search: &RuntimeSearch) -> Result<&'static Self> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = RUNTIME.get() {
            return loaded.check_same(search);
        }
        let runtime = Self::load(&search.locate()?)?;
        Ok(RUNTIME.get_or_init(|| runtime))
    }

    /// The library if one is loaded.
    pub fn loaded() -> Option<&'static Self> {
        RUNTIME.get()
    }

    /// The absolute path of the library.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version, such as `1.30`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// For sessions that no encoder opens: a process has one environment.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    fn check_same(&'static self, search: &RuntimeSearch) -> Result<&'static Self> {
        if let Some(wanted) = &search.path {
            let wanted = existing(wanted)?;
            if wanted != self.path {
                return Err(Error::invalid(format!(
                    "ONNX Runtime is already loaded from {}; one process cannot load a second one from {}: set the \
                     runtime before the first encoder is loaded",
                    self.path.display(),
                    wanted.display()
                )));
            }
        }
        Ok(self)
    }

    fn load(path: &Path) -> Result<Self> {
        let minor = ort::util::probe(path);
        let builder = ort::init_from(path).map_err(|error| refused(path, &error))?;
        let environment = builder
            .with_name("uec")
            .with_telemetry(false)
            .build()
            .map_err(|error| Error::new(ErrorCode::Internal, format!("ONNX Runtime did not start: {error}")))?;
        let version = minor.map_or_else(|| "unknown".to_owned(), |minor| format!("1.{minor}"));
        Ok(Self { environment, path: path.to_owned(), version })
    }
}

impl RuntimeSearch {
    fn locate(&self) -> Result<PathBuf> {
        if let Some(path) = &self.path {
            return existing(path);
        }
        if let Some(path) = std::env::var_os(RUNTIME_VARIABLE).filter(|value| !value.is_empty()) {
            return existing(Path::new(&path));
        }
        self.candidates.iter().find_map(|candidate| existing(candidate).ok()).ok_or_else(|| {
            let tried: Vec<String> = self.candidates.iter().map(|path| path.display().to_string()).collect();
            let tried = if tried.is_empty() { String::new() } else { format!(" (looked at {})", tried.join(", ")) };
            not_found(&format!("the ONNX Runtime library was not found{tried}"))
        })
    }
}

/// The canonical form of a path to a file: absolute, because a relative one would be resolved against the executable.
fn existing(path: &Path) -> Result<PathBuf> {
    match path.canonicalize() {
        Ok(found) if found.is_file() => Ok(found),
        _ => Err(not_found(&format!("there is no ONNX Runtime library at {}", path.display()))),
    }
}

fn not_found(what: &str) -> Error {
    Error::new(
        ErrorCode::RuntimeNotFound,
        format!(
            "{what}. Install it with `npm install onnxruntime-node`, or name it with configure({{ runtime }}) or the \
             variable {RUNTIME_VARIABLE}."
        ),
    )
}

fn refused(path: &Path, error: &LoadDynamicError) -> Error {
    let why = match error {
        LoadDynamicError::BadVersion { version_str, .. } => {
            format!("is version {version_str}; version 1.{} or newer is needed", ort::MINOR_VERSION)
        }
        LoadDynamicError::MissingApi { .. } | LoadDynamicError::InvalidVersionString => {
            "is not an ONNX Runtime library".to_owned()
        }
        LoadDynamicError::Dlopen { error, .. } => {
            format!("cannot be loaded, perhaps because it was built for another system: {error}")
        }
    };
    Error::new(ErrorCode::RuntimeVersion, format!("the ONNX Runtime library {} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_library_that_is_missing_is_an_error_with_the_remedy() {
        let search = RuntimeSearch { path: Some("/nowhere/libonnxruntime.so".into()), candidates: Vec::new() };
        let error = search.locate().unwrap_err();
        assert_eq!(error.code, ErrorCode::RuntimeNotFound);
        assert!(error.message.contains("npm install onnxruntime-node"), "{error}");
    }

    #[test]
    fn the_first_candidate_that_exists_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        std::fs::write(&library, "x").unwrap();
        let search = RuntimeSearch { path: None, candidates: vec![folder.path().join("none"), library.clone()] };
        if std::env::var_os(RUNTIME_VARIABLE).is_none() {
            assert_eq!(search.locate().unwrap(), library.canonicalize().unwrap());
        }
    }

    #[test]
    fn a_file_that_is_no_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so");
        std::fs::write(&library, "not a library").unwrap();
        assert_eq!(Runtime::load(&library).unwrap_err().code, ErrorCode::RuntimeVersion);
    }
}
