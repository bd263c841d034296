//! `plot`, `watch`, `report` and `train --tensorboard` as a user meets them, on a run of five steps.

mod common;

use common::binary::{done, fails};
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Colours of the training and the validation curve of a single run.
const TRAINING: Rgb<u8> = Rgb([0x00, 0x72, 0xb2]);
const VALIDATION: Rgb<u8> = Rgb([0xd5, 0x5e, 0x00]);
const STEPS: i64 = 5;

/// A folder with the data set `data` and the run `run`, whose metrics and event files are of five steps; `None` where
/// there is no adapter.
fn trained() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<TempDir>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if common::adapters().is_empty() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        done(folder.path(), &["synth", "data", "--classes", "3", "--train", "8", "--val", "4"]);
        let small = ["--net", "tiny", "--batch", "8", "--steps", "5", "--checkpoint-every", "2", "--eval-every", "3"];
        done(folder.path(), &[&["train", "data", "--run", "run", "--tensorboard"][..], &small].concat());
        Some(folder)
    });
    folder.as_ref().map(TempDir::path)
}

fn pixels(image: &RgbImage, colour: Rgb<u8>) -> usize {
    image.pixels().filter(|pixel| **pixel == colour).count()
}

#[test]
fn plot_draws_loss_beside_error() {
    let Some(folder) = trained() else { return };
    assert_eq!(done(folder, &["plot", "run", "curves.png"]), "curves.png\n");
    let image = image::open(folder.join("curves.png")).unwrap().into_rgb8();
    assert_eq!(image.dimensions(), (2240, 840));
    for half in [0, 1120] {
        let half = image::imageops::crop_imm(&image, half, 0, 1120, 840).to_image();
        assert!(pixels(&half, TRAINING) > 500 && pixels(&half, VALIDATION) > 200);
    }
    done(folder, &["plot", "run", "run", "curves.svg", "--log"]);
    let svg = fs::read_to_string(folder.join("curves.svg")).unwrap();
    // Text is paths, and nothing is fetched.
    assert!(svg.contains("width=\"1120\"") && svg.contains("<path") && !svg.contains("<text"), "{svg}");
    let text = done(folder, &["plot", "--text", "run"]);
    for part in ["loss (nats)", "top-1 error (%)", "training", "validation", "step"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "colours in a pipe: {text}");
}

#[test]
fn what_is_no_run_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for command in [&["plot", "empty", "out.png"][..], &["plot", "--text", "empty"], &["report", "empty", "out.html"]] {
        fails(folder.path(), command, 1, &["empty", "config.toml", "expected the folder of a run"]);
    }
    fails(folder.path(), &["plot", "empty"], 2, &["empty", "the picture to write", ".png", "--text"]);
    fails(folder.path(), &["plot", "empty", "out.jpg"], 2, &["out.jpg", ".svg"]);
    fails(folder.path(), &["report", "empty", "out.pdf"], 2, &["out.pdf", ".html"]);
    fails(folder.path(), &["watch", "empty"], 2, &["terminal", "alexnet plot --text empty"]);
    assert!(!folder.path().join("out.png").exists() && !folder.path().join("out.html").exists());
    let Some(trained) = trained() else { return };
    fs::copy(trained.join("run/config.toml"), folder.path().join("empty/config.toml")).unwrap();
    fails(folder.path(), &["plot", "empty", "out.png"], 1, &["metrics.jsonl", "has not begun to train"]);
    fs::write(folder.path().join("empty/metrics.jsonl"), "").unwrap();
    fails(folder.path(), &["report", "empty", "out.html"], 1, &["metrics.jsonl", "no step"]);
}

#[test]
fn a_report_is_one_file_with_everything_in_it() {
    let Some(folder) = trained() else { return };
    assert_eq!(done(folder, &["report", "run", "report.html"]), "report.html\n");
    let html = fs::read_to_string(folder.join("report.html")).unwrap();
    for part in [
        "<h1>run</h1>",
        ">Results</h2>",
        "On 12 validation images",
        ">Configuration</h2>",
        "alexnet train",
        "first learning rate",
        ">Filters</h2>",
        ">Confusion</h2>",
        "12 validation images, after",
        ">Predictions</h2>",
        ">Hardware and speed</h2>",
        "images a second, median",
        ">Differences from the paper</h2>",
        "<code>tiny</code>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // Loss, error, filters, confusion, ten predictions, rate.
    assert_eq!(html.matches("src=\"data:image/").count(), 15);
    for address in ["http://", "https://", "src=\"/", "<link", "<script"] {
        assert!(!html.contains(address), "{address}");
    }
    done(folder, &["report", "run", "run", "some.html", "--images", "5", "--data", "data"]);
    let html = fs::read_to_string(folder.join("some.html")).unwrap();
    assert!(html.contains("The runs side by side") && html.contains("5 validation images, drawn of 12"));
    done(folder, &["report", "run", "none.html", "--data", "elsewhere"]);
    let html = fs::read_to_string(folder.join("none.html")).unwrap();
    assert!(html.contains("Not measured: elsewhere") && html.contains("Not made, as above."));
}

/// Steps and lengths of the records of an event file, whose check sums its own tests and the tensorboard package check.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut at, mut records) = (0, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        records.push(bytes[at + 12..at + 12 + length].to_vec());
        at += 16 + length;
    }
    records
}

#[test]
fn events_hold_every_step_and_resuming_goes_on_with_them() {
    let Some(folder) = trained() else { return };
    let events = |run: &Path| {
        let entries = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().contains("tfevents")).collect();
        files.sort();
        files
    };
    let count = |files: &[std::path::PathBuf], tag: &str| {
        let found = |record: &Vec<u8>| record.windows(tag.len()).any(|part| part == tag.as_bytes());
        files.iter().flat_map(|file| records(file)).filter(found).count() as i64
    };
    let files = events(&folder.join("run"));
    assert_eq!(files.len(), 1);
    assert_eq!((count(&files, "training/loss"), count(&files, "validation/loss")), (STEPS, 2));
    assert_eq!((count(&files, "weights/fc8.weight"), count(&files, "filters/conv1.weight")), (2, 2));
    assert_eq!(count(&files, "brain.Event:2"), 1);

    // As after a crash between the checkpoint of step 4 and the end.
    let copy = tempfile::tempdir().unwrap();
    let run = copy.path().join("run");
    fs::create_dir(&run).unwrap();
    for entry in fs::read_dir(folder.join("run")).unwrap().map(|entry| entry.unwrap().path()) {
        let to = run.join(entry.file_name().unwrap());
        if entry.is_file() {
            fs::copy(&entry, to).unwrap();
        } else if !entry.ends_with("step-0000005") {
            fs::create_dir(&to).unwrap();
            for file in fs::read_dir(&entry).unwrap().map(|file| file.unwrap().path()) {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let data = folder.join("data");
    done(copy.path(), &["train", data.to_str().unwrap(), "--resume", "run"]);
    let files = events(&run);
    assert_eq!(files.len(), 2);
    assert_eq!((count(&files, "training/loss"), count(&files, "validation/loss")), (STEPS, 2));
    assert_eq!((count(&files[..1], "training/loss"), count(&files[..1], "validation/loss")), (STEPS - 1, 1));
}
