//! Hugging Face's parquet files; only with the feature that reads them.
#![cfg(feature = "parquet")]

mod common;

use alexnet::data::{DataSet, Split, Stored};
use common::archives::picture;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

const SCHEMA: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional int64 label;
}";

/// A file of these rows (label, number of the picture), two a row group, in pages of an image each.
fn write(path: &Path, rows: &[(i64, usize)], compression: Compression) {
    let notes = r#"{"info": {"features": {"label": {"names": ["ant", "bee", "cow"], "_type": "ClassLabel"}}}}"#;
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(1)
        .set_write_batch_size(1)
        .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".into(), notes.to_owned())]))
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    for rows in rows.chunks(2) {
        let mut group = writer.next_row_group().unwrap();
        let bytes: Vec<_> = rows.iter().map(|&(_, n)| ByteArray::from(picture(n))).collect();
        let paths: Vec<_> = rows.iter().map(|&(_, n)| ByteArray::from(&*format!("a/{n:03}.JPEG"))).collect();
        for values in [bytes, paths] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&vec![2; rows.len()]), None).unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        let labels: Vec<i64> = rows.iter().map(|&(label, _)| label).collect();
        column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn rows_are_read_in_canonical_order() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        std::fs::create_dir(&data).unwrap();
        write(&data.join("train-00000-of-00002.parquet"), &[(2, 5), (0, 7), (1, 1), (0, 2), (2, 3)], compression);
        write(&data.join("train-00001-of-00002.parquet"), &[(1, 4)], compression);
        write(&data.join("validation-00000-of-00001.parquet"), &[(1, 9)], compression);
        let set = DataSet::open(root.path(), Split::Train).unwrap();
        assert_eq!((set.classes.clone(), set.has_splits), (["ant", "bee", "cow"].map(str::to_owned).to_vec(), true));
        let mut buffer = Vec::new();
        let found: Vec<_> = (0..set.len())
            .map(|n| {
                let Stored::File(bytes) = set.read(n, &mut buffer).unwrap() else { panic!("a file") };
                (set.label(n), String::from_utf8(set.name(n).to_vec()).unwrap(), bytes.to_vec())
            })
            .collect();
        let wanted = [(0, 2), (0, 7), (1, 1), (1, 4), (2, 3), (2, 5)];
        assert_eq!(found, wanted.map(|(label, n)| (label, format!("{n:03}.JPEG"), picture(n))));
        assert_eq!(DataSet::open(root.path(), Split::Val).unwrap().len(), 1);
        let path = data.join("train-00001-of-00002.parquet");
        write(&path, &[(3, 4)], compression);
        let error = DataSet::open(root.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("train-00001") && error.contains("label 3, but 3 classes"), "{error}");
        std::fs::write(&path, b"PAR1 and so on").unwrap();
        let error = DataSet::open(root.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("train-00001") && error.contains("damaged"), "{error}");
    }
}
