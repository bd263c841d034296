//! `prepare`: what it writes is what the source holds, to the same bytes however it was interrupted; what is damaged is
//! named.

use alexnet::Error;
use alexnet::data::prepared::{Form, Manifest, Settings, Subsampling};
use alexnet::data::{
    DataSet, Decoding, Details, Exif, Loader, LoaderSettings, Order, Reader, Shuffle, Split, Stats, measure, prepared,
};
use alexnet::prepare::{Work, verify};
use image::{ImageFormat, Rgb, RgbImage};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SIZE: usize = 24;

/// Smooth pictures of 40×30 pixels in three classes: `train` of them and a fifth as many to validate.
fn source(train: usize) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (split, images) in [("train", train), ("val", train.div_ceil(5))] {
        for number in 0..images {
            let class = root.path().join(split).join(["a", "b", "c"][number % 3]);
            fs::create_dir_all(&class).unwrap();
            let draw = |word| alexnet::random::hash(&[number as u32, word]) % 7 + 1;
            let value = |x: u32, y: u32, c: u32| (x * draw(c) + y * draw(c + 3) + 10 * draw(c + 6)) as u8;
            let image = RgbImage::from_fn(40, 30, |x, y| Rgb([0, 1, 2].map(|c| value(x / 8, y / 8, c))));
            image.save_with_format(class.join(format!("{number:04}")), ImageFormat::Png).unwrap();
        }
    }
    root
}

fn settings(form: Form) -> Settings {
    let (quality, subsampling, decoding) = (90, Subsampling::Both, Decoding::own());
    Settings { size: SIZE, form, quality, subsampling, shard: 20, exif: Exif::Apply, decoding }
}

fn work(source: &Path, out: &Path, settings: Settings, workers: usize) -> Work {
    let sets = [Split::Train, Split::Val].map(|split| Arc::new(DataSet::open(source, split).unwrap())).to_vec();
    Work { sets, source: source.to_owned(), out: out.to_owned(), settings, workers }
}

fn prepare(source: &Path, out: &Path, settings: Settings, workers: usize) -> Manifest {
    work(source, out, settings, workers).begin().unwrap().run(|_, _| {}).unwrap()
}

/// Every file of a folder; of the manifest, without where its source lay.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        if path.ends_with("manifest.json") {
            let text = String::from_utf8(bytes).unwrap();
            bytes = text.lines().filter(|line| !line.contains("\"source\"")).collect::<String>().into_bytes();
        }
        (path.file_name().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn squares(set: &DataSet) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(Exif::Apply);
    (0..set.len()).map(|n| set.square(n, SIZE, &mut reader).unwrap().square().rgb.to_vec()).collect()
}

#[test]
fn raw_is_the_source() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    let manifest = prepare(root.path(), out.path(), settings(Form::Raw), 2);
    for (split, images) in [(Split::Train, 50), (Split::Val, 10)] {
        let [own, theirs] = [root.path(), out.path()].map(|path| DataSet::open(path, split).unwrap());
        assert_eq!((theirs.len(), theirs.side(), &theirs.classes), (images, Some(SIZE), &own.classes));
        assert!((0..images).all(|n| own.label(n) == theirs.label(n)));
        assert!(squares(&own) == squares(&theirs));
        assert_eq!(manifest.splits[split.name()].shards.len(), images.div_ceil(20));
    }
    let train = DataSet::open(root.path(), Split::Train).unwrap();
    let (measured, _) = measure(&train, SIZE, Exif::Apply, 2, None, |_, _| {}).unwrap();
    assert_eq!(prepared::stats(out.path(), SIZE).unwrap().unwrap(), measured);
    assert_eq!(prepared::stats(out.path(), SIZE + 1).unwrap(), None);
    assert_eq!(prepared::stats(root.path(), SIZE).unwrap(), None);
    let figures = manifest.stats.unwrap();
    assert_eq!((figures.images, figures.components), (50, measured.colour.unwrap()));
    let channels = measured.channels();
    assert!((0..3).all(|c| (figures.mean[c] - f64::from(channels[c])).abs() < 1e-3));
    assert_eq!(verify(out.path(), |_, _| {}).unwrap(), Vec::<String>::new());
}

/// The same batches from folders and from squares, to the last bit.
#[test]
fn training_sees_no_difference() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    prepare(root.path(), out.path(), settings(Form::Raw), 2);
    let batches = |path: &Path, order| {
        let set = Arc::new(DataSet::open(path, Split::Train).unwrap());
        let settings = LoaderSettings {
            batch: 7,
            crop: 16,
            details: Details::default(),
            order,
            shuffle: Shuffle::Blocks(16),
            floats: false,
            seed: 3,
            workers: 2,
            exif: Exif::Apply,
            first_step: 1,
        };
        let stats = Arc::new(Stats::published(SIZE));
        let mut loader = Loader::train(set, stats, settings);
        let bits = |batch: alexnet::data::Batch| batch.floats().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        (0..20).map(|_| bits(loader.next().unwrap().batch)).collect::<Vec<_>>()
    };
    for order in [Order::Sequential, Order::Shuffled] {
        assert!(batches(root.path(), order) == batches(out.path(), order));
    }
}

#[test]
fn jpegs_are_near_the_source() {
    let root = source(50);
    let own = squares(&DataSet::open(root.path(), Split::Train).unwrap());
    let mut sizes = Vec::new();
    for (form, quality, subsampling, levels) in [
        (Form::Jpeg, 90, Subsampling::Both, 4.0),
        (Form::Jpeg, 100, Subsampling::None, 1.0),
        (Form::Webdataset, 90, Subsampling::Both, 4.0),
    ] {
        let out = tempfile::tempdir().unwrap();
        prepare(root.path(), out.path(), Settings { quality, subsampling, ..settings(form) }, 2);
        let set = DataSet::open(out.path(), Split::Train).unwrap();
        let found = squares(&set);
        let pairs = own.concat().into_iter().zip(found.concat());
        let difference = pairs.map(|(a, b)| f64::from(a.abs_diff(b))).sum::<f64>() / own.concat().len() as f64;
        assert!(difference < levels, "{form:?} {quality}: {difference} levels");
        let source = DataSet::open(root.path(), Split::Train).unwrap();
        assert!((0..50).all(|n| set.label(n) == source.label(n)));
        sizes.push((0..set.len()).map(|n| set.bytes(n)).sum::<u64>());
        assert!(verify(out.path(), |_, _| {}).unwrap().is_empty());
    }
    assert!(sizes[0] < sizes[1] && sizes[0] == sizes[2], "{sizes:?}");
}

#[test]
fn bad_images_are_listed() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    let set = DataSet::open(root.path(), Split::Train).unwrap();
    fs::write(set.path(7), "spoilt").unwrap();
    fs::write(set.path(30), "").unwrap();
    let manifest = prepare(root.path(), out.path(), settings(Form::Jpeg), 2);
    let train = &manifest.splits["train"];
    assert_eq!((train.images, train.skipped), (48, 2));
    let listed = fs::read_to_string(out.path().join("skipped.txt")).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("train\t7\t") && lines[0].contains("not a JPEG or PNG"), "{listed}");
    assert!(lines[1].starts_with("train\t30\t") && lines[1].contains("empty"), "{listed}");
    assert_eq!(DataSet::open(out.path(), Split::Train).unwrap().len(), 48);
}

fn binary(source: &Path, out: &Path, workers: usize, form: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.args(["prepare", "--net", "tiny", "--shard", "24", "--form", form, "--workers", &workers.to_string()]);
    command.arg(source).arg(out).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Killed again and again, each time a little later, it ends with the bytes of a run that nobody touched.
#[test]
fn killed_and_started_again() {
    let root = source(150);
    for (form, ending) in [("raw", "raw"), ("webdataset", "tar")] {
        let whole = tempfile::tempdir().unwrap();
        assert!(binary(root.path(), whole.path(), 3, form).status().unwrap().success());
        let out = tempfile::tempdir().unwrap();
        // As a kill leaves it before the first shard is whole.
        fs::write(out.path().join(format!(".tmp-train-000000.{ending}")), [0]).unwrap();
        let mut kills = 0;
        for attempt in 0.. {
            let mut child = binary(root.path(), out.path(), 1 + attempt % 3, form).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(20).mul_f64(1.4f64.powi(attempt as i32)));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{:?}", child.wait_with_output().unwrap());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills > 0, "nothing was interrupted");
        let (one, other) = (contents(whole.path()), contents(out.path()));
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&one), names(&other), "after {kills} kills");
        assert!(one == other, "other bytes after {kills} kills");
    }
}

#[test]
fn damage_is_named() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    prepare(root.path(), out.path(), settings(Form::Raw), 2);
    let shard = out.path().join("train-000001.raw");
    let whole = fs::read(&shard).unwrap();
    let open = || DataSet::open(out.path(), Split::Train).map(|_| ());
    let refused = |what: &str, wanted: &[&str]| {
        let error = open().unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Data { .. }) && wanted.iter().all(|w| text.contains(w)), "{what}: {text}");
    };
    fs::write(&shard, &whole[..whole.len() - 1]).unwrap();
    refused("a short shard", &["train-000001.raw", "the manifest says"]);
    fs::remove_file(&shard).unwrap();
    refused("a missing shard", &["train-000001.raw"]);
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    fs::write(&shard, &flipped).unwrap();
    open().unwrap();
    fs::remove_file(out.path().join("val-000000.raw")).unwrap();
    let wrong = verify(out.path(), |_, _| {}).unwrap();
    assert!(
        wrong.len() == 2 && wrong[0].contains("train-000001.raw") && wrong[1].contains("val-000000.raw"),
        "{wrong:?}"
    );
    let manifest = out.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (from, to, wanted) in [
        ("\"format\": 1", "\"format\": 2", "version 2"),
        ("\"images\": 20", "\"images\": 99999999999999999", "do not hold"),
        ("\"images\": 50", "\"images\": 51", "in its shards"),
        ("\"train-000001.raw\"", "\"../train-000001.raw\"", "not that of a file in this folder"),
        ("{", "", "not the manifest"),
    ] {
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        refused(to, &["manifest.json", wanted]);
    }
}

/// Cut short while it is read, a shard is an error; it is not mapped, so there is no signal.
#[test]
fn cut_short_while_open() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    prepare(root.path(), out.path(), settings(Form::Raw), 2);
    let set = DataSet::open(out.path(), Split::Train).unwrap();
    let mut reader = Reader::new(Exif::Apply);
    set.square(25, SIZE, &mut reader).unwrap();
    fs::OpenOptions::new().write(true).open(out.path().join("train-000001.raw")).unwrap().set_len(100).unwrap();
    let error = set.square(25, SIZE, &mut reader).err().unwrap().to_string();
    assert!(error.contains("train-000001.raw") && error.contains("cannot be read"), "{error}");
    set.square(1, SIZE, &mut reader).unwrap();
}

#[test]
fn what_is_there_is_not_overwritten() {
    let (root, other) = (source(50), source(40));
    let out = tempfile::tempdir().unwrap();
    let refused = |source: &Path, settings| work(source, out.path(), settings, 2).begin().err().unwrap().to_string();
    fs::write(out.path().join("letter.txt"), "dear").unwrap();
    assert!(refused(root.path(), settings(Form::Raw)).contains("holds something else"));
    fs::remove_file(out.path().join("letter.txt")).unwrap();
    prepare(root.path(), out.path(), settings(Form::Raw), 2);
    let before = contents(out.path());
    let smaller = Settings { size: 20, ..settings(Form::Raw) };
    assert!(refused(root.path(), smaller).contains("size 24, not 20"));
    assert!(refused(root.path(), settings(Form::Jpeg)).contains("form raw, not jpeg"));
    assert!(refused(other.path(), settings(Form::Raw)).contains("other images"));
    let again = work(root.path(), out.path(), settings(Form::Raw), 2).begin().unwrap();
    assert!(again.finished);
    again.run(|_, _| {}).unwrap();
    assert!(before == contents(out.path()));
    let file = out.path().join("skipped.txt");
    assert!(work(root.path(), &file, settings(Form::Raw), 2).begin().err().unwrap().to_string().contains("is a file"));
}

/// The disk is looked at first: nothing is written.
#[test]
fn too_small_a_disk() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    let size = 1 << 14;
    let needed = 60 * 3 * (size * size) as u64;
    // A disk with 48 GB free would hold it; then the test asks nothing.
    if fs4::available_space(out.path()).unwrap() < needed {
        let error = work(root.path(), out.path(), Settings { size, ..settings(Form::Raw) }, 2).begin().err().unwrap();
        assert!(error.to_string().contains("are free"), "{error}");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    }
}

#[test]
fn another_size_is_refused() {
    let (root, out) = (source(50), tempfile::tempdir().unwrap());
    prepare(root.path(), out.path(), settings(Form::Raw), 2);
    let train = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
        command.arg("train").arg(out.path()).args(["--net", "tiny", "--steps", "1", "--batch", "8", "--run"]);
        command.arg(root.path().join("run")).args(more).output().unwrap()
    };
    let refused = train(&[]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && text.contains("prepared at 24") && text.contains("--resize"), "{text}");
    let resized = train(&["--resize"]);
    assert!(resized.status.success(), "{}", String::from_utf8_lossy(&resized.stderr));
}
