//! Features: layers against the reference, and the files that hold them.

mod common;

use alexnet::alexnet::{HALF, TINY};
use alexnet::check::nmse;
use alexnet::data::Split;
use alexnet::features::{self, Features, Form, Info, Rows};
use alexnet::machine::Machine;
use alexnet::net::Net;
use alexnet::reference;
use common::seeded;
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;

/// Every layer of the small network; on other adapters and two devices one of each kind of cut.
#[test]
fn every_layer_equals_the_reference() {
    let _alone = common::alone();
    let whole = Net::resolve(&TINY, 10, 0.5).unwrap();
    let (batch, weights) = (seeded::batch(&whole, 3), seeded::weights(&whole));
    for row in common::adapters() {
        let index = row.index.to_string();
        for placement in [index.clone(), format!("{index},{index}")] {
            let first = placement == "0";
            for layer in whole.rows.iter().map(|row| row.name) {
                if !first && !["conv1", "pool2", "conv3", "fc7", "fc8"].contains(&layer) {
                    continue;
                }
                let net = whole.until(layer).unwrap();
                let tensors = weights[..net.tensors().len()].to_vec();
                let mut machine = Machine::in_use(&net, &common::open(&placement, 2), 2).unwrap();
                machine.set_weights(&tensors).unwrap();
                let found = machine.output(&batch).unwrap();
                let expected = reference::output(&net, &seeded::widen(&tensors), &batch);
                assert_eq!(found.len(), 3 * net.output().len(), "{layer}");
                let error = nmse(&found, &expected);
                assert!(error < 1e-9, "{layer} on {placement}: {error:e}");
            }
        }
    }
}

/// A product's row ends with its ReLU; dropout's factor belongs to the row below.
#[test]
fn a_layer_is_read_after_its_relu_and_before_what_follows() {
    let net = Net::resolve(&TINY, 10, 0.5).unwrap();
    let ends = |layer: &str| net.until(layer).unwrap().rows.last().unwrap().name;
    assert_eq!(
        ["conv1", "relu1", "pool5", "fc7", "relu7", "drop7", "fc8"].map(ends),
        ["relu1", "relu1", "pool5", "relu7", "relu7", "drop7", "fc8"]
    );
    assert_eq!((net.last_hidden(), net.output().len()), ("fc7", 10));
    let fc7 = net.until("fc7").unwrap().output();
    assert_eq!((fc7.c, fc7.h, fc7.w), (256, 1, 1));
    let pool5 = Net::resolve(&HALF, 10, 0.5).unwrap().until("pool5").unwrap().output();
    assert_eq!((pool5.c, pool5.h, pool5.w), (256, 6, 6));
    let message = net.until("fc9").unwrap_err().to_string();
    assert!(message.contains("no layer `fc9`") && message.contains("conv1, relu1, norm1"), "{message}");
}

fn info(width: usize) -> Info {
    Info {
        format: "1".to_owned(),
        net: "tiny".to_owned(),
        layer: "fc7".to_owned(),
        shape: [width, 1, 1],
        weights: "sha256:00".to_owned(),
        source: "/data".into(),
        split: Split::Train,
        classes: vec!["cat \"a\"".to_owned(), "dog".to_owned()],
        class_names: None,
        rows: Rows { labels: vec![1, 0, 1], files: ["a.png", "ü\n.png", "c.png"].map(str::to_owned).to_vec() },
    }
}

/// Three rows where five were expected: two images could not be read.
fn write(path: &Path, width: usize) -> Vec<f32> {
    let values: Vec<f32> = (0..3 * width).map(|i| i as f32 - 2.5).collect();
    let info = info(width);
    let count = features::write(path, Form::of(path).unwrap(), &info, 5, |sink| {
        sink.push(&values[..width])?;
        sink.push(&values[width..])?;
        Ok(info.rows.clone())
    });
    assert_eq!(count.unwrap(), 3);
    values
}

#[test]
fn files_hold_what_their_formats_say() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["f.safetensors", "f.npy"] {
        for width in [1, 7, 256] {
            let path = folder.path().join(name);
            let values = write(&path, width);
            let features = Features::open(&path).unwrap();
            assert_eq!((features.len(), &features.info), (3, &info(width)));
            let mut read = vec![9.0];
            features.read(1..3, &mut read).unwrap();
            assert_eq!(read, values[width..]);
            assert_eq!((features.info.class(0), features.info.path(2)), ("dog", "/data/c.png".into()));
            let bytes = fs::read(&path).unwrap();
            let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            if name.ends_with("npy") {
                let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (3, {width}), }}");
                assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
                assert_eq!(std::str::from_utf8(&bytes[10..128]).unwrap(), format!("{header:<117}\n"));
                assert_eq!(bytes[128..], data);
            } else {
                let file = SafeTensors::deserialize(&bytes).unwrap();
                let tensor = |name: &str| file.tensor(name).unwrap();
                assert_eq!((tensor("features").shape(), tensor("features").data()), (&[3, width][..], &data[..]));
                assert_eq!(tensor("labels").data(), [1i64, 0, 1].map(i64::to_le_bytes).as_flattened());
                assert_eq!(tensor("files").data(), "[\"a.png\",\"ü\\n.png\",\"c.png\"]".as_bytes());
            }
        }
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |name: &str, parts: &[&str]| {
        let message = Features::open(&folder.path().join(name)).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{name}: {message}");
    };
    for name in ["f.safetensors", "f.npy"] {
        let path = folder.path().join(name);
        write(&path, 7);
        let whole = fs::read(&path).unwrap();
        for len in (0..whole.len()).step_by(3) {
            fs::write(&path, &whole[..len]).unwrap();
            Features::open(&path).unwrap_err();
        }
        fs::write(&path, &whole).unwrap();
    }
    fails("none.npy", &["none.npy"]);
    fs::write(folder.path().join("x.npy"), [b'x'; 300]).unwrap();
    fails("x.npy", &["x.npy", "not a matrix of little-endian f32", "alexnet features"]);
    fs::write(folder.path().join("x.txt"), "x").unwrap();
    fails("x.txt", &["neither .safetensors nor .npy"]);
    fs::remove_file(folder.path().join("f.json")).unwrap();
    fails("f.npy", &["f.json"]);
    fs::write(folder.path().join("f.json"), "{}").unwrap();
    fails("f.npy", &["f.json", "not the description"]);
    let two = Info { rows: Rows { labels: vec![1, 0], files: vec!["a".to_owned(), "b".to_owned()] }, ..info(7) };
    fs::write(folder.path().join("f.json"), serde_json::to_vec(&two).unwrap()).unwrap();
    fails("f.npy", &["do not fit", "3 rows of 7 values, 2 labels"]);
    let newer = Info { format: "2".to_owned(), ..info(7) };
    fs::write(folder.path().join("f.json"), serde_json::to_vec(&newer).unwrap()).unwrap();
    fails("f.npy", &["another version"]);
    let label = Info { classes: vec!["cat".to_owned()], ..info(7) };
    fs::write(folder.path().join("f.json"), serde_json::to_vec(&label).unwrap()).unwrap();
    fails("f.npy", &["a label is none of its 1 classes"]);
}
