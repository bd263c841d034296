//! Everything a user can cause. Each message names the file, option or row, says what was expected and what to do.
//! What only this project's own code can cause panics with names instead.

use std::path::{Path, PathBuf};

/// Result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with something the user can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row's window does not fit its input.
    #[error("{row}: {why}")]
    Shape {
        /// The row's name.
        row: String,
        /// What does not fit.
        why: String,
    },
    /// No adapter, or none that the option names.
    #[error("{why}\n{found}")]
    Adapter {
        /// What was asked for and is not there.
        why: String,
        /// What there is, or how to get one.
        found: String,
    },
    /// More than an adapter can hold or bind.
    #[error("{0}")]
    Limit(String),
    /// A device ran out of memory.
    #[error("the adapter is out of memory: {0}\nUse a smaller --batch, or --accumulate.")]
    OutOfMemory(String),
    /// A device stopped working.
    #[error("the adapter was lost: {0}")]
    DeviceLost(String),
    /// A data set, a class folder or a set of images.
    #[error("{path}: {why}", path = .path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What was wrong, what was expected and what to do.
        why: String,
    },
    /// One image file.
    #[error("{path}: {why}", path = .path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What was wrong, what was expected and what to do.
        why: String,
    },
    /// A weights file, checkpoint or run folder.
    #[error("{path}: {why}", path = .path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What was wrong, what was expected and what to do.
        why: String,
    },
    /// A NaN or an infinity in the loss, a gradient or a weight.
    #[error("{0}")]
    Diverged(String),
    /// An option or a combination of options; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Reading or writing failed.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    /// An I/O error with the file it happened to.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}
