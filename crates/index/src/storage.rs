//! How rows are stored: the kind of numbers, and the columns that a chunk and a file have for it.

use std::str::FromStr;

use uec_gaussian::{Error, ErrorCode, Result, Rows};

/// Numbers that the rows are stored as. All but float32 are lossy: searches are exact over the decoded rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As given: 8·D bytes a row.
    #[default]
    Float32,
    /// binary16 with a power of two per row and moment: 4·D + 8 bytes.
    Float16,
    /// One byte per number, with a scale per row and moment: 2·D + 8 bytes.
    Int8,
}

impl Storage {
    /// All of them, in the order of their codes in a file.
    pub const ALL: [Self; 3] = [Self::Float32, Self::Float16, Self::Int8];

    /// The name that users write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
            Self::Int8 => "int8",
        }
    }
}

impl FromStr for Storage {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|storage| storage.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("storage \"{name}\" is unknown: one of {names}"))
        })
    }
}

/// A column of the rows, in the order of a file's sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// float32; lossy storages only.
    MeanScales,
    /// float32; lossy storages only.
    VarianceScales,
    /// D float32, binary16 or int8.
    Means,
    /// D float32, binary16 or uint8.
    Variances,
    /// D int8; with a prefilter only.
    PrefilterCodes,
    /// float32; with a prefilter only.
    PrefilterScales,
    /// float32; with a prefilter only.
    PrefilterErrors,
}

impl Column {
    pub(crate) const ALL: [Self; 7] = [
        Self::MeanScales,
        Self::VarianceScales,
        Self::Means,
        Self::Variances,
        Self::PrefilterCodes,
        Self::PrefilterScales,
        Self::PrefilterErrors,
    ];
}

/// Bytes of means of a full chunk: a huge page.
const CHUNK_BYTES: usize = 2 << 20;

/// What decides the bytes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// D, 1..2³².
    pub(crate) dimension: usize,
    pub(crate) storage: Storage,
    /// An int8 copy of the means of float32 rows.
    pub(crate) prefilter: bool,
}

impl Layout {
    /// Bytes of one row in `column`: 0 if it is not there.
    pub(crate) const fn width(&self, column: Column) -> usize {
        let number = match self.storage {
            Storage::Float32 => 4,
            Storage::Float16 => 2,
            Storage::Int8 => 1,
        };
        match column {
            Column::Means | Column::Variances => number * self.dimension,
            Column::MeanScales | Column::VarianceScales if matches!(self.storage, Storage::Float32) => 0,
            Column::MeanScales | Column::VarianceScales => 4,
            Column::PrefilterCodes | Column::PrefilterScales | Column::PrefilterErrors if !self.prefilter => 0,
            Column::PrefilterCodes => self.dimension,
            Column::PrefilterScales | Column::PrefilterErrors => 4,
        }
    }

    /// Rows of a full chunk: 2 MiB of means as they are stored.
    pub(crate) const fn rows_per_chunk(&self) -> usize {
        let rows = CHUNK_BYTES / self.width(Column::Means);
        if rows == 0 { 1 } else { rows }
    }

    /// `what` the rows are, in the plural.
    ///
    /// # Errors
    /// [`ErrorCode::DimensionMismatch`].
    pub(crate) fn check_dimension(&self, what: &str, rows: &Rows<'_>) -> Result<()> {
        if rows.dimension == self.dimension {
            return Ok(());
        }
        let message = format!("{what} of dimension {} in an index of dimension {}", rows.dimension, self.dimension);
        Err(Error::new(ErrorCode::DimensionMismatch, message))
    }
}
