//! The built-in data set: its files, its settings, and that colour alone tells none of its eight shapes and textures.

use alexnet::error::{Error, Result};
use alexnet::synth::{self, MARKER, Split, Synth, class_names, draw};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;

const SMALL: Synth = Synth { classes: 3, train: 3, val: 2, seed: 7, hard: false };

fn quiet(_: usize, _: usize) {}

fn generate(dir: &Path, settings: Synth, threads: usize) -> Result<()> {
    synth::generate_on(NonZeroUsize::new(threads).unwrap(), dir, &settings, quiet)
}

/// Every file below a folder: path within it and bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn visit(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(root, root, &mut found);
    found
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn message(result: Result<()>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let temp = TempDir::new().unwrap();
    let set = |name: &str, settings, threads| {
        let dir = temp.path().join(name);
        generate(&dir, settings, threads).unwrap();
        files(&dir)
    };
    let one = set("one", SMALL, 1);
    assert_eq!(one, set("again", SMALL, 1));
    assert_eq!(one, set("five", SMALL, 5));
    let other = set("other", Synth { seed: 8, ..SMALL }, 2);
    assert!(one.iter().all(|(path, bytes)| other[path] != *bytes), "another seed, other images");
}

#[test]
fn the_folders_are_classes_and_no_two_images_are_equal() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("deep/within/set");
    generate(&dir, SMALL, 2).unwrap();
    assert_eq!(names_in(&dir), [MARKER, "train", "val"]);
    let mut expected: Vec<_> = class_names().take(3).collect();
    expected.sort_unstable();
    for (split, count) in [("train", SMALL.train), ("val", SMALL.val)] {
        assert_eq!(names_in(&dir.join(split)), expected);
        for class in &expected {
            assert_eq!(names_in(&dir.join(split).join(class)).len(), count);
        }
    }
    let all = files(&dir);
    let different: HashSet<_> = all.values().collect();
    assert_eq!(all.len(), 3 * (3 + 2) + 1);
    assert_eq!(different.len(), all.len(), "an image of one split or class appears in another");
}

#[test]
fn a_smaller_set_is_part_of_a_larger_one() {
    let temp = TempDir::new().unwrap();
    let (small, large) = (temp.path().join("small"), temp.path().join("large"));
    generate(&small, SMALL, 2).unwrap();
    generate(&large, Synth { classes: 4, train: 5, val: 3, ..SMALL }, 2).unwrap();
    let large = files(&large);
    for (path, bytes) in files(&small).iter().filter(|(path, _)| path.as_path() != Path::new(MARKER)) {
        assert!(large[path] == *bytes, "{}", path.display());
    }
}

#[test]
fn a_hard_set_has_twenty_classes_and_images_of_its_own() {
    let temp = TempDir::new().unwrap();
    let (easy, hard) = (temp.path().join("easy"), temp.path().join("hard"));
    let settings = Synth { classes: 20, train: 1, val: 1, seed: 7, hard: true };
    generate(&hard, settings, 2).unwrap();
    generate(&easy, Synth { classes: 10, hard: false, ..settings }, 2).unwrap();
    assert_eq!(names_in(&hard.join("val")).len(), 20);
    let all = files(&hard);
    let (easy, different) = (files(&easy), all.values().collect::<HashSet<_>>());
    assert_eq!(different.len(), all.len());
    assert!(easy.iter().all(|(path, bytes)| all[path] != *bytes), "an image of both");
    let why = message(generate(&hard, Synth { hard: false, classes: 10, ..settings }, 2));
    assert!(why.contains("--classes 20") && why.contains("--hard"), "{why}");
}

#[test]
fn files_are_jpegs_of_varying_sides() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("set");
    generate(&dir, SMALL, 2).unwrap();
    let mut sides = HashSet::new();
    for (path, bytes) in files(&dir).iter().filter(|(path, _)| path.as_path() != Path::new(MARKER)) {
        assert_eq!(image::guess_format(bytes).unwrap(), image::ImageFormat::Jpeg, "{}", path.display());
        let image = image::load_from_memory(bytes).unwrap();
        let (width, height) = (image.width(), image.height());
        assert!(width != height && (80..=160).contains(&width) && (80..=160).contains(&height), "{width}×{height}");
        sides.insert((width, height));
    }
    assert!(sides.len() > 5, "{sides:?}");
}

#[test]
fn progress_counts_every_image_once() {
    let temp = TempDir::new().unwrap();
    let seen = Mutex::new(Vec::new());
    let record = |done, all| seen.lock().unwrap().push((done, all));
    synth::generate(&temp.path().join("set"), &SMALL, record).unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=15).map(|done| (done, 15)).collect::<Vec<_>>());
}

#[test]
fn a_finished_set_is_left_as_it_is() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("set");
    generate(&dir, SMALL, 2).unwrap();
    let changed = dir.join("val").join(class_names().next().unwrap()).join("00000.jpg");
    fs::write(&changed, "the user's own").unwrap();
    generate(&dir, SMALL, 2).unwrap();
    assert_eq!(fs::read(&changed).unwrap(), b"the user's own");
}

#[test]
fn an_empty_folder_is_filled() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("set");
    fs::create_dir(&dir).unwrap();
    generate(&dir, SMALL, 2).unwrap();
    assert!(dir.join(MARKER).is_file());
    assert_eq!(names_in(temp.path()), ["set"], "nothing is left beside it");
}

#[test]
fn other_contents_are_refused_and_kept() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("mine");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    let why = message(generate(&dir, SMALL, 2));
    assert!(why.contains("mine") && why.contains("something else") && why.contains("empty one"), "{why}");
    assert_eq!(names_in(&dir), ["notes.txt"]);

    let why = message(generate(&dir.join("notes.txt"), SMALL, 2));
    assert!(why.contains("notes.txt") && why.contains("is a file"), "{why}");
    assert_eq!(fs::read(dir.join("notes.txt")).unwrap(), b"mine");

    let set = temp.path().join("set");
    generate(&set, SMALL, 2).unwrap();
    let before = files(&set);
    let why = message(generate(&set, Synth { seed: 8, ..SMALL }, 2));
    assert!(why.contains("--seed 7") && why.contains("--seed 8"), "{why}");
    assert!(files(&set) == before);

    fs::write(set.join(MARKER), "classes = \"many\"").unwrap();
    let why = message(generate(&set, SMALL, 2));
    assert!(why.contains(MARKER) && why.contains("new folder"), "{why}");
    assert_eq!(names_in(temp.path()), ["mine", "set"], "nothing is left beside them");
}

#[test]
fn settings_out_of_range_are_usage_errors() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("set");
    for (settings, option) in [
        (Synth { classes: 1, ..SMALL }, "--classes 1"),
        (Synth { classes: 11, ..SMALL }, "--classes 11"),
        (Synth { classes: 21, hard: true, ..SMALL }, "--classes 21"),
        (Synth { train: 0, ..SMALL }, "--train 0"),
        (Synth { val: 0, ..SMALL }, "--val 0"),
        (Synth { val: 100_001, ..SMALL }, "--val 100001"),
    ] {
        let error = generate(&dir, settings, 1).unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        let why = error.to_string();
        assert!(why.contains(option) && why.contains(" to "), "{why}");
    }
    let error = generate(&temp.path().join(".."), SMALL, 1).unwrap_err();
    assert!(matches!(error, Error::Data { .. } | Error::Usage(_)), "{error:?}");
    assert_eq!(names_in(temp.path()), [""; 0]);
}

#[test]
fn a_failed_write_names_the_path_and_leaves_nothing() {
    let temp = TempDir::new().unwrap();
    fs::write(temp.path().join("file"), "").unwrap();
    let error = generate(&temp.path().join("file/set"), SMALL, 1).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("file"), "{error}");
    assert_eq!(names_in(temp.path()), ["file"]);
}

/// Mean colour of the centre square, which is what the loader keeps.
fn mean_colour(split: Split, class: usize, number: usize) -> [f64; 3] {
    let image = draw(&Synth::default(), split, class, number);
    let side = image.width().min(image.height());
    let (left, top) = ((image.width() - side) / 2, (image.height() - side) / 2);
    let mut sum = [0.0; 3];
    for (x, y, pixel) in image.enumerate_pixels() {
        if (left..left + side).contains(&x) && (top..top + side).contains(&y) {
            for (sum, &value) in sum.iter_mut().zip(&pixel.0) {
                *sum += f64::from(value);
            }
        }
    }
    sum.map(|sum| sum / f64::from(side * side))
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|i| (a[i] - b[i]).powi(2)).sum()
}

/// Fraction of held-out images that `guess` takes for their class.
fn accuracy(classes: &[usize], guess: impl Fn([f64; 3]) -> usize) -> f64 {
    let held_out = 100;
    let right = classes
        .iter()
        .map(|&class| (0..held_out).filter(|&n| guess(mean_colour(Split::Val, class, n)) == class).count())
        .sum::<usize>();
    right as f64 / (classes.len() * held_out) as f64
}

#[test]
fn mean_colour_tells_no_class_but_the_blobs() {
    let train = 150;
    let colours: Vec<Vec<_>> =
        (0..10).map(|class| (0..train).map(|n| mean_colour(Split::Train, class, n)).collect()).collect();
    let means: Vec<[f64; 3]> = colours
        .iter()
        .map(|all| std::array::from_fn(|i| all.iter().map(|colour| colour[i]).sum::<f64>() / all.len() as f64))
        .collect();
    let nearest_mean = |classes: &[usize], colour| {
        let near = |&&a: &&usize, &&b: &&usize| distance(means[a], colour).total_cmp(&distance(means[b], colour));
        *classes.iter().min_by(near).unwrap()
    };
    // The class of most of the 15 nearest training images: sees spread and shape of the distributions, too.
    let neighbours = |classes: &[usize], colour| {
        let mut all: Vec<_> = classes
            .iter()
            .flat_map(|&class| colours[class].iter().map(move |&other| (distance(other, colour), class)))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let votes = |class| all[..15].iter().filter(|(_, other)| *other == class).count();
        *classes.iter().max_by_key(|&&class| votes(class)).unwrap()
    };
    let others: Vec<_> = (0..8).collect();
    let by_mean = accuracy(&others, |colour| nearest_mean(&others, colour));
    let by_neighbours = accuracy(&others, |colour| neighbours(&others, colour));
    let blobs = accuracy(&[8, 9], |colour| nearest_mean(&[8, 9], colour));
    println!("nearest mean {by_mean:.3}, neighbours {by_neighbours:.3} of eight; blobs {blobs:.3}");
    // Chance is 0.125, its standard deviation over 800 images 0.012.
    assert!(by_mean < 0.18, "{by_mean}");
    assert!(by_neighbours < 0.2, "{by_neighbours}");
    assert!(blobs > 0.55, "the same rule on the two blobs, which colour does tell: {blobs}");
}
