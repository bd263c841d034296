//! `reproduce` end to end at its shortest, its plan, its refusals, and that nothing is done twice.

mod common;

use alexnet::reproduce::ALL;
use alexnet::reproduce::results::{Status, read};
use common::binary::{alexnet, done, fails};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Names of the runs in a folder, and when each was last written.
fn runs(out: &Path) -> Vec<(String, std::time::SystemTime)> {
    let entry = |entry: fs::DirEntry| {
        let time = fs::metadata(entry.path().join("metrics.jsonl")).unwrap().modified().unwrap();
        (entry.file_name().into_string().unwrap(), time)
    };
    let mut runs: Vec<_> = fs::read_dir(out.join("runs")).unwrap().map(|e| entry(e.unwrap())).collect();
    runs.sort();
    runs
}

#[test]
fn what_cannot_be_done_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fails(folder, "reproduce fig9 --out o", 2, &["fig9", "fig1, two-gpus, lrn", "init"]);
    fails(folder, "reproduce", 2, &["--out"]);
    fails(folder, "reproduce lrn --scale paper --out o", 2, &["--data-2012", "ILSVRC-2012", "image-net.org"]);
    fails(folder, "reproduce fig1 --scale paper --out o", 2, &["--data-cifar", "CIFAR-10"]);
    fails(folder, "reproduce lrn --scale paper --data-2012 nowhere --out o", 1, &["nowhere"]);
    fails(folder, "reproduce lrn --scale trial --adapters 99 --out o", 1, &["99"]);
    assert!(!folder.join("o/runs").exists(), "a refused campaign trained something");
}

#[test]
fn equal_runs_are_trained_once_and_results_stand_beside_the_papers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plan = done(folder, "reproduce two-gpus overlap --scale trial --seeds 2 --out o --dry-run");
    for part in ["two-gpus (3.2)", "tiny-half", "4 steps of 8", "MiB, trained in two-gpus", "6 runs"] {
        assert!(plan.contains(part), "{part} in {plan}");
    }
    let trained = || folder.join("o/runs").read_dir().map_or(0, Iterator::count);
    assert_eq!(trained(), 0, "a plan trains nothing");
    let out = done(folder, "reproduce two-gpus overlap --scale trial --seeds 2 --out o");
    assert!(out.contains("REPRODUCTION.md"), "{out}");
    let before = runs(&folder.join("o"));
    assert_eq!(before.len(), 6, "{before:?}");
    let records = read(&folder.join("o")).unwrap();
    assert_eq!(records.iter().map(|record| &record.name[..]).collect::<Vec<_>>(), ["two-gpus", "overlap"]);
    for record in &records {
        let Status::Run { arms, outcome, .. } = &record.status else { panic!("{record:?}") };
        assert!(arms.iter().all(|arm| arm.steps == 4 && arm.runs.len() == 2));
        for finding in &outcome.findings {
            assert_eq!(finding.differences.len(), 2, "{finding:?}");
            assert!(finding.interval.unwrap().low.is_finite());
        }
        // The arms of both experiments that are the paper's own are the same runs.
        let own = arms.last().unwrap().runs.iter().map(|run| run.folder.clone());
        assert!(own.clone().all(|name| before.iter().any(|(run, _)| *run == name)), "{:?}", own.collect::<Vec<_>>());
    }
    let text = fs::read_to_string(folder.join("o/REPRODUCTION.md")).unwrap();
    for part in ["| `two-gpus` | 3.2 |", "−1.7", "held-out top-1 error, 3/2 − 2/2, points"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Once more: nothing is trained.
    done(folder, "reproduce two-gpus --scale trial --seeds 2 --out o");
    assert_eq!(runs(&folder.join("o")), before);
}

#[test]
fn every_experiment_runs_to_its_end_and_stands_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "reproduce all --scale trial --seeds 2 --out o");
    let records = read(&folder.join("o")).unwrap();
    assert_eq!(records.len(), ALL.len());
    let html = fs::read_to_string(folder.join("o/report.html")).unwrap();
    for record in &records {
        let Status::Run { outcome, arms, .. } = &record.status else { panic!("{record:?}") };
        assert!(!arms.is_empty() && !outcome.findings.is_empty(), "{record:?}");
        assert!(outcome.findings.iter().all(|finding| finding.differences.iter().all(|d| d.is_finite())), "{record:?}");
        for (file, _) in &outcome.pictures {
            let picture = image::open(folder.join("o/pictures").join(file)).unwrap();
            assert!(picture.width() > 100 && picture.height() > 50, "{file}");
        }
        assert!(html.contains(&record.title), "{} is not in the report", record.name);
    }
    assert!(html.contains("CIFAR-10: not run"));
    // Of the rates that an arm is tried with, one alone goes on with the second seed.
    let lrn = records.iter().find(|record| record.name == "lrn").unwrap();
    let Status::Run { arms, .. } = &lrn.status else { panic!("{lrn:?}") };
    let chosen: Vec<_> = arms.iter().filter(|arm| arm.runs.len() == 2).map(|arm| &arm.name[..]).collect();
    assert!(arms.len() == 8 && chosen.len() == 2, "{chosen:?}");
    assert!(chosen[0].starts_with("without at") && chosen[1].starts_with("with at"), "{chosen:?}");
    assert!(!html.contains("http://") && !html.contains("https://"), "the report fetches something");
}

#[test]
fn what_does_not_fit_is_listed_and_not_shortened() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, "reproduce depth --scale trial --minutes 0 --out o");
    let records = read(&folder.join("o")).unwrap();
    assert!(matches!(&records[0].status, Status::NotRun { why } if why.contains("--minutes")), "{records:?}");
    assert!(fs::read_to_string(folder.join("o/REPRODUCTION.md")).unwrap().contains("not run: it takes"));
    assert!(folder.join("o/runs").read_dir().is_err());
}

#[test]
fn killed_it_goes_on_to_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let words = "reproduce overlap --scale trial --seeds 2 --out";
    done(folder, &format!("{words} whole"));
    let mut child = alexnet(folder, &format!("{words} cut")).stderr(Stdio::null()).spawn().unwrap();
    let (start, runs) = (Instant::now(), folder.join("cut/runs"));
    while runs.read_dir().map_or(0, Iterator::count) < 2 && start.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    done(folder, &format!("{words} cut"));
    let findings = |name: &str| {
        let record = read(&folder.join(name)).unwrap().remove(0);
        let Status::Run { outcome, .. } = record.status else { panic!("not run") };
        outcome.findings
    };
    assert_eq!(findings("whole"), findings("cut"));
}
