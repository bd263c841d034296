//! WebDataset through commands: what streams past is what the shards hold, for any number of workers.
#![cfg(unix)]

mod common;

use alexnet::data::source::{self, Options};
use alexnet::data::{
    DataSet, Details, Exif, Loader, LoaderSettings, Order, Shuffle, Split, Stats, Stored, steps_per_pass,
};
use common::archives::{picture, tar, write};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Shards of `each` samples whose number is in the name and in the image.
fn shards(count: usize, each: usize) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for shard in 0..count {
        let files = (shard * each..(shard + 1) * each).flat_map(|n| {
            [(format!("{n:04}.png"), picture(n)), (format!("{n:04}.cls"), (n % 3).to_string().into_bytes())]
        });
        write(root.path().join(format!("{shard}.tar")), tar(files));
    }
    root
}

fn open(command: &str) -> Result<DataSet, String> {
    source::open(Path::new(command), Split::Train, &Options::default(), &mut ()).map_err(|e| e.to_string())
}

#[test]
fn images_are_those_of_the_shards_in_their_order() {
    let root = shards(3, 4);
    let set = open(&format!("pipe:cat {}/{{0..2}}.tar", root.path().display())).unwrap();
    assert_eq!((set.len(), set.classes.len(), set.has_splits), (12, 3, false));
    // Forwards, out of order and from the beginning again.
    let mut buffer = Vec::new();
    for number in (0..12).chain([3, 7, 5, 11, 0, 2, 1]) {
        let Stored::File(bytes) = set.read(number, &mut buffer).unwrap() else { panic!("a file") };
        assert!(bytes == picture(number), "{number}");
        assert_eq!(set.label(number), number as u32 % 3);
    }
}

#[test]
fn batches_do_not_depend_on_the_workers() {
    let root = shards(4, 300);
    let command = format!("pipe:cat {}/{{0..3}}.tar", root.path().display());
    let run = |workers, first_step| {
        let set = Arc::new(open(&command).unwrap().uncached());
        let settings = LoaderSettings {
            batch: 50,
            crop: 8,
            details: Details { augment: alexnet::data::Augment::None, ..Details::default() },
            order: Order::Shuffled,
            shuffle: Shuffle::Full,
            floats: false,
            seed: 3,
            workers,
            exif: Exif::Apply,
            first_step,
        };
        let steps = steps_per_pass(set.len(), 50) as usize;
        let mut loader = Loader::train(set, Arc::new(Stats::published(8)), settings);
        let batches = (first_step as usize..=2 * steps).map(|_| loader.next().unwrap().batch);
        batches.map(|batch| format!("{:?} {:?}", batch.labels, batch.pixels)).collect::<Vec<_>>()
    };
    let one = run(1, 1);
    assert_eq!(one.len(), 48);
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 48, "a batch comes twice");
    assert!(one == run(3, 1), "three workers make other batches");
    assert!(one[29..] == run(2, 30), "resumed at step 30");
}

#[test]
fn what_goes_wrong_is_named() {
    let root = shards(1, 2);
    let tar_at = root.path().join("0.tar").display().to_string();
    let fails = |command: &str, parts: &[&str]| {
        let error = open(command).unwrap_err();
        parts.iter().for_each(|part| assert!(error.contains(part), "`{error}` does not say `{part}`"));
    };
    fails("pipe:false", &["pipe:false", "cut short"]);
    fails(&format!("pipe:cat {tar_at}; exit 3"), &["the command failed", "3"]);
    fails(&format!("pipe:head -c 900 {tar_at}"), &["cut short"]);
    fails(
        "pipe:echo words that are no archive, and enough of them to fill a block; head -c 600 /dev/urandom",
        &["not a tar"],
    );
    let twice = [("1.png", picture(1)), ("1.cls", b"0".to_vec()), ("2.cls", b"0".to_vec())];
    write(root.path().join("a.tar"), tar(twice));
    fails(&format!("pipe:cat {}/a.tar", root.path().display()), &["key 2: no image"]);
}
