//! The binary itself, in a temporary folder, for every command.

mod common;

use common::binary::{alexnet, done, fails, succeed};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CLASSES: usize = 3;
/// Training images, over all classes: three steps of eight a pass.
const IMAGES: usize = 24;
/// Options of every small run: two checkpoints before the last, evaluations between them.
const SMALL: [&str; 10] =
    ["--net", "tiny", "--batch", "8", "--steps", "5", "--checkpoint-every", "2", "--eval-every", "3"];

/// A folder with the data set `data` and the finished run `run`.
fn trained() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            synth(folder.path(), "data", "0");
            train(folder.path(), "run", &[]);
            folder
        })
        .path()
}

fn synth(folder: &Path, name: &str, seed: &str) {
    let train = (IMAGES / CLASSES).to_string();
    done(folder, &["synth", name, "--classes", "3", "--train", &train, "--val", "2", "--seed", seed]);
}

fn train(folder: &Path, run: &str, more: &[&str]) -> String {
    done(folder, &[&["train", "data", "--run", run][..], &SMALL, more].concat())
}

/// A new folder with a link to the data set of [`trained`].
fn fresh() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&trained().join("data"), &folder.path().join("data"));
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn image(folder: &Path, split: &str, class: usize) -> PathBuf {
    let classes = folder.join("data").join(split);
    let class = classes.join(&names(&classes)[class]);
    let first = class.join(&names(&class)[0]);
    first.strip_prefix(folder).unwrap().to_owned()
}

/// The lines of a run's metrics without what a clock decides.
fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let without_times = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        for time in ["images_per_second", "seconds", "data_wait", "exchange", "host"] {
            value.as_object_mut().unwrap().remove(time);
        }
        value
    };
    text.lines().map(without_times).collect()
}

/// Whether two runs ended with the same bytes and the same metrics.
fn same_end(a: &Path, b: &Path) {
    for file in ["weights.safetensors", "momentum.safetensors", "state.json"] {
        let [x, y] = [a, b].map(|run| fs::read(run.join("step-0000005").join(file)).unwrap());
        assert!(x == y, "{file} differs between {} and {}", a.display(), b.display());
    }
    assert_eq!(metrics(a), metrics(b));
    assert_eq!(fs::read_to_string(a.join("best")).unwrap(), fs::read_to_string(b.join("best")).unwrap());
}

#[test]
fn usage_errors_exit_2_and_say_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str], parts: &[&str]| fails(folder.path(), words, 2, parts);
    run(&[], &["train", "eval", "predict"]);
    run(&["train"], &["<DATA>"]);
    run(&["train", "d", "--batch", "0"], &["--batch", "1.."]);
    run(&["train", "d", "--lr", "-0.1"], &["--lr", "0 or more"]);
    run(&["train", "d", "--lr", "nan"], &["--lr", "0 or more"]);
    run(&["train", "d", "--momentum", "1"], &["--momentum", "below 1"]);
    run(&["train", "d", "--dropout", "1"], &["--dropout", "below 1"]);
    run(
        &["train", "d", "--net", "vgg"],
        &["alexnet, alexnet-2012, alexnet-6, half, tiny, tiny-6, tiny-half, fig1, cifar-18pct"],
    );
    run(&["train", "d", "--schedule", "linear"], &["plateau:EVALUATIONS", "dexp:FACTOR,LEVELS"]);
    run(&["train", "d", "--schedule", "steps:9,3"], &["steps:24,50,78"]);
    run(&["train", "d", "--augment", "most"], &["full", "crop,mirror", "none"]);
    run(&["train", "d", "--order", "random"], &["shuffled, sequential"]);
    run(&["train", "d", "--epochs", "1", "--steps", "1"], &["--epochs", "--steps"]);
    run(&["train", "d", "--epochs", "0"], &["--epochs"]);
    run(&["train", "d", "--keep", "0"], &["--keep", "1.."]);
    run(&["train", "d", "--resume", "r", "--run", "s"], &["--resume", "--run"]);
    run(&["train", "d", "--resume", "r", "--weights", "s"], &["--resume", "--weights"]);
    run(&["eval", "w"], &["<WEIGHTS>... <DATA>"]);
    run(&["eval", "w", "d", "--views", "2"], &["1, 9, 10"]);
    run(&["predict", "w"], &["<IMAGE>"]);
    run(&["filters", "w", "out.jpg"], &[".png"]);
    run(&["synth", "d", "--classes", "11"], &["11", "10"]);
    run(&["bench", "everything"], &["everything"]);
    run(&["bench"], &["step", "kernels", "loader"]);
    assert_eq!(names(folder.path()), [""; 0], "a usage error wrote something");
}

#[test]
fn help_names_every_command_and_its_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let help = done(folder.path(), &["--help"]);
    for command in [
        "train", "eval", "predict", "filters", "plot", "watch", "report", "synth", "adapters", "describe", "check",
        "tune", "bench", "shader", "130",
    ] {
        assert!(help.contains(command), "{command}");
    }
    let help = done(folder.path(), &["train", "--help"]);
    for default in
        ["alexnet]", "90;", "128;", "0.01;", "0.9]", "0.0005]", "0.5]", "a pass]", "3]", "shuffled]", "full]"]
    {
        assert!(help.contains(&format!("[default: {default}")), "{default}");
    }
}

#[test]
fn a_run_has_its_files() {
    let run = trained().join("run");
    assert!(fs::read_to_string(run.join("best")).unwrap().starts_with("step-000000"));
    let expected = ["README.md", "best", "config.toml", "metrics.jsonl", "stats.safetensors"];
    let steps = ["step-0000002", "step-0000004", "step-0000005"];
    assert_eq!(names(&run), [&expected[..], &steps].concat());
    for step in steps {
        assert_eq!(names(&run.join(step)), ["momentum.safetensors", "state.json", "weights.safetensors"]);
    }
    let config: toml::Table = fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["net"].as_str(), Some("tiny"));
    assert_eq!(config["steps"].as_integer(), Some(5));
    assert_eq!(config["batch"].as_integer(), Some(8));
    assert_eq!(config["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(config["classes"].as_array().unwrap().len(), CLASSES);
    assert!(!config["adapters"]["devices"].as_array().unwrap().is_empty());
    let card = fs::read_to_string(run.join("README.md")).unwrap();
    for part in ["# run", "top-1 error", "alexnet train", "--steps 5", "Differences from the paper", "Batch: 8"] {
        assert!(card.contains(part), "{part} in {card}");
    }
}

#[test]
fn metrics_have_a_line_a_step_and_a_line_an_evaluation() {
    let text = fs::read_to_string(trained().join("run/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let steps: Vec<_> = lines.iter().filter(|l| l["split"].is_null()).collect();
    let evaluations: Vec<_> = lines.iter().filter(|l| l["split"] == "val").collect();
    assert_eq!(lines.len(), steps.len() + evaluations.len());
    assert_eq!(steps.iter().map(|l| l["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(steps.iter().map(|l| l["epoch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 1, 1, 2, 2]);
    assert_eq!(evaluations.iter().map(|l| l["step"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 5]);
    for line in steps {
        for key in ["loss", "lr", "images_per_second", "seconds"] {
            assert!(line[key].as_f64().unwrap() > 0.0, "{key} in {line}");
        }
        for key in ["top1_error", "top5_error", "data_wait", "exchange", "host"] {
            assert!(line[key].as_f64().unwrap() >= 0.0, "{key} in {line}");
        }
    }
}

#[test]
fn eval_gives_what_the_run_measured_and_averages_several() {
    let folder = trained();
    let json = |words: &[&str]| -> Value { serde_json::from_str(&done(folder, words)).unwrap() };
    let one = json(&["eval", "run", "data", "--json"]);
    assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), ["images", "logprob", "top1_error", "top5_error"]);
    assert_eq!(one["images"], 6);
    assert_eq!(one["top5_error"], 0.0, "there are three classes");
    let last = metrics(&folder.join("run")).pop().unwrap();
    assert_eq!(last["split"], "val");
    assert_eq!(one["top1_error"], last["top1_error"]);
    let difference = one["logprob"].as_f64().unwrap() + last["loss"].as_f64().unwrap();
    assert!(difference.abs() < 1e-6, "{one} {last}");
    // The mean of a network with itself is itself; with another it is neither.
    let close = |a: &Value, b: &Value| (a["logprob"].as_f64().unwrap() - b["logprob"].as_f64().unwrap()).abs() < 1e-6;
    assert!(close(&one, &json(&["eval", "run", "run/step-0000005", "data", "--json"])));
    let first = json(&["eval", "run/step-0000002/weights.safetensors", "data", "--json"]);
    let both = json(&["eval", "run", "run/step-0000002", "data", "--json"]);
    assert!(!close(&one, &first) && !close(&both, &one) && !close(&both, &first));
    let ten = json(&["eval", "run", "data", "--json", "--views", "10"]);
    assert_eq!(ten["images"], 6);
    assert!(!close(&ten, &one));
    assert_eq!(json(&["eval", "run", "data", "--json", "--views", "9"])["images"], 6);
    assert!(done(folder, &["eval", "run", "data"]).contains("6 images  top-1 error "));
    fails(folder, &["eval", "nowhere", "data"], 1, &["nowhere", "run folder"]);
    fails(folder, &["eval", "run", "nowhere"], 1, &["nowhere"]);
    fails(folder, &["eval", "run", "data", "--net", "half"], 1, &["`tiny`", "`half`"]);
}

#[test]
fn predict_prints_a_line_an_image_in_the_order_typed() {
    let folder = trained();
    let images = [2, 0, 1].map(|class| image(folder, "val", class).to_string_lossy().into_owned());
    let [a, b, c] = images.each_ref().map(String::as_str);
    let text = done(folder, &["predict", "run", a, b, c, a, "--json", "--top", "2"]);
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.iter().map(|l| l["image"].as_str().unwrap()).collect::<Vec<_>>(), [a, b, c, a]);
    assert_eq!(lines[0], lines[3]);
    let classes = names(&folder.join("data/train"));
    for line in &lines {
        let top = line["top"].as_array().unwrap();
        assert_eq!(top.len(), 2);
        let probability = |i: usize| top[i]["probability"].as_f64().unwrap();
        assert!(probability(0) >= probability(1) && probability(0) <= 1.0);
        assert_eq!(top[0]["class"].as_str(), Some(classes[top[0]["index"].as_u64().unwrap() as usize].as_str()));
    }
    let text = done(folder, &["predict", "run", a, "--views", "10"]);
    assert!(text.starts_with(&format!("{a}: ")) && text.lines().count() == 1, "{text}");
    fs::write(folder.join("bad.jpg"), "no image").unwrap();
    fails(folder, &["predict", "run", "bad.jpg"], 1, &["bad.jpg"]);
    fails(folder, &["predict", "run", "missing.jpg"], 1, &["missing.jpg"]);
}

#[test]
fn filters_draws_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained().join("run").to_string_lossy().into_owned();
    assert_eq!(done(folder.path(), &["filters", &run, "out.png"]), "out.png\n");
    let picture = image::open(folder.path().join("out.png")).unwrap().to_rgb8();
    // Two columns of 16 filters of 5×5 pixels, each enlarged nine times.
    assert_eq!(picture.dimensions(), (16 * (45 + 4) + 4, 2 * 45 + 20 + 8));
    let coloured = picture.pixels().filter(|p| p.0[0] != p.0[1] || p.0[1] != p.0[2]).count();
    assert!(coloured > 10_000, "{coloured} pixels have a colour");
    fails(folder.path(), &["filters", "nowhere", "out.png"], 1, &["nowhere"]);
    fails(folder.path(), &["filters", &run, "no/such/folder/out.png"], 1, &["out.png"]);
}

#[test]
fn a_folder_that_holds_a_run_is_left_alone() {
    let before = fs::read(trained().join("run/config.toml")).unwrap();
    let words = [&["train", "data", "--run", "run"][..], &SMALL].concat();
    fails(trained(), &words, 1, &["run", "already holds a run", "--resume run"]);
    assert_eq!(fs::read(trained().join("run/config.toml")).unwrap(), before);
}

#[test]
fn a_run_without_a_name_is_numbered() {
    let folder = fresh();
    fs::create_dir_all(folder.path().join("runs/tiny-2")).unwrap();
    done(folder.path(), &["train", "data", "--net", "tiny", "--batch", "8", "--steps", "1"]);
    assert_eq!(names(&folder.path().join("runs")), ["tiny-2", "tiny-3"]);
    assert!(folder.path().join("runs/tiny-3/step-0000001/state.json").is_file());
}

#[test]
fn a_finished_run_says_so() {
    let text = done(trained(), &["train", "data", "--resume", "run"]);
    assert!(text.contains("finished") && text.contains("step-0000005"), "{text}");
}

#[test]
fn resume_refuses_what_contradicts_the_run() {
    let folder = trained();
    let run = |more: &[&str], parts: &[&str]| {
        fails(folder, &[&["train", "data", "--resume", "run"][..], more].concat(), 2, parts);
    };
    run(&["--net", "half"], &["--net half", "tiny"]);
    run(&["--batch", "9"], &["--batch 9", "8"]);
    run(&["--lr", "0.5"], &["--lr 0.5", "0.003"]);
    run(&["--steps", "9"], &["--steps 9", "5"]);
    run(&["--epochs", "9"], &["--epochs 9"]);
    run(&["--augment", "none"], &["--augment none", "full"]);
    let other = tempfile::tempdir().unwrap();
    synth(other.path(), "data", "1");
    let data = other.path().join("data").to_string_lossy().into_owned();
    fails(folder, &["train", &data, "--resume", "run"], 2, &["images", "run"]);
    fails(folder, &["train", "data", "--resume", "data"], 1, &["config.toml", "run"]);
}

/// Another decoder, scaling or filter makes other pixels of the same files.
#[test]
fn resume_refuses_other_pixels() {
    let folder = fresh();
    let run = folder.path().join("run");
    copy(&trained().join("run"), &run);
    let path = run.join("config.toml");
    let config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    for part in ["decoder", "scaling", "filter"] {
        let mut other = config.clone();
        other["decoding"][part] = "another".into();
        fs::write(&path, toml::to_string(&other).unwrap()).unwrap();
        let said = format!("{part} another");
        fails(folder.path(), &["train", "data", "--resume", "run"], 2, &["run: begun with", &said, "other pixels"]);
    }
    fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    assert!(done(folder.path(), &["train", "data", "--resume", "run"]).contains("finished"));
}

#[test]
fn training_in_two_parts_is_training_in_one() {
    let folder = fresh();
    let run = folder.path().join("run");
    copy(&trained().join("run"), &run);
    for step in ["step-0000004", "step-0000005"] {
        fs::remove_dir_all(run.join(step)).unwrap();
    }
    // As kill -9 would have left it: a checkpoint half written, metrics past the last whole one.
    fs::create_dir(run.join(".tmp-step-0000004")).unwrap();
    fs::write(run.join(".tmp-step-0000004/weights.safetensors"), "half").unwrap();
    let text = done(folder.path(), &["train", "data", "--resume", "run", "--workers", "1"]);
    assert!(text.contains("step-0000005"), "{text}");
    assert!(!run.join(".tmp-step-0000004").exists());
    same_end(&run, &trained().join("run"));
    // Without any checkpoint it begins again.
    for step in ["step-0000002", "step-0000004", "step-0000005"] {
        fs::remove_dir_all(run.join(step)).unwrap();
    }
    done(folder.path(), &["train", "data", "--resume", "run"]);
    same_end(&run, &trained().join("run"));
}

/// Starts a run and waits until its metrics hold `steps` lines.
fn start(folder: &Path, steps: usize) -> Child {
    let words = [&["train", "data", "--run", "run"][..], &SMALL].concat();
    let child = alexnet(folder, &words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let lines = || fs::read_to_string(folder.join("run/metrics.jsonl")).map_or(0, |text| text.lines().count());
    while lines() < steps {
        assert!(begin.elapsed() < Duration::from_secs(120), "no step in two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn kill_9_loses_nothing_that_was_saved() {
    let folder = fresh();
    let mut child = start(folder.path(), 3);
    child.kill().unwrap();
    child.wait().unwrap();
    done(folder.path(), &["train", "data", "--resume", "run"]);
    same_end(&folder.path().join("run"), &trained().join("run"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_the_step_and_exits_130() {
    let folder = fresh();
    let child = start(folder.path(), 1);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let out = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&out.stderr);
    let run = folder.path().join("run");
    // The last of the five steps may have been under way.
    if out.status.code() != Some(0) {
        assert_eq!(out.status.code(), Some(130), "{message}");
        assert!(message.contains("interrupted; saved run/step-") && message.contains("--resume run"), "{message}");
        done(folder.path(), &["train", "data", "--resume", "run"]);
    }
    same_end(&run, &trained().join("run"));
}

#[test]
fn training_begins_with_given_weights() {
    let folder = fresh();
    copy(&trained().join("run"), &folder.path().join("old"));
    let more = ["--weights", "old/step-0000002", "--lr", "0", "--dropout", "0"];
    let words = [&["train", "data", "--run", "new"][..], &SMALL, &more].concat();
    done(folder.path(), &words);
    let json =
        |run: &str| -> Value { serde_json::from_str(&done(folder.path(), &["eval", run, "data", "--json"])).unwrap() };
    // The rate is 0 and the other dropout is made up for: the function in use is the same.
    let (old, new) = (json("old/step-0000002"), json("new"));
    assert!((old["logprob"].as_f64().unwrap() - new["logprob"].as_f64().unwrap()).abs() < 1e-5, "{old} {new}");
    let words = ["train", "data", "--run", "third", "--net", "half", "--weights", "old"];
    fails(folder.path(), &words, 1, &["`tiny`", "`half`", "conv1.weight"]);
    assert!(!folder.path().join("third").exists(), "a refused run left a folder");
}

#[test]
fn a_diverging_run_stops_and_keeps_its_checkpoints() {
    let folder = fresh();
    let words = [&["train", "data", "--run", "run"][..], &SMALL, &["--lr", "1e30"]].concat();
    fails(folder.path(), &words, 1, &["step", "rate", "NaN", "--lr"]);
    assert!(names(&folder.path().join("run")).iter().all(|n| !n.starts_with("step-") && !n.starts_with(".tmp-")));
}

#[test]
fn folders_that_are_no_data_set_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fails(folder.path(), &["train", "nowhere"], 1, &["nowhere"]);
    fs::create_dir_all(folder.path().join("flat/train")).unwrap();
    fails(folder.path(), &["train", "flat"], 1, &["flat", "train/CLASS"]);
    assert_eq!(names(folder.path()), ["flat"]);
}

#[test]
fn a_run_folder_that_cannot_be_written_is_refused() {
    let folder = fresh();
    fs::write(folder.path().join("plain"), "").unwrap();
    for (run, part) in [("plain", "is a file"), ("plain/run", "plain/run")] {
        fails(folder.path(), &["train", "data", "--net", "tiny", "--steps", "1", "--run", run], 1, &[part]);
    }
    assert_eq!(names(folder.path()), ["data", "plain"]);
}

#[test]
fn unreadable_training_images_are_skipped_and_named() {
    let folder = fresh();
    let bad = folder.path().join(image(folder.path(), "train", 1));
    fs::write(&bad, "no image").unwrap();
    let words = "train data --net tiny --batch 8 --steps 3 --run run";
    let (_, message) = succeed(alexnet(folder.path(), words));
    let named = message
        .lines()
        .filter(|l| l.starts_with("skipped ") && l.contains(&*bad.file_name().unwrap().to_string_lossy()));
    assert_eq!(named.count(), 1, "{message}");
    // A class with no readable image ends the run before it begins, and leaves nothing behind.
    for entry in fs::read_dir(bad.parent().unwrap()).unwrap() {
        fs::write(entry.unwrap().path(), "no image").unwrap();
    }
    fails(folder.path(), &["train", "data", "--net", "tiny", "--steps", "1", "--run", "new"], 1, &["train"]);
    assert_eq!(names(folder.path()), ["data", "run"]);
}

#[test]
fn eval_compares_the_classes() {
    let folder = fresh();
    let run = trained().join("run").to_string_lossy().into_owned();
    copy(&folder.path().join("data/val"), &folder.path().join("other/val"));
    let class = folder.path().join("other/val").join(&names(&folder.path().join("other/val"))[0]);
    copy(&class, &folder.path().join("other/val/novelty"));
    fails(folder.path(), &["eval", &run, "other"], 1, &["weights.safetensors", "[3]", "[4]", "novelty"]);
    // Some of the classes are enough.
    fs::remove_dir_all(folder.path().join("other/val/novelty")).unwrap();
    fs::remove_dir_all(class).unwrap();
    assert!(done(folder.path(), &["eval", &run, "other"]).contains("4 images"));
}

#[test]
fn the_machine_is_described() {
    let folder = trained();
    let adapters = done(folder, &["adapters"]);
    assert!(adapters.lines().count() >= 1);
    let table = done(folder, &["describe"]);
    for part in ["conv1", "fc8", "60,965,224"] {
        assert!(table.contains(part), "{part} in {table}");
    }
    let tiny = done(folder, &["describe", "--net", "tiny", "--batch", "5"]);
    assert!(tiny.contains("conv5") && tiny.contains("MiB of batches"), "{tiny}");
    let growth = done(folder, &["describe", "--net", "tiny", "--growth", "--gflops", "20", "--gigabytes", "5"]);
    assert!(growth.contains("20 GFLOP/s") && growth.contains("60 GB/s"), "{growth}");
    fails(folder, &["describe", "--gflops", "20"], 2, &["--growth"]);
    fails(folder, &["describe", "--growth", "--gflops", "0"], 2, &["above 0"]);
    fails(folder, &["describe", "--adapters", "no such adapter"], 1, &["no such adapter", "Adapters here"]);
    fails(folder, &["describe", "--net", "half", "--adapters", "0,0"], 2, &["one column", "one adapter"]);
    assert!(done(folder, &["shader", "optimizer/sgd", "conv3"]).contains("@compute"));
    fails(folder, &["shader", "conv/sideways"], 2, &["conv/sideways", "conv/forward"]);
}

#[test]
fn check_prints_a_line_a_kernel_and_case() {
    let text = done(trained(), &["check"]);
    let verdicts = text.lines().filter(|l| l.starts_with("ok "));
    assert!(verdicts.clone().count() > 100, "{text}");
    for part in ["dx", "dw", "db"] {
        assert!(verdicts.clone().any(|l| l.contains(part)), "{part}");
    }
    assert!(!text.contains("WRONG"), "{text}");
}

#[test]
fn speed_is_measured() {
    let folder = trained();
    let json = |words: &[&str]| -> Value { serde_json::from_str(&done(folder, words)).unwrap() };
    let step = json(&["bench", "step", "--net", "tiny", "--batch", "8", "--json"]);
    assert!(step["images_per_second"].as_f64().unwrap() > 0.0, "{step}");
    let both = ["bench", "step", "--net", "tiny", "--batch", "8", "--adapters", "0,0", "--steps", "1"];
    let timeline = done(folder, &[&both[..], &["--trace", "trace.json"]].concat());
    for row in ["host of adapter 1", "link 0 to 1", "link 1 to 0"] {
        assert!(timeline.contains(row), "{row} in {timeline}");
    }
    let trace: Value = serde_json::from_str(&fs::read_to_string(folder.join("trace.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let carried = events.iter().filter(|event| event["name"].as_str().unwrap().ends_with(" bytes"));
    // Four gathers and four scatters, both ways but for fc8's.
    assert_eq!(carried.count(), 14);
    let both = ["bench", "exchange", "--net", "tiny", "--batch", "8", "--repeats", "1", "--adapters"];
    for line in done(folder, &[&both[..], &["0,0", "--json"]].concat()).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["one_way"].as_f64().unwrap() > 0.0, "{line}");
    }
    fails(folder, &[&both[..], &["0"]].concat(), 2, &["name two adapters"]);
    let kernels = done(folder, &["bench", "kernels", "--net", "tiny", "--batch", "4", "--repeats", "1", "--json"]);
    let lines: Vec<Value> = kernels.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["what"], "ceiling");
    assert!(
        lines[0]["gflops"].as_f64().unwrap() > 0.0 && lines[0]["gigabytes"].as_f64().unwrap() > 0.0,
        "{}",
        lines[0]
    );
    for line in &lines[1..] {
        assert!(line["seconds"].as_f64().unwrap() > 0.0, "{line}");
    }
    let count = |what: &str| lines.iter().filter(|line| line["what"] == what).count();
    // Four convolutions and three fully connected layers; the first has no dx.
    assert_eq!((count("product"), count("total")), (20, 1));
    assert!(count("kernel") > 40);

    // Beside itself, printed three times: every line has its pair, and the median run is as fast as the median run.
    fs::write(folder.join("before.json"), kernels.repeat(3)).unwrap();
    let words = ["bench", "kernels", "--net", "tiny", "--batch", "4", "--repeats", "1", "--compare", "before.json"];
    let text = done(folder, &words);
    assert!(text.lines().last().unwrap().contains("pairs") && text.contains("ceiling"), "{text}");
    assert!(text.lines().filter(|line| line.contains(" ms ")).all(|line| line.contains("  ×")), "{text}");
    let two = done(folder, &["bench", "step", "--net", "tiny", "--batch", "1,8", "--steps", "1", "--json"]);
    let batches: Vec<Value> = two.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(batches.iter().map(|line| line["batch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 8]);
    fs::write(folder.join("before.json"), two).unwrap();
    let step = ["bench", "step", "--net", "tiny", "--batch", "8", "--steps", "1", "--json", "--compare", "before.json"];
    assert!(json(&step)["speedup"].as_f64().unwrap() > 0.0);
    let forward = json(&["bench", "step", "--net", "tiny", "--batch", "8", "--steps", "1", "--forward", "--json"]);
    assert!(forward["pass"] == "forward" && forward["recording"].is_null(), "{forward}");
    assert!(forward["images_per_second"].as_f64().unwrap() > 0.0, "{forward}");
    fs::write(folder.join("not.json"), "{\"net\": 1}\nbatch\n").unwrap();
    fails(folder, &["bench", "step", "--compare", "not.json"], 2, &["--compare not.json", "line 2"]);
    fails(folder, &["bench", "step", "--compare", "none.json"], 1, &["none.json"]);
    let loader = json(&["bench", "loader", "data", "--net", "tiny", "--json"]);
    assert!(loader["images_per_second"].as_f64().unwrap() > 0.0, "{loader}");
}
