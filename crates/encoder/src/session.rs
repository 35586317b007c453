//! One ONNX session: opened from bytes, fed with padded token ids, interruptible.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, Session, SessionInputValue, SessionOutputs};
use ort::value::{Tensor, TensorElementType, ValueType};
use uec_gaussian::{Cancel, Error, ErrorCode, Result};

use crate::external::ExternalWeights;
use crate::runtime::Runtime;

/// Where ONNX Runtime looks for weights outside the file when the graph comes from memory.
const EXTERNAL_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// What an input of the graph wants to be fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Ids,
    Mask,
    Types,
    Positions,
}

#[derive(Clone, Debug)]
struct Input {
    name: String,
    role: Role,
    wide: bool,
}

/// A graph ready to run. Runs of one session wait for each other.
pub(crate) struct TokenSession {
    session: Mutex<Session>,
    inputs: Vec<Input>,
    padding: u32,
}

/// The outputs of one run, by name.
pub(crate) struct Outputs<'a>(SessionOutputs<'a>);

impl Outputs<'_> {
    /// A float32 output and its shape.
    pub(crate) fn floats(&self, name: &str) -> Result<(Vec<usize>, &[f32])> {
        let missing = || Error::new(ErrorCode::Internal, format!("the graph gave no output {name}"));
        let value = self.0.get(name).ok_or_else(missing)?;
        let (shape, data) = value.try_extract_tensor::<f32>().map_err(|error| {
            Error::new(ErrorCode::ModelUnsupported, format!("the tensor {name} is not float32: {error}"))
        })?;
        Ok((shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect(), data))
    }
}

impl TokenSession {
    /// Opens `bytes`, an ONNX graph, with the weights outside it, if there are any.
    ///
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] if ONNX Runtime refuses the graph, [`ErrorCode::ModelUnsupported`] if it uses operators
    /// that ONNX Runtime lacks or has inputs that are not fed here.
    pub(crate) fn open(
        runtime: &Runtime,
        bytes: &[u8],
        weights: ExternalWeights,
        threads: usize,
        padding: u32,
    ) -> Result<Self> {
        let bytes = weights.named_in(bytes)?;
        let builder = options(runtime, weights.folder.as_deref(), threads).map_err(|error| {
            Error::new(ErrorCode::Internal, format!("ONNX Runtime did not accept its settings: {error}"))
        })?;
        let session = { builder }.commit_from_memory(&bytes).map_err(|error| refused(&error))?;
        let inputs = session.inputs().iter().map(|input| role(input.name(), input.dtype())).collect::<Result<_>>()?;
        Ok(Self { session: Mutex::new(session), inputs, padding })
    }

    /// Runs `rows` of token ids, none of them empty, padded on the right to the longest, and hands the outputs to `read`.
    ///
    /// # Errors
    /// [`ErrorCode::Aborted`] if `cancel` is set before or while running.
    pub(crate) fn run<R>(
        &self,
        rows: &[&[u32]],
        cancel: &Cancel,
        read: impl FnOnce(&Outputs<'_>) -> Result<R>,
    ) -> Result<R> {
        let inputs = self.inputs.iter().map(|input| Ok((Cow::from(&input.name), self.feed(rows, input)?)));
        let inputs = inputs.collect::<ort::Result<Vec<_>>>().map_err(|error| failed(&error))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        cancel.check()?;
        let options = Arc::new(RunOptions::new().map_err(|error| failed(&error))?);
        let terminate = Arc::clone(&options);
        let outputs = cancel.during(
            move || {
                // Without effect if the run has ended; the flag of `cancel` is then seen before the next one.
                let _ = terminate.terminate();
            },
            || session.run_with_options(inputs, &options),
        );
        match outputs {
            Ok(outputs) => read(&Outputs(outputs)),
            Err(error) => {
                cancel.check()?;
                Err(failed(&error))
            }
        }
    }

    fn feed(&self, rows: &[&[u32]], input: &Input) -> ort::Result<SessionInputValue<'static>> {
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let cells = rows.iter().flat_map(|row| {
            (0..width).map(move |position| match input.role {
                Role::Ids => row.get(position).copied().unwrap_or(self.padding),
                Role::Mask => u32::from(position < row.len()),
                Role::Types => 0,
                Role::Positions => position as u32,
            })
        });
        let shape = [rows.len(), width];
        Ok(if input.wide {
            Tensor::from_array((shape, cells.map(i64::from).collect::<Vec<_>>()))?.into()
        } else {
            Tensor::from_array((shape, cells.map(u32::cast_signed).collect::<Vec<_>>()))?.into()
        })
    }
}

/// Processors with AVX2 but without VNNI saturate in the fast product of uint8 and int8, which puts entries of a unit
/// vector off by 0.07 in a tiny encoder; with this they, and no others, take a slower exact one.
const QUANTISED_PRECISION: &str = "session.x64quantprecision";

fn options(runtime: &Runtime, weights: Option<&Path>, threads: usize) -> ort::Result<SessionBuilder> {
    let mut builder = Session::builder(runtime.environment())?
        .with_auto_device(AutoDevicePolicy::PreferCPU)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_log_level(ort::logging::LogLevel::Error)?
        .with_config_entry(QUANTISED_PRECISION, "1")?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?;
    if let Some(folder) = weights {
        builder = builder.with_config_entry(EXTERNAL_FOLDER, folder.to_string_lossy())?;
    }
    Ok(builder)
}

fn role(name: &str, kind: &ValueType) -> Result<Input> {
    let unsupported = |what: String| Error::new(ErrorCode::ModelUnsupported, what);
    let role = match name {
        "input_ids" => Role::Ids,
        "attention_mask" => Role::Mask,
        "token_type_ids" => Role::Types,
        "position_ids" => Role::Positions,
        other => {
            return Err(unsupported(format!(
                "the graph has an input {other}; input_ids, attention_mask, token_type_ids and position_ids are fed"
            )));
        }
    };
    match kind {
        ValueType::Tensor { ty: TensorElementType::Int64, .. } => Ok(Input { name: name.to_owned(), role, wide: true }),
        ValueType::Tensor { ty: TensorElementType::Int32, .. } => {
            Ok(Input { name: name.to_owned(), role, wide: false })
        }
        other => Err(unsupported(format!("the input {name} is {other}; int64 or int32 is fed"))),
    }
}

/// The error of a graph that could not be opened.
fn refused(error: &ort::Error) -> Error {
    let code = match error.code() {
        ort::ErrorCode::NotImplemented => ErrorCode::ModelUnsupported,
        _ if out_of_memory(error) => ErrorCode::OutOfMemory,
        _ => ErrorCode::ModelInvalid,
    };
    Error::new(code, format!("ONNX Runtime refuses the graph: {error}"))
}

/// The error of a run that failed.
fn failed(error: &ort::Error) -> Error {
    let code = if out_of_memory(error) { ErrorCode::OutOfMemory } else { ErrorCode::ModelInvalid };
    Error::new(code, format!("ONNX Runtime could not run the graph: {error}"))
}

fn out_of_memory(error: &ort::Error) -> bool {
    ["bad_alloc", "Failed to allocate memory", "bad allocation"].iter().any(|text| error.message().contains(text))
}
