//! Data folders: their order, and what is said about those that cannot be used.

use alexnet::Error;
use alexnet::data::{DataSet, Split};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder that holds these files.
fn tree(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    root
}

fn names(set: &DataSet) -> Vec<(String, u32)> {
    (0..set.len()).map(|n| (String::from_utf8(set.name(n).to_vec()).unwrap(), set.label(n))).collect()
}

fn refused(root: &Path, split: Split) -> String {
    let error = DataSet::open(root, split).unwrap_err();
    assert!(matches!(error, Error::Data { .. }));
    error.to_string()
}

#[test]
fn classes_then_files_by_name_as_bytes() {
    let root = tree(&[
        "train/b/2.png",
        "train/b/10.png",
        "train/B/z.jpg",
        "train/a/é.jpg",
        "train/a/z.jpg",
        "train/a/.DS_Store",
        "train/a/inner/x.jpg",
        "train/.hidden/x.jpg",
        "train/notes.txt",
        "val/b/1.jpg",
    ]);
    let set = DataSet::open(root.path(), Split::Train).unwrap();
    assert_eq!(set.classes, ["B", "a", "b"]);
    let wanted = [("z.jpg", 0), ("z.jpg", 1), ("é.jpg", 1), ("10.png", 2), ("2.png", 2)];
    assert_eq!(names(&set), wanted.map(|(name, class)| (name.to_owned(), class)));
    let val = DataSet::open(root.path(), Split::Val).unwrap().with_classes(&set.classes).unwrap();
    assert_eq!((names(&val), val.classes), (vec![("1.jpg".to_owned(), 2)], set.classes));
}

#[test]
fn what_cannot_be_used_is_named() {
    let root = tree(&["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/stranger/1.jpg"]);
    let missing = refused(&root.path().join("missing"), Split::Train);
    assert!(missing.contains("missing: no such folder") && missing.contains("DATA/train/CLASS/*"), "{missing}");
    assert!(refused(&root.path().join("train/a/1.jpg"), Split::Train).contains("not a source of images"));
    let empty = tempfile::tempdir().unwrap();
    assert!(refused(empty.path(), Split::Train).contains("empty"));
    let flat = tree(&["a/1.jpg", "b/1.jpg"]);
    assert!(!DataSet::open(flat.path(), Split::Train).unwrap().has_splits);
    assert!(refused(tree(&["val/a/1.jpg"]).path(), Split::Train).contains("no folder \"train\""));
    assert!(refused(tree(&["train/a/1.jpg"]).path(), Split::Val).contains("no folder \"val\""));
    assert!(refused(tree(&["train/1.jpg"]).path(), Split::Train).contains("no class folder"));
    assert!(refused(tree(&["train/only/1.jpg"]).path(), Split::Train).contains("one class only (\"only\")"));
    let hollow = refused(tree(&["train/a/1.jpg", "train/hollow/.keep"]).path(), Split::Train);
    assert!(hollow.contains("class \"hollow\" has no image"), "{hollow}");
    assert!(refused(tree(&["val/a/.keep"]).path(), Split::Val).contains("no image"));
    let classes = DataSet::open(root.path(), Split::Train).unwrap().classes;
    let stranger = DataSet::open(root.path(), Split::Val).unwrap().with_classes(&classes).unwrap_err().to_string();
    assert!(stranger.contains("\"stranger\" is not among the 2 classes") && stranger.contains("(a, b)"), "{stranger}");
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    let root = tree(&["elsewhere/1.jpg", "train/a/1.jpg"]);
    let link = |to: &str, from: &str| std::os::unix::fs::symlink(root.path().join(to), root.path().join(from)).unwrap();
    link("elsewhere", "train/b");
    link("elsewhere/1.jpg", "train/a/2.jpg");
    link("nowhere", "train/a/3.jpg");
    let set = DataSet::open(root.path(), Split::Train).unwrap();
    assert_eq!(set.classes, ["a", "b"]);
    assert_eq!(names(&set).iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["1.jpg", "2.jpg", "3.jpg", "1.jpg"]);
}

#[test]
fn fingerprint_tells_data_apart() {
    let files = ["train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg"];
    let of = |root: &TempDir| DataSet::open(root.path(), Split::Train).unwrap().fingerprint();
    let first = tree(&files);
    assert_eq!(of(&first), of(&tree(&files)), "wherever it lies");
    let before = of(&first);
    fs::write(first.path().join("train/a/1.jpg"), b"longer than it was before").unwrap();
    assert_ne!(of(&first), before, "another size");
    assert_ne!(of(&tree(&["train/a/1.jpg", "train/a/3.jpg", "train/b/1.jpg"])), before, "another file");
    assert_ne!(of(&tree(&["train/a/1.jpg", "train/a/2.jpg", "train/c/1.jpg"])), before, "another class");
    assert_ne!(of(&tree(&["train/a/1.jpg", "train/b/1.jpg", "train/b/2.jpg"])), before, "another class of a file");
}
