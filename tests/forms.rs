//! The binary on every form of the same images: what it trains must not depend on it.

mod common;

use common::archives::{self, TRUTH, devkit, picture, tar, write};
use common::binary::{alexnet, fails, succeed};
use std::fs;
use std::path::Path;

fn done(folder: &Path, words: &[&str]) -> (String, String) {
    succeed(alexnet(folder, words))
}

const TRAIN: [&str; 8] = ["--net", "tiny", "--batch", "4", "--steps", "4", "--order", "sequential"];

fn train(folder: &Path, source: &str, run: &str, more: &[&str]) -> String {
    done(folder, &[&["train", source, "--run", run][..], &TRAIN, more].concat()).1
}

fn weights(folder: &Path, run: &str) -> Vec<u8> {
    fs::read(folder.join(run).join("step-0000004/weights.safetensors")).unwrap()
}

/// The same images as class folders, archives and shards: the same weights, by bytes.
#[test]
fn weights_do_not_depend_on_the_form() {
    let _guard = common::alone();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    archives::folders(&root.join("folders"));
    // A kit beside the folders, so that all know the classes' names.
    let kit = devkit("ILSVRC2012_devkit_t12", 2012, true, &TRUTH);
    write(root.join("folders/ILSVRC2012_devkit_t12.tar.gz"), kit);
    archives::ilsvrc2012(&root.join("archives"));
    archives::webdataset(&root.join("shards"));
    let said = train(root, "folders", "a", &[]);
    assert!(said.contains("folders: class folders, 12 train images of 3 classes"), "{said}");
    let said = train(root, "archives", "b", &[]);
    assert!(said.contains("archives: ILSVRC 2012 archives, 12 train images of 3 classes"), "{said}");
    assert!(weights(root, "a") == weights(root, "b"), "archives train to other weights than folders");
    assert!(fs::read(root.join("a/metrics.jsonl")).unwrap().len() > 100);
    train(root, "shards/train-*.tar", "c", &["--val", "shards/val-{000..000}.tar"]);
    // Shards do not know the classes' names; everything else is equal.
    let tensors = |bytes: Vec<u8>| {
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut all: Vec<_> = file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
        all.sort();
        all
    };
    assert!(tensors(weights(root, "a")) == tensors(weights(root, "c")), "shards train to other weights than folders");
    train(root, "shards", "d", &[]);
    assert!(weights(root, "c") == weights(root, "d"), "a folder of shards trains to other weights than their pattern");
    done(root, &["prepare", "archives", "raw", "--net", "tiny"]);
    train(root, "raw", "e", &[]);
    assert!(tensors(weights(root, "a")) == tensors(weights(root, "e")), "raw squares train to other weights");
    // A run goes on with the same images in another form.
    let (out, _) = done(root, &["train", "archives", "--resume", "a"]);
    assert!(out.contains("is finished"), "{out}");
    fails(root, &["train", "archives", "--resume", "a", "--val-fraction", "0.5"], 2, &["--val-fraction 0.5"]);
    // Predictions carry WordNet ids and names.
    let (out, _) = done(root, &["predict", "a", "folders/val/n01440764/ILSVRC2012_val_00000002.JPEG", "--json"]);
    assert!(out.contains("\"class\":\"n01440764\",\"name\":\"tench, Tinca tinca\""), "{out}");
    let (out, _) = done(root, &["predict", "a", "folders/val/n01440764/ILSVRC2012_val_00000002.JPEG"]);
    assert!(out.contains("tench ") && !out.contains("Tinca"), "{out}");
    // The same errors, wherever the validation images lie.
    let (folders, _) = done(root, &["eval", "a", "folders", "--json"]);
    for source in ["archives", "shards", "shards/val-*.tar"] {
        assert_eq!(done(root, &["eval", "a", source, "--json"]).0, folders, "{source}");
    }
    assert!(done(root, &["eval", "a", "archives", "--split", "train", "--json"]).0.contains("\"images\":12"));
    let (out, _) = done(root, &["bench", "loader", "archives", "--net", "tiny", "--json", "--workers", "1"]);
    assert!(out.contains("images_per_second_u8"), "{out}");
}

#[test]
fn validation_images_are_asked_for_held_out_or_left_out() {
    let _guard = common::alone();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for class in ["a", "b"] {
        for n in 0..6 {
            write(root.join(format!("images/{class}/{n}.png")), picture(n));
        }
        write(root.join(format!("only/train/{class}/1.png")), picture(7));
    }
    fails(
        root,
        &["train", "images", "--net", "tiny"],
        2,
        &["without validation images", "--val", "--val-fraction 0.1"],
    );
    fails(root, &["train", "only", "--net", "tiny"], 1, &["no folder \"val\"", "--val SOURCE", "--val-fraction 0.1"]);
    fails(root, &["train", "images", "--val-fraction", "1"], 2, &["--val-fraction", "below 1"]);
    fails(root, &["train", "images", "--val-fraction", "0", "--val", "x"], 2, &["--val-fraction", "--val"]);
    train(root, "images", "none", &["--val-fraction", "0"]);
    let metrics = fs::read_to_string(root.join("none/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 4, "no evaluation: {metrics}");
    let (out, _) = done(root, &["train", "images", "--resume", "none"]);
    assert!(out.contains("is finished"), "{out}");
    train(root, "images", "some", &["--val-fraction", "0.34", "--seed", "3"]);
    let config: toml::Table = fs::read_to_string(root.join("some/config.toml")).unwrap().parse().unwrap();
    let images = |key: &str| config["data"][key].as_integer();
    assert_eq!((images("train_images"), images("val_images")), (Some(8), Some(4)));
    assert!(fs::read_to_string(root.join("some/README.md")).unwrap().contains("--val-fraction 0.34"));
    let (out, _) = done(root, &["eval", "some", "images", "--val-fraction", "0.34", "--seed", "3", "--json"]);
    assert!(out.contains("\"images\":4"), "{out}");
    train(root, "images", "own", &["--val", "images"]);
}

#[test]
fn data_says_what_a_source_is() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    archives::ilsvrc2012(root);
    let (out, said) = done(root, &["data", ".", "--net", "tiny"]);
    assert!(out.contains("train: 12 images of 3 classes") && out.contains("val: 5 images of 3 classes"), "{out}");
    assert!(out.contains("4  n07714990 (broccoli)"), "{out}");
    assert!(said.contains("ILSVRC 2012 archives, 5 val images of 3 classes"), "{said}");
    // Small archives made here are not those published.
    let out = alexnet(root, "data . --verify").output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!((out.status.code(), text.lines().count()), (Some(1), 3), "{text}");
    assert!(text.contains("but 1d675b47d978889d74fa0da5fadfb00e was published"), "{text}");
    fails(root, &["data", "nothing", "--verify"], 1, &["no archive with a published sum"]);
    write(root.join("a.tar"), tar([("x.txt", "words")]));
    fails(root, &["data", "a.tar"], 1, &["a.tar", "key x: no image"]);
}
