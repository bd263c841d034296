//! Every example runs and says something true.
//!
//! `cargo test` builds the examples first; with `--test examples`, say `--examples` as well, or it runs those built before.

mod common;

use common::{adapters, alone};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Where cargo puts an example: beside the folder of this test's own binary.
fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap().join("examples");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: add `--examples` to what you typed", path.display());
    path
}

fn output(program: &Path, folder: &Path, words: &[&str]) -> Output {
    Command::new(program).current_dir(folder).args(words).output().unwrap()
}

/// Standard output of a program that must succeed.
fn done(program: &Path, folder: &Path, words: &[&str]) -> String {
    let out = output(program, folder, words);
    assert!(out.status.success(), "{} {words:?}: {}", program.display(), String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Standard error of a program that must fail in words.
fn fails(program: &Path, folder: &Path, words: &[&str]) -> String {
    let out = output(program, folder, words);
    let message = String::from_utf8(out.stderr).unwrap();
    assert!(!out.status.success() && !message.contains("panicked"), "{} {words:?}: {message}", program.display());
    message
}

fn alexnet() -> PathBuf {
    env!("CARGO_BIN_EXE_alexnet").into()
}

/// A folder with three classes of drawings in `data` and two steps of training in `run`.
fn trained() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    done(&alexnet(), folder.path(), &["synth", "data", "--classes", "3", "--train", "4", "--val", "1"]);
    let train = ["train", "data", "--net", "tiny", "--run", "run", "--batch", "4", "--steps", "2"];
    done(&alexnet(), folder.path(), &train);
    folder
}

fn first_file(folder: &Path) -> PathBuf {
    let entry = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if entry.is_dir() { first_file(&entry) } else { entry }
}

#[test]
fn kernel_on_every_adapter() {
    let _alone = alone();
    let here = std::env::temp_dir();
    for row in adapters() {
        let said = done(&example("kernel"), &here, &[&row.index.to_string()]);
        assert!(said.contains(&row.info.name) && said.contains("relu/forward"), "{said}");
        assert!(said.contains("max(x,0) [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, inf, NaN]"), "{said}");
    }
    let message = fails(&example("kernel"), &here, &["no such adapter"]);
    assert!(message.contains("no such adapter"), "{message}");
}

#[test]
fn overfit_learns_its_batch() {
    let _alone = alone();
    if adapters().is_empty() {
        return;
    }
    let said = done(&example("overfit"), &std::env::temp_dir(), &[]);
    let losses: Vec<f64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("step ")?.split_once("loss ")?.1.split(' ').next()?.parse().ok())
        .collect();
    let &[first, .., last] = &losses[..] else { panic!("{said}") };
    // It begins undecided between ten classes.
    assert!((first - 10f64.ln()).abs() < 0.5 && last < 0.1, "{said}");
}

#[test]
fn columns_prints_the_plan_without_an_adapter() {
    let said = done(&example("columns"), &std::env::temp_dir(), &["128"]);
    // conv3 of the paper reads 13 × 13 places of the other column's 128 maps; fc8 is in column 1 alone.
    for line in [
        format!("gather    conv3, {} bytes each way", 4 * 128 * 13 * 13 * 128),
        format!("scatter   fc6, {} bytes each way", 4 * 128 * 6 * 6 * 128),
        format!("gather    fc8, {} bytes from column 2 to column 1", 4 * 128 * 2048),
        format!("scatter   fc8, {} bytes from column 1 to column 2", 4 * 128 * 2048),
        format!("the parameters are {} bytes", 4 * 60_965_224),
    ] {
        assert!(said.contains(&line), "`{line}` is not in\n{said}");
    }
    assert!(said.contains("tiny, a step of 128 images"), "{said}");
    let message = fails(&example("columns"), &std::env::temp_dir(), &["none"]);
    assert!(message.contains("BATCH") && message.contains("none"), "{message}");
}

#[test]
fn two_adapters_agree() {
    let _alone = alone();
    let rows = adapters();
    if rows.is_empty() {
        return;
    }
    let said = done(&example("two_adapters"), &std::env::temp_dir(), &[]);
    assert!(said.contains("0,0 against 0: all ") && said.contains("have the same bytes"), "{said}");
    let losses = |placement: &str| -> Vec<f64> {
        let rest = said.lines().find_map(|line| line.strip_prefix(placement)?.trim_start().strip_prefix("losses "));
        let rest = rest.unwrap_or_else(|| panic!("no losses of {placement} in\n{said}"));
        rest.split(' ').take(2).map(|word| word.parse().unwrap()).collect()
    };
    let alone = losses("0 ");
    assert_eq!(losses("0,0 "), alone, "{said}");
    if rows.len() == 1 {
        assert!(said.contains("0,1: there is one adapter here"), "{said}");
        return;
    }
    for (a, b) in losses("0,1 ").iter().zip(&alone) {
        assert!((a - b).abs() < 1e-4 * b, "{said}");
    }
}

#[test]
fn filters_and_predict_do_what_the_commands_do() {
    let _alone = alone();
    if adapters().is_empty() {
        return;
    }
    let trained = trained();
    let folder = trained.path();

    let said = done(&example("filters"), folder, &["run", "a.png"]);
    assert!(said.contains("step-0000002") && said.contains("32 filters of 5×5 in 2 columns"), "{said}");
    done(&alexnet(), folder, &["filters", "run", "b.png"]);
    assert!(fs::read(folder.join("a.png")).unwrap() == fs::read(folder.join("b.png")).unwrap());

    let image = first_file(&folder.join("data/val"));
    let image = image.to_str().unwrap();
    let said = done(&example("predict"), folder, &["run", image]);
    let json = done(&alexnet(), folder, &["predict", "run", image, "--views", "10", "--json"]);
    let expected: serde_json::Value = serde_json::from_str(&json).unwrap();
    let lines: Vec<_> = said.lines().collect();
    let top = expected["top"].as_array().unwrap();
    assert_eq!((lines[0], lines.len() - 1, top.len()), (image, 3, 3), "{said}");
    for (line, guess) in lines[1..].iter().zip(top) {
        let probability = 100.0 * guess["probability"].as_f64().unwrap();
        assert_eq!(*line, format!("{probability:5.1} %  {}", guess["class"].as_str().unwrap()));
    }
}

#[test]
fn what_is_left_out_or_wrong_is_named() {
    let here = std::env::temp_dir();
    for (name, words) in [("filters", &[][..]), ("predict", &[]), ("predict", &["weights"])] {
        let message = fails(&example(name), &here, words);
        assert!(message.contains(&format!("cargo run --release --example {name} -- WEIGHTS")), "{message}");
    }
    for (name, words) in [("filters", &["no-such-run"][..]), ("predict", &["no-such-run", "image.png"])] {
        let message = fails(&example(name), &here, words);
        assert!(message.contains("no-such-run"), "{message}");
    }
}
