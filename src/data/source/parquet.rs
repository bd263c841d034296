//! Hugging Face's parquet files: columns `image.bytes` and `label`, with the classes' names in the schema's notes.
//!
//! The parquet crate reads them, behind the cargo feature `parquet`. An image is found by skipping pages in its row group,
//! so that what is unpacked for it is a page, not the group.

use super::{DataSet, Options, Split, Watch};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

#[cfg(feature = "parquet")]
pub(super) use read::open;

/// Says what is missing.
///
/// # Errors
/// Always: this program was built without the feature.
#[cfg(not(feature = "parquet"))]
pub(super) fn open(root: &Path, _: &[PathBuf], _: Split, _: &Options, _: &mut dyn Watch) -> Result<DataSet> {
    let why = "parquet files, which this program was built without; build it with \
               `cargo build --release --features parquet`";
    Err(Error::Data { path: root.to_owned(), why: why.to_owned() })
}

#[cfg(feature = "parquet")]
mod read {
    use super::super::webdataset::{self, Label};
    use super::super::{Store, Stored};
    use super::*;
    use parquet::basic::Type;
    use parquet::column::reader::{ColumnReader, get_column_reader, get_typed_column_reader};
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::errors::ParquetError;
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::{SerializedFileReader, SerializedPageReader};
    use std::fs::File;
    use std::sync::Arc;

    /// Rows whose small columns are read at once.
    const ROWS: usize = 1024;

    /// The rows of some files.
    #[derive(Debug, Default)]
    struct Rows {
        files: Vec<(PathBuf, Arc<ParquetMetaData>)>,
        images: Vec<Image>,
    }

    #[derive(Debug)]
    struct Image {
        class: u32,
        /// Place in [`Rows::files`].
        file: u32,
        group: u32,
        /// Row in its group.
        row: u32,
        name: Box<str>,
    }

    impl Store for Rows {
        fn len(&self) -> usize {
            self.images.len()
        }

        fn class(&self, place: usize) -> u32 {
            self.images[place].class
        }

        fn name(&self, place: usize) -> &[u8] {
            self.images[place].name.as_bytes()
        }

        fn bytes(&self, _: usize) -> u64 {
            0
        }

        fn path(&self, place: usize) -> PathBuf {
            let image = &self.images[place];
            self.files[image.file as usize].0.join(&*image.name)
        }

        fn read<'a>(&'a self, place: usize, buffer: &'a mut Vec<u8>) -> Result<Stored<'a>> {
            let Image { file, group, row, .. } = self.images[place];
            let (path, meta) = &self.files[file as usize];
            let read = || -> Result<Option<ByteArray>, ParquetError> {
                let group = meta.row_group(group as usize);
                let column = column(meta, "image.bytes").ok_or(ParquetError::General("no image.bytes".to_owned()))?;
                let chunk = group.column(column);
                let file = Arc::new(File::open(path)?);
                let pages = SerializedPageReader::new(file, chunk, group.num_rows() as usize, None)?;
                let reader = get_column_reader(chunk.column_descr_ptr(), Box::new(pages));
                let mut reader = get_typed_column_reader::<ByteArrayType>(reader);
                reader.skip_records(row as usize)?;
                let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
                reader.read_records(1, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
                Ok(values.pop())
            };
            let failed = |why: String| Error::Image { path: self.path(place), why };
            let bytes = read().map_err(|e| failed(format!("cannot be read: {e}")))?;
            let bytes = bytes.ok_or_else(|| failed("the row has no image.bytes".to_owned()))?;
            buffer.clear();
            buffer.extend_from_slice(bytes.data());
            Ok(Stored::File(buffer))
        }
    }

    /// The images of these files.
    ///
    /// # Errors
    /// [`Error::Data`] where a file is damaged or lacks a column, or a label is out of range.
    pub fn open(
        root: &Path,
        files: &[PathBuf],
        split: Split,
        options: &Options,
        watch: &mut dyn Watch,
    ) -> Result<DataSet> {
        let (mut rows, mut labels, mut names) = (Rows::default(), Vec::new(), None);
        for (number, path) in files.iter().enumerate() {
            let text = format!("rows of {}: {number} of {} files", root.display(), files.len());
            watch.progress(&text, number as u64, files.len() as u64);
            let error = |why: String| Error::Data { path: path.clone(), why };
            let file = File::open(path).map_err(Error::io(path))?;
            let reader = SerializedFileReader::new(file).map_err(|e| error(format!("damaged: {e}; copy it again")))?;
            let meta = Arc::new(reader.metadata().clone());
            names = names.or_else(|| names_of(&meta));
            if column(&meta, "image.bytes").is_none() {
                return Err(error("no column image.bytes; expected image.bytes and label".to_owned()));
            }
            let key = options.label_key.as_deref().unwrap_or("label");
            let label = column(&meta, key).ok_or_else(|| error(format!("no column {key}, which holds the class")))?;
            let path_column = column(&meta, "image.path");
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            for group in 0..meta.num_row_groups() {
                let count = meta.row_group(group).num_rows() as usize;
                let reader = reader.get_row_group(group).map_err(|e| error(e.to_string()))?;
                let values = |column| reader.get_column_reader(column).and_then(|r| all(r, count));
                let (classes, _) = values(label).map_err(|e| error(format!("column {key}: {e}")))?;
                let (_, paths) = match path_column {
                    Some(column) => values(column).map_err(|e| error(format!("column image.path: {e}")))?,
                    None => Default::default(),
                };
                for row in 0..count {
                    let class = classes.get(row).copied().flatten().and_then(|class| usize::try_from(class).ok());
                    let Some(class) = class else {
                        return Err(error(format!("row {row} of row group {group}: no class in the column {key}")));
                    };
                    let own = paths.get(row).cloned().flatten();
                    let own = own.map(|path| path.rsplit('/').next().unwrap_or_default().to_owned());
                    let name = own.unwrap_or_else(|| format!("{stem}_{group:05}_{row:05}")).into();
                    let (file, group, row) = (number as u32, group as u32, row as u32);
                    rows.images.push(Image { class: class as u32, file, group, row, name });
                    labels.push(Label::Number(class));
                }
            }
            rows.files.push((path.clone(), meta));
        }
        let listed = webdataset::listed(files, options)?.or(names);
        let classes = webdataset::classes(&labels, listed, split, |number| {
            let image = &rows.images[number];
            (rows.files[image.file as usize].0.clone(), image.name.to_string())
        })?;
        let kind = format!("parquet, {} file{}", files.len(), if files.len() == 1 { "" } else { "s" });
        Ok(DataSet::new(root, split, &kind, classes, Arc::new(rows)))
    }

    /// Place of a column by its path.
    fn column(meta: &ParquetMetaData, path: &str) -> Option<usize> {
        meta.file_metadata().schema_descr().columns().iter().position(|c| c.path().string() == path)
    }

    /// Numbers and texts of a column, a value or none a row.
    type Values = (Vec<Option<i64>>, Vec<Option<String>>);

    fn all(reader: ColumnReader, count: usize) -> Result<Values, ParquetError> {
        macro_rules! rows {
            ($reader:expr, $convert:expr) => {{
                let (mut reader, mut rows) = ($reader, Vec::with_capacity(count));
                // Levels below the highest mark rows without a value.
                while rows.len() < count {
                    let (mut values, mut definitions) = (Vec::new(), Vec::new());
                    let (read, found, _) = reader.read_records(ROWS, Some(&mut definitions), None, &mut values)?;
                    if read == 0 {
                        break;
                    }
                    let highest = definitions.iter().copied().max().unwrap_or(0);
                    let has = |row: usize| found == read || definitions.get(row).is_none_or(|&d| d == highest);
                    let mut values = values.into_iter();
                    rows.extend((0..read).map(|row| has(row).then(|| values.next().map($convert)).flatten()));
                }
                rows
            }};
        }
        Ok(match reader {
            ColumnReader::Int64ColumnReader(reader) => (rows!(reader, |v| v), Vec::new()),
            ColumnReader::Int32ColumnReader(reader) => (rows!(reader, i64::from), Vec::new()),
            ColumnReader::ByteArrayColumnReader(reader) => {
                (Vec::new(), rows!(reader, |v: ByteArray| String::from_utf8_lossy(v.data()).into_owned()))
            }
            _ => {
                let expected = [Type::INT64, Type::INT32, Type::BYTE_ARRAY];
                return Err(ParquetError::General(format!("of another type; expected one of {expected:?}")));
            }
        })
    }

    /// The classes that Hugging Face's notes name.
    fn names_of(meta: &ParquetMetaData) -> Option<Vec<String>> {
        let notes = meta.file_metadata().key_value_metadata()?.iter().find(|pair| pair.key == "huggingface")?;
        let notes: serde_json::Value = serde_json::from_str(notes.value.as_deref()?).ok()?;
        let names = notes.pointer("/info/features/label/names")?.as_array()?;
        names.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
    }
}
