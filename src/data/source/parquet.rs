//! Hugging Face's parquet files: columns `image.bytes` and `label`.

use super::{DataSet, Options, Split, Watch};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The images of these files.
///
/// # Errors
/// This program was built without the feature.
pub(super) fn open(root: &Path, _: &[PathBuf], _: Split, _: &Options, _: &mut dyn Watch) -> Result<DataSet> {
    Err(Error::Data {
        path: root.to_owned(),
        why: "parquet files, which this program was built without; build it with `cargo build --release --features parquet`"
            .to_owned(),
    })
}
