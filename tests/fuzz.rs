//! The bodies of the fuzz targets on seeded inputs: valid ones with bytes changed, cut, repeated and put in. None panics,
//! and none takes more memory than a bound. `ALEXNET_FUZZ_INPUTS` sets how many inputs each gets.

mod common;

use alexnet::features::{self, Info, Rows};
use alexnet::fuzz;
use common::archives::{self, picture, tar};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Inputs a target.
const INPUTS: usize = 20_000;

/// Counts what a thread allocates: other threads of the test's process do not disturb it.
struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// Counts `size` bytes more; freed by another thread, they stay counted.
fn count(size: usize) {
    LIVE.set(LIVE.get() + size);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: every call goes to the system's allocator unchanged, and cells without destructors never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // What another thread allocated may be freed here.
        LIVE.set(LIVE.get().saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs a target on many inputs made of `valid` ones; `repair` makes a changed input likelier to be read on.
fn run(name: &str, target: fn(&[u8]), valid: &[Vec<u8>], bound: usize, repair: fn(&mut Vec<u8>)) {
    let inputs = std::env::var("ALEXNET_FUZZ_INPUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(INPUTS);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for valid in valid {
        target(valid);
        target(&valid[..valid.len() / 2]);
    }
    target(b"");
    let mut most = 0;
    for number in 0..inputs {
        let mut input = valid[number % valid.len()].clone();
        for _ in 0..rng.random_range(1..=4) {
            change(&mut input, &mut rng);
        }
        if number % 2 == 0 {
            repair(&mut input);
        }
        let before = LIVE.get();
        PEAK.set(before);
        target(&input);
        let taken = PEAK.get() - before;
        assert!(taken <= bound, "{name}, input {number}: {taken} bytes, the bound is {bound}");
        most = most.max(taken);
    }
    println!("{name}: {inputs} inputs, {most} bytes at most");
}

fn change(input: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    const EDGES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
    if input.is_empty() {
        return input.push(rng.random());
    }
    let at = rng.random_range(0..input.len());
    let length = rng.random_range(1..=64usize).min(input.len() - at);
    match rng.random_range(0..7) {
        0 => input[at] ^= 1 << rng.random_range(0..8),
        1 => input[at] = rng.random(),
        2 => input[at..at + length].fill(EDGES[rng.random_range(0..EDGES.len())]),
        3 => input.truncate(at),
        4 => _ = input.drain(at..at + length),
        5 => {
            let part = input[at..at + length].to_vec();
            let to = rng.random_range(0..=input.len());
            input.splice(to..to, part);
        }
        _ => {
            let number = rng.random::<u32>() >> rng.random_range(0..32);
            let bytes = number.to_le_bytes();
            let length = length.min(4);
            input[at..at + length].copy_from_slice(&bytes[..length]);
        }
    }
}

fn nothing(_: &mut Vec<u8>) {}

/// Gives every block that could be a header its checksum.
#[expect(clippy::ptr_arg, reason = "another target's repair changes the length")]
fn checksums(input: &mut Vec<u8>) {
    for block in input.chunks_exact_mut(512).filter(|b| b[0] != 0 && b[100..108].is_ascii()) {
        let mut header = tar::Header::from_byte_slice(block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}

fn shard() -> Vec<u8> {
    tar([
        ("a/0.png".to_owned(), picture(0)),
        ("a/0.cls".to_owned(), b"0".to_vec()),
        ("1.jpg".to_owned(), picture(1)),
        ("1.json".to_owned(), br#"{"label": 1}"#.to_vec()),
        (format!("{}2.png", "folder/".repeat(30)), picture(2)),
        (format!("{}2.txt", "folder/".repeat(30)), b"2".to_vec()),
    ])
}

#[test]
fn archive() {
    let nested = tar([("n01440764.tar", tar(archives::images_of(0))), ("n02105855.tar", tar(archives::images_of(1)))]);
    let index = [
        r#"{"version":1,"bytes":9000,"modified":1,"members":2,"headers":"00","odd":{"links":2}}"#,
        r#"[512,1000,"a.png",null]"#,
        r#"[2048,1,"a.cls","7"]"#,
    ];
    run("archive", fuzz::archive, &[shard(), nested, index.join("\n").into_bytes()], 4 << 20, checksums);
}

#[test]
fn mat() {
    let valid = [archives::meta_mat(2012, true), archives::meta_mat(2012, false), archives::meta_mat(2010, false)];
    // A compressed variable may hold 64 MiB, and the buffer that takes it grows by doubling.
    run("mat", fuzz::mat, &valid, 200 << 20, nothing);
}

#[test]
fn cifar() {
    let record = |n: u8| std::iter::once(n % 10).chain((0..3072).map(move |i| (i % 251) as u8));
    run("cifar", fuzz::cifar, &[(0..3).flat_map(record).collect(), record(3).collect()], 1 << 20, |input| {
        input.resize(input.len().next_multiple_of(3073).min(3 * 3073), 1);
    });
}

#[test]
fn webdataset() {
    run("webdataset", fuzz::webdataset, &[shard()], 64 << 20, checksums);
}

/// A file that `prepare` makes of small folders in a form.
fn prepared(form: &str, file: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    archives::folders(&folder.path().join("data"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_alexnet"));
    let words = ["prepare", "data", "out", "--size", "16", "--form", form];
    let out = command.current_dir(folder.path()).args(words).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    std::fs::read(folder.path().join("out").join(file)).unwrap()
}

#[test]
fn manifest() {
    let text = prepared("raw", alexnet::data::prepared::MANIFEST);
    run("manifest", fuzz::manifest, &[text], 4 << 20, nothing);
}

#[test]
fn shards() {
    let table = |ends: &[u64]| {
        let classes = (0..ends.len() as u32).flat_map(u32::to_le_bytes);
        ends.iter().flat_map(|end| end.to_le_bytes()).chain(classes).collect::<Vec<u8>>()
    };
    let tar = prepared("webdataset", "train-000000.tar");
    run("shards", fuzz::shards, &[table(&[500, 1100, 1 << 20]), tar.clone(), tar], 4 << 20, checksums);
}

#[test]
fn features() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.safetensors");
    let classes = vec!["a".to_owned(), "b".to_owned()];
    let info = Info {
        format: String::new(),
        net: "tiny".to_owned(),
        layer: "fc7".to_owned(),
        shape: [3, 1, 1],
        weights: "00".to_owned(),
        source: "data".into(),
        split: alexnet::data::Split::Val,
        classes,
        class_names: None,
        rows: Rows::default(),
    };
    features::write(&path, features::Form::Safetensors, &info, 2, |sink| {
        sink.push(&[0.5; 6])?;
        Ok(Rows { labels: vec![0, 1], files: vec!["a/0.jpg".to_owned(), "b/1.jpg".to_owned()] })
    })
    .unwrap();
    run("features", fuzz::features, &[std::fs::read(&path).unwrap()], 4 << 20, nothing);
}

#[test]
fn weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let array =
        |dims: &[usize]| alexnet::weights::Array { dims: dims.to_vec(), data: vec![1.5; dims.iter().product()] };
    let arrays = [("conv1.weight".to_owned(), array(&[2, 3, 2, 2])), ("conv1.bias".to_owned(), array(&[2]))];
    let file = alexnet::weights::Weights { arrays: arrays.into(), ..Default::default() };
    file.write(&path).unwrap();
    run("weights", fuzz::weights, &[std::fs::read(&path).unwrap()], 4 << 20, nothing);
}

#[test]
fn image() {
    let read = |name: &str| std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let valid = [picture(0), read("cmyk.jpg"), read("ycck.jpg"), read("progressive.jpg")];
    // A header may claim 2²⁷ pixels, of eight bytes at most while they are decoded and of three when they are RGB.
    run("image", fuzz::image, &valid, 11 << 27, nothing);
}
