//! `alexnet tune`: what is measured, kept, chosen, passed over; that commands read it and runs record it.

mod common;

use alexnet::alexnet::TINY;
use alexnet::error::Error;
use alexnet::gpu::Device;
use alexnet::net::Net;
use alexnet::plan::Plan;
use alexnet::products::{Choices, Family, Kind, Product, Variant};
use alexnet::tune::{self, Cache, End, Event, How, Task};
use common::binary::{alexnet, fail, succeed, with_own_cache};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn tiny() -> Net {
    Net::resolve(&TINY, 10, 0.5).unwrap()
}

/// The rows with the least arithmetic.
fn small(device: &Device) -> Vec<Task> {
    let batch = Plan::new(&tiny(), &[&device.profile], 4, 1).unwrap().batch;
    let mut tasks = tune::tasks(&tiny(), batch);
    tasks.retain(|task| ["fc7", "fc8"].contains(&task.case.name.as_str()));
    tasks
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

fn measure(device: &Arc<Device>, tasks: &[Task], cache: &mut Cache) -> Vec<String> {
    let mut faults = Vec::new();
    let end = tune::tune(device, tasks, cache, soon(), &|| false, |_, event| {
        if let Event::Fault(product, trial) = event {
            faults.push(format!("{product} {}: {}", trial.variant, trial.fault.unwrap()));
        }
    });
    assert_eq!(end.unwrap(), End::Finished);
    faults
}

#[test]
fn every_variant_is_measured_and_the_fastest_runs() {
    let _alone = common::alone();
    for device in common::devices() {
        let folder = tempfile::tempdir().unwrap();
        let (mut cache, note) = Cache::open(folder.path(), &device);
        assert_eq!(note, None);
        let tasks = small(&device);
        assert_eq!(measure(&device, &tasks, &mut cache), Vec::<String>::new());
        let (read, note) = Cache::open(folder.path(), &device);
        assert_eq!(note, None);
        assert!(tune::left(&tasks, &read).is_empty());
        let tuned = device.with_choices(read.choices(false));
        assert_eq!(tune::count(&tuned, &tasks), (6, 6));
        for task in &tasks {
            for &product in &task.products {
                let measured = read.get(product, &task.window).unwrap();
                let names: Vec<_> = measured.trials.iter().map(|trial| trial.variant.clone()).collect();
                let all = device.profile.family.variants(product, &task.window);
                assert_eq!(names, all.iter().map(ToString::to_string).collect::<Vec<_>>());
                for trial in &measured.trials {
                    assert!(trial.error.unwrap() <= trial.limit && !trial.rounds.is_empty(), "{trial:?}");
                }
                let runs = tuned.profile.variant(product, &task.window).to_string();
                let seconds =
                    |name: &str| measured.trials.iter().find(|t| t.variant == name).unwrap().seconds().unwrap();
                let fastest = measured.trials.iter().filter_map(tune::Trial::seconds).fold(f64::INFINITY, f64::min);
                assert!(fastest > 0.94 * seconds(&runs), "{runs} was chosen: {measured:?}");
            }
        }
        let shown = tune::show(&device, &read, &tasks);
        assert!(shown.contains("fc7") && shown.contains("backward_weight") && shown.contains('×'), "{shown}");
        // Nothing is left: a second call measures nothing.
        let mut again = read.clone();
        tune::tune(&device, &tasks, &mut again, soon(), &|| false, |_, event| panic!("{event:?}")).unwrap();
    }
}

/// Kernels of the lanes family on an adapter without subgroups do not compile; with twice the adapter's lanes they hand
/// round the wrong values. Both are named, and what runs everywhere is chosen.
#[test]
fn variants_that_fail_are_passed_over() {
    let _alone = common::alone();
    for device in common::devices() {
        let (family, part) = match device.profile.family {
            Family::Portable(_) | Family::Mixed(_) => (Family::Lanes { lanes: 8 }, "does not run here"),
            Family::Lanes { lanes } => (Family::Lanes { lanes: 2 * lanes }, "gives wrong numbers"),
        };
        let device = device.with_family(family);
        let folder = tempfile::tempdir().unwrap();
        let (mut cache, _) = Cache::open(folder.path(), &device);
        let tasks = small(&device);
        let faults = measure(&device, &tasks, &mut cache);
        let variants = |task: &Task, product| family.variants(product, &task.window).len();
        let own: usize = tasks.iter().flat_map(|task| task.products.iter().map(move |&p| variants(task, p))).sum();
        assert_eq!(faults.len(), own, "{faults:?}");
        assert!(faults.iter().all(|fault| fault.contains("lanes") && fault.contains(part)), "{faults:?}");
        let tuned = device.with_choices(cache.choices(false));
        for task in &tasks {
            for &product in &task.products {
                let runs = tuned.profile.variant(product, &task.window).to_string();
                assert!(["portable", "wide"].iter().any(|name| runs.starts_with(name)), "{product} runs as {runs}");
            }
        }
        assert!(tune::show(&device, &cache, &tasks).contains(part));
    }
}

#[test]
fn what_was_measured_survives_an_interruption() {
    let _alone = common::alone();
    let Some(device) = common::devices().into_iter().next() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tasks = small(&device);
    let (mut cache, _) = Cache::open(folder.path(), &device);
    let done = std::cell::Cell::new(0);
    let stop = || done.get() >= 2;
    let end = tune::tune(&device, &tasks, &mut cache, soon(), &stop, |_, event| {
        done.set(done.get() + usize::from(matches!(event, Event::Done)));
    });
    assert_eq!(end.unwrap(), End::Left(2));
    let (mut read, _) = Cache::open(folder.path(), &device);
    assert_eq!(tune::count(&device.with_choices(read.choices(false)), &tasks), (2, 6));
    // Out of time at once: nothing more is measured.
    let end = tune::tune(&device, &tasks, &mut read, Instant::now(), &|| false, |_, event| panic!("{event:?}"));
    assert_eq!(end.unwrap(), End::Left(2));
    measure(&device, &tasks, &mut read);
    assert!(tune::left(&tasks, &read).is_empty());
}

#[test]
fn what_was_measured_survives_a_lost_device() {
    let _alone = common::alone();
    let Some(device) = common::devices().into_iter().next() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tasks = small(&device);
    let (mut cache, _) = Cache::open(folder.path(), &device);
    let error = tune::tune(&device, &tasks, &mut cache, soon(), &|| false, |_, event| {
        if matches!(event, Event::Done) {
            device.raw.destroy();
        }
    });
    assert!(matches!(error, Err(Error::DeviceLost(_))), "{error:?}");
    let other = common::open("0", 1).remove(0);
    let (read, note) = Cache::open(folder.path(), &other);
    assert_eq!(note, None);
    assert_eq!(tune::count(&other.with_choices(read.choices(false)), &tasks), (1, 6));
}

#[test]
fn a_cache_that_cannot_be_used_is_named_and_passed_over() {
    let _alone = common::alone();
    let Some(device) = common::devices().into_iter().next() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tasks = small(&device);
    let (mut cache, _) = Cache::open(folder.path(), &device);
    measure(&device, &tasks[..1], &mut cache);
    let path = cache.path().to_owned();
    let good = fs::read_to_string(&path).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        good.replace(from, to)
    };
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    for (text, part) in [
        (good[..good.len() / 2].to_owned(), "not a cache"),
        (String::new(), "not a cache"),
        ("{\"format\": 1}".to_owned(), "not a cache"),
        (changed("\"shaders\": \"", "\"shaders\": \"0"), "for shaders `0"),
        (changed(&version, "\"version\": \"0.0.1\""), "for version `0.0.1`"),
        (changed("\"adapter\": \"", "\"adapter\": \"Other "), "for adapter `Other "),
        (changed("\"format\": 1", "\"format\": 2"), "for format `2`"),
    ] {
        fs::write(&path, text).unwrap();
        let mut notes = Vec::new();
        let how = How { cache: Some(folder.path()), ..How::default() };
        let tuned =
            tune::apply(&tiny(), std::slice::from_ref(&device), 4, 1, how, |note| notes.push(note.to_owned())).unwrap();
        assert_eq!(tune::count(&tuned[0], &tasks).0, 0, "{part}");
        let name = path.display().to_string();
        assert!(notes[0].contains(part) && notes[0].contains(&name) && notes[0].contains("passed over"), "{notes:?}");
        assert!(notes[1].contains("alexnet tune --net tiny --batch 4 --classes 10"), "{notes:?}");
    }
    // A variant this version does not have is as good as none.
    fs::write(&path, good.replace("\"variant\": \"", "\"variant\": \"no ")).unwrap();
    let (read, note) = Cache::open(folder.path(), &device);
    assert_eq!((note, tune::count(&device.with_choices(read.choices(false)), &tasks).0), (None, 0));
}

#[test]
fn defaults_are_exact_where_asked_and_fit_the_kind_of_adapter() {
    let net = tiny();
    let discrete = Family::Portable(Kind::Discrete);
    for family in [Family::Portable(Kind::Cpu), discrete, Family::Lanes { lanes: 8 }] {
        for task in tune::tasks(&net, 32) {
            for product in Product::ALL {
                let first = family.variants(product, &task.window)[0];
                assert_eq!(Choices::default().variant(family, product, &task.window), first);
                assert_eq!(matches!(first, Variant::Wide(..)), family == discrete, "{first}");
                let mut exact = Choices { exact: true, ..Choices::default() };
                assert!(exact.variant(family, product, &task.window).is_exact());
                for variant in family.variants(product, &task.window) {
                    exact.set(product, &task.window, variant);
                    let runs = exact.variant(family, product, &task.window);
                    assert!(runs.is_exact() && (runs == variant || !variant.is_exact()));
                }
            }
        }
    }
}

fn done(folder: &Path, words: &[&str]) -> (String, String) {
    succeed(with_own_cache(folder, words))
}

/// The parts of a cache file that choose `slow` in place of what was measured to be fastest.
fn prefer(cache: &Path, slow: &str) {
    let file = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    let mut value: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    for measured in value["measured"].as_array_mut().unwrap() {
        for trial in measured["trials"].as_array_mut().unwrap() {
            let seconds = if trial["variant"] == slow { 1e-6 } else { 1.0 };
            trial["rounds"] = serde_json::json!([seconds]);
        }
    }
    fs::write(file, value.to_string()).unwrap();
}

fn prepared() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["synth", "data", "--classes", "3", "--train", "4", "--val", "2"]);
    folder
}

#[test]
fn commands_read_the_cache_and_runs_record_their_choices() {
    let _alone = common::alone();
    if common::adapters().is_empty() {
        return;
    }
    let folder = prepared();
    let folder = folder.path();
    let tune = ["tune", "--net", "tiny", "--batch", "4", "--classes", "3", "--adapters", "0", "--cache", "cache"];
    let (shown, _) = done(folder, &[&tune[..], &["--show"]].concat());
    assert!(shown.contains("not measured: the shipped default"), "{shown}");
    let (shown, _) = done(folder, &tune);
    assert!(shown.contains("conv1") && shown.contains("×1.00") && !shown.contains("not measured"), "{shown}");
    let (again, _) = done(folder, &[&tune[..], &["--show"]].concat());
    assert_eq!(shown, again);

    // Whatever the second variant is on this adapter, make it the choice and see it run, be recorded and kept to.
    let device = common::open("0", 1).remove(0);
    let tasks =
        tune::tasks(&Net::resolve(&TINY, 3, 0.5).unwrap(), Plan::new(&tiny(), &[&device.profile], 4, 1).unwrap().batch);
    let variants = device.profile.family.variants(Product::Forward, &tasks[0].window);
    let second = variants[1].to_string();
    prefer(&folder.join("cache"), &second);
    let train = [
        "train",
        "data",
        "--net",
        "tiny",
        "--batch",
        "4",
        "--steps",
        "2",
        "--checkpoint-every",
        "1",
        "--adapters",
        "0",
    ];
    let (_, notes) = done(folder, &[&train[..], &["--run", "tuned", "--cache", "cache"]].concat());
    assert!(!notes.contains("shipped defaults"), "{notes}");
    let config = fs::read_to_string(folder.join("tuned/config.toml")).unwrap();
    let key = Choices::key(Product::Forward, &tasks[0].window);
    assert!(config.contains(&format!("{key:?} = {second:?}")), "{config}");

    let (_, notes) = done(folder, &[&train[..], &["--run", "plain"]].concat());
    let command = "alexnet tune --net tiny --batch 4 --classes 3 --adapters 0";
    assert_eq!(notes.matches(command).count(), 1, "{notes}");
    let first = variants[0].to_string();
    let config = fs::read_to_string(folder.join("plain/config.toml")).unwrap();
    assert!(config.contains(&format!("{key:?} = {first:?}")) && config.contains("exact = false"), "{config}");

    // Resumed after its first checkpoint with another cache, a run ends with the same bytes.
    let weights = |run: &str| fs::read(folder.join(run).join("step-0000002/weights.safetensors")).unwrap();
    let (tuned, plain) = (weights("tuned"), weights("plain"));
    for (run, cache) in [("tuned", "none"), ("plain", "cache")] {
        let whole = weights(run);
        fs::remove_dir_all(folder.join(run).join("step-0000002")).unwrap();
        let (_, notes) = done(folder, &["train", "data", "--resume", run, "--cache", cache]);
        assert!(!notes.contains("shipped defaults"), "{notes}");
        assert!(weights(run) == whole, "{run} with --cache {cache}");
    }
    assert!(tuned != plain || first == second, "the variants sum in another order");

    // Placements with one cache.
    let mut placements = vec![("two", "0,0")];
    if std::env::var("ALEXNET_TWO_ADAPTERS").is_ok() {
        placements.push(("pair", "0,1"));
    }
    for (run, placement) in placements {
        let words = ["--run", run, "--cache", "cache"];
        let mut train = train.map(str::to_owned);
        train[train.len() - 1] = placement.to_owned();
        let train: Vec<_> = train.iter().map(String::as_str).collect();
        done(folder, &[&train[..], &words].concat());
        assert!(weights(run) == tuned, "--adapters {placement}");
    }

    // --exact is recorded and kept to.
    let (_, _) = done(folder, &[&train[..], &["--run", "exact", "--exact", "--cache", "cache"]].concat());
    let config = fs::read_to_string(folder.join("exact/config.toml")).unwrap();
    assert!(config.contains("exact = true"), "{config}");
    fail(with_own_cache(folder, "train data --resume plain --exact"), 2, &["--exact"]);

    // A recorded variant that this version does not have.
    fs::remove_dir_all(folder.join("plain/step-0000002")).unwrap();
    let config = fs::read_to_string(folder.join("plain/config.toml")).unwrap();
    fs::write(folder.join("plain/config.toml"), config.replace(&format!("= {first:?}"), "= \"warp 9\"")).unwrap();
    fail(with_own_cache(folder, "train data --resume plain"), 2, &["warp 9", "config.toml"]);

    // The other readers.
    let eval = ["eval", "tuned", "data", "--batch", "4", "--adapters", "0", "--cache", "cache", "--exact"];
    let (_, notes) = done(folder, &eval);
    assert!(!notes.contains("shipped defaults"), "{notes}");
    let class = fs::read_dir(folder.join("data/val")).unwrap().next().unwrap().unwrap().path();
    let image = fs::read_dir(class).unwrap().next().unwrap().unwrap().path();
    done(folder, &["predict", "tuned", image.to_str().unwrap(), "--exact", "--cache", "cache"]);
    let (step, notes) =
        done(folder, &["bench", "step", "--net", "tiny", "--batch", "4", "--steps", "1", "--cache", "cache"]);
    assert!(step.contains("images/s") && notes.contains("alexnet tune --net tiny --batch 4 --classes 10"), "{notes}");
}

#[test]
fn ctrl_c_keeps_what_was_measured() {
    let _alone = common::alone();
    if common::adapters().is_empty() || cfg!(windows) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut tune = alexnet(folder.path(), "tune --net alexnet --batch 4 --cache cache");
    let child = tune.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    // The first product is measured once the file is there.
    let cache = folder.path().join("cache");
    let is_there =
        || fs::read_dir(&cache).is_ok_and(|mut files| files.any(|f| f.unwrap().path().extension().is_some()));
    while !is_there() {
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing is measured");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let out = child.wait_with_output().unwrap();
    let [shown, notes] = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(out.status.code(), Some(130), "{notes}");
    assert!(notes.contains("interrupted") && notes.contains("goes on"), "{notes}");
    // Whatever was measured has its variants beside the fastest one.
    assert!(shown.contains(" ×") && shown.contains("not measured"), "{shown}");
}

#[test]
fn bad_input_is_answered() {
    let _alone = common::alone();
    if common::adapters().is_empty() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("file"), "not a folder").unwrap();
    for (words, code, parts) in [
        (&["tune", "--budget", "-1"][..], 2, &["--budget", "minutes"][..]),
        (&["tune", "--budget", "soon"], 2, &["--budget", "minutes"]),
        (&["tune", "--show", "--again"], 2, &["--again"]),
        (&["tune", "--net", "tiny", "--adapters", "77"], 1, &["no adapter 77"]),
        (&["tune", "--net", "tiny", "--batch", "4", "--cache", "file"], 1, &["file"]),
    ] {
        fail(with_own_cache(folder, words), code, parts);
    }
    // No time at all: nothing is measured, and that is said.
    let (shown, notes) = done(folder, &["tune", "--net", "tiny", "--batch", "4", "--budget", "0", "--cache", "cache"]);
    assert!(notes.contains("out of time") && shown.contains("not measured"), "{notes}{shown}");
}
