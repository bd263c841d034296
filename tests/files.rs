//! Weights files, checkpoints and metrics: what is written, read back, refused and kept.

use alexnet::alexnet::{ALEXNET, HALF, TINY};
use alexnet::checkpoint::{self, Best, Checkpoint, Labels, State};
use alexnet::data::{Colour, MeanCrop, Split, Stats};
use alexnet::metrics::{EvaluationLine, Line, Metrics, StepLine};
use alexnet::net::Net;
use alexnet::recipe::Figures;
use alexnet::weights::{self, Array, Weights};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const CLASSES: usize = 3;

fn net() -> Net {
    Net::resolve(&TINY, CLASSES, 0.5).unwrap()
}

fn classes() -> Vec<String> {
    ["ring", "cross", "a \"quoted\" één"].map(str::to_owned).to_vec()
}

fn stats() -> Stats {
    let mean = (0..3 * 72 * 72).map(|i| (i % 256) as f32 / 2.0).collect();
    let colour = Colour { stdev: [50.0, 12.5, 0.1], components: [[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.8, 0.6]] };
    Stats { size: 72, mean, mean_crop: MeanCrop::Own, colour: Some(colour) }
}

fn sample() -> (Net, Vec<Vec<f32>>, Weights) {
    let net = net();
    let tensors = weights::initial(&net, Figures::Source, 7);
    let file = Weights::new(&net, &classes(), &stats(), tensors.clone());
    (net, tensors, file)
}

/// The message of the error that reading `path` as weights of `net` gives.
fn refusal(path: &Path, net: &Net) -> String {
    Weights::read(path).and_then(|mut w| w.take(net)).expect_err("was read").to_string()
}

fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
}

#[test]
fn weights_come_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let (net, tensors, file) = sample();
    file.write(&path).unwrap();
    let mut read = Weights::read(&path).unwrap();
    assert_eq!(read.net.as_deref(), Some("tiny"));
    assert_eq!(read.classes, Some(classes()));
    assert_eq!(read.dropout, Some(0.5));
    assert_eq!(read.resolve(&TINY).unwrap().classes, CLASSES);
    let kept = read.stats(&TINY).unwrap().unwrap();
    assert_eq!((kept.mean, kept.colour), (stats().mean, stats().colour));
    assert_eq!(read.take(&net).unwrap(), tensors);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside the file");
}

#[test]
fn equal_weights_are_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|n| folder.path().join(n));
    sample().2.write(&a).unwrap();
    sample().2.write(&b).unwrap();
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
    // The order of the metadata is part of the bytes: by name.
    let bytes = fs::read(&a).unwrap();
    let header = String::from_utf8_lossy(&bytes[8..600]).into_owned();
    let places = ["classes", "colour", "dropout", "format", "net"].map(|k| header.find(&format!("\"{k}\":")).unwrap());
    assert!(places.is_sorted(), "{header}");
}

#[test]
fn paper_layout() {
    let net = Net::resolve(&ALEXNET, 1000, 0.5).unwrap();
    let dims = |name: &str| net.tensors().into_iter().find(|t| t.name == name).unwrap().dims;
    assert_eq!(dims("conv1.weight"), [96, 3, 11, 11]);
    assert_eq!(dims("conv2.weight"), [256, 48, 5, 5]);
    assert_eq!(dims("conv3.weight"), [384, 256, 3, 3]);
    assert_eq!(dims("conv4.weight"), [384, 192, 3, 3]);
    assert_eq!(dims("conv5.weight"), [256, 192, 3, 3]);
    assert_eq!(dims("fc6.weight"), [4096, 9216]);
    assert_eq!(dims("fc7.weight"), [4096, 4096]);
    assert_eq!(dims("fc8.weight"), [1000, 4096]);
}

#[test]
fn initial_values_follow_the_seed_and_the_recipe() {
    let net = Net::resolve(&ALEXNET, 10, 0.5).unwrap();
    let a = weights::initial(&net, Figures::Source, 0);
    assert!(a == weights::initial(&net, Figures::Source, 0));
    assert!(a != weights::initial(&net, Figures::Source, 1));
    let names: Vec<_> = net.tensors().into_iter().map(|t| t.name).collect();
    let tensor = |set: &[Vec<f32>], name: &str| set[names.iter().position(|n| n == name).unwrap()].clone();
    let deviation =
        |values: &[f32]| (values.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    let paper = weights::initial(&net, Figures::Paper, 0);
    for (set, expected) in [(&a, 0.03), (&paper, 0.01)] {
        assert!((deviation(&tensor(set, "conv4.weight")) / expected - 1.0).abs() < 0.01);
        assert!((deviation(&tensor(set, "fc6.weight")) / 0.01 - 1.0).abs() < 0.01);
        assert!(tensor(set, "conv4.bias").iter().all(|&b| b == 1.0));
        assert!(tensor(set, "conv3.bias").iter().all(|&b| b == 0.0));
    }
    // Two tensors of one deviation do not repeat each other.
    assert!(tensor(&a, "conv3.weight")[..100] != tensor(&a, "conv4.weight")[..100]);
}

#[test]
fn foreign_files_need_no_metadata_and_may_be_of_any_precision() {
    let folder = tempfile::tempdir().unwrap();
    let (net, tensors, _) = sample();
    let dims: Vec<_> = net.tensors().into_iter().map(|t| (t.name, t.dims)).collect();
    type Encode = fn(f32) -> Vec<u8>;
    let precisions: [(Dtype, Encode, f32); 3] = [
        (Dtype::F32, |v| v.to_le_bytes().to_vec(), 0.0),
        (Dtype::F64, |v| f64::from(v).to_le_bytes().to_vec(), 0.0),
        (Dtype::BF16, |v| ((v.to_bits() >> 16) as u16).to_le_bytes().to_vec(), 1.0 / 128.0),
    ];
    for (dtype, encode, tolerance) in precisions {
        let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| t.iter().flat_map(|&v| encode(v)).collect()).collect();
        let views = dims.iter().zip(&bytes).map(|((n, d), b)| (n, TensorView::new(dtype, d.clone(), b).unwrap()));
        let metadata = Some(HashMap::from([("format".to_owned(), "pt".to_owned())]));
        let path = folder.path().join(format!("{dtype:?}"));
        fs::write(&path, safetensors::serialize(views, metadata).unwrap()).unwrap();
        let mut read = Weights::read(&path).unwrap();
        assert!(matches!(read.table(None), Err(alexnet::Error::Usage(m)) if m.contains("--net") && m.contains("half")));
        assert_eq!(read.table(Some(&TINY)).unwrap().name, "tiny");
        let net = read.resolve(&TINY).unwrap();
        assert_eq!((net.classes, net.dropout), (CLASSES, 0.0), "no dropout means no factor in use");
        assert_eq!(read.numbered_classes(&net), ["0", "1", "2"]);
        says(&read.needed_stats(&TINY).unwrap_err().to_string(), &["mean", "[3, 72, 72]"]);
        for (got, expected) in read.take(&net).unwrap().iter().flatten().zip(tensors.iter().flatten()) {
            assert!((got - expected).abs() <= tolerance * expected.abs(), "{got} {expected}");
        }
    }
}

#[test]
fn refusals_name_the_tensor_and_both_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let net = net();
    let write = |change: &dyn Fn(&mut Weights)| {
        let mut file = sample().2;
        change(&mut file);
        file.write(&path).unwrap();
    };
    write(&|w| drop(w.arrays.remove("fc6.bias")));
    says(&refusal(&path, &net), &["w.safetensors", "fc6.bias", "[256]"]);
    write(&|w| w.arrays.get_mut("conv3.weight").unwrap().dims = vec![64, 64 * 3, 3, 1]);
    says(&refusal(&path, &net), &["conv3.weight", "[64, 192, 3, 1]", "[64, 64, 3, 3]"]);
    write(&|w| w.arrays.get_mut("conv2.weight").unwrap().data[26] = f32::NAN);
    says(&refusal(&path, &net), &["conv2.weight", "NaN", "[0, 1, 0, 1]"]);
    write(&|w| w.arrays.get_mut("mean").unwrap().data[0] = f32::INFINITY);
    says(&refusal(&path, &net), &["mean", "infinity"]);
    write(&|w| drop(w.arrays.insert("conv9.weight".into(), Array { dims: vec![1], data: vec![0.0] })));
    says(&refusal(&path, &net), &["conv9.weight", "[1]"]);
    write(&|_| ());
    says(&refusal(&path, &Net::resolve(&TINY, 5, 0.5).unwrap()), &["fc8.weight", "[3, 256]", "[5, 256]", "3 classes"]);
    says(
        &refusal(&path, &Net::resolve(&HALF, 3, 0.5).unwrap()),
        &["`tiny`", "`half`", "[32, 3, 5, 5]", "[48, 3, 11, 11]"],
    );
    let other = Weights::read(&path).unwrap().table(Some(&ALEXNET)).unwrap_err().to_string();
    says(&other, &["`tiny`", "`alexnet`", "conv1", "--net tiny"]);
    write(&|w| w.arrays.get_mut("mean").unwrap().dims = vec![3, 36, 144]);
    says(
        &Weights::read(&path).unwrap().stats(&TINY).unwrap_err().to_string(),
        &["mean", "[3, 36, 144]", "[3, 72, 72]"],
    );
    write(&|w| w.classes = Some(vec!["one".into()]));
    says(&Weights::read(&path).unwrap().resolve(&TINY).unwrap_err().to_string(), &["1 classes", "fc8.bias", "[3]"]);
    write(&|w| w.net = Some("vgg".into()));
    says(&refusal(&path, &net), &["vgg", "alexnet-2012"]);
}

#[test]
fn files_that_are_not_whole_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let net = net();
    says(&refusal(&path, &net), &["w.safetensors", "no such file", "run folder"]);
    sample().2.write(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in [0, 4, 8, 200, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        says(&refusal(&path, &net), &["w.safetensors", "truncated"]);
    }
    says(&refusal(&path, &net), &["mean", "[3, 72, 72]", "lacks 1 bytes"]);
    fs::write(&path, b"not weights at all, but long enough to have a length").unwrap();
    says(&refusal(&path, &net), &["not a safetensors file"]);
    let bytes = [0; 4];
    let views = [("conv1.bias", TensorView::new(Dtype::I32, vec![1], &bytes).unwrap())];
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    says(&refusal(&path, &net), &["conv1.bias", "I32", "F32"]);
    says(&refusal(folder.path(), &net), &["neither", "weights.safetensors"]);
}

#[test]
fn dropout_is_rescaled_so_that_the_function_in_use_stays() {
    let net = Net::resolve(&TINY, CLASSES, 0.2).unwrap();
    let before = weights::initial(&net, Figures::Source, 0);
    let mut after = before.clone();
    weights::rescale(&net, &mut after, 0.5);
    for (tensor, (a, b)) in net.tensors().iter().zip(after.iter().zip(&before)) {
        let scaled = ["fc7.weight", "fc8.weight"].contains(&tensor.name.as_str());
        // In use the input of the layer was multiplied by 0.5 and now is by 0.8.
        let [now, then] = if scaled { [0.8, 0.5] } else { [1.0, 1.0] };
        assert!(a.iter().zip(b).all(|(a, b)| (a * now - b * then).abs() <= 1e-6 * b.abs()), "{}", tensor.name);
    }
    let mut same = before.clone();
    weights::rescale(&net, &mut same, 0.2);
    assert!(same == before);
}

fn save(run: &Path, step: u64, best: Option<Best>) {
    let (net, tensors, _) = sample();
    let (classes, stats) = (classes(), stats());
    let momenta = tensors.iter().map(|t| t.iter().map(|w| w * step as f32).collect()).collect();
    let state = State { step, evaluated: step, best, ..State::default() };
    let labels = Labels { net: &net, classes: &classes, class_names: None, stats: &stats };
    let folder = checkpoint::save(run, labels, Checkpoint { state, weights: tensors, momenta }).unwrap();
    assert_eq!(folder, run.join(format!("step-{step:07}")));
}

fn entries(run: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn checkpoints_come_back_and_stand_for_their_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    assert_eq!(checkpoint::latest(run).unwrap(), None);
    save(run, 5, None);
    save(run, 1200, Some(Best { step: 5, top1_error: 0.1 }));
    assert_eq!(entries(run), ["best", "step-0000005", "step-0001200"]);
    assert_eq!(entries(&run.join("step-0001200")), ["momentum.safetensors", "state.json", "weights.safetensors"]);
    let latest = checkpoint::latest(run).unwrap().unwrap();
    assert_eq!(latest, run.join("step-0001200"));
    let (net, tensors, _) = sample();
    let read = checkpoint::load(&latest, &net).unwrap();
    assert_eq!(read.state.best, Some(Best { step: 5, top1_error: 0.1 }));
    assert_eq!(read.state.step, 1200);
    assert!(read.weights == tensors);
    assert!(read.momenta.iter().flatten().zip(tensors.iter().flatten()).all(|(v, w)| *v == w * 1200.0));
    for path in [run, &latest, &latest.join("weights.safetensors")] {
        assert_eq!(weights::locate(path).unwrap(), latest.join("weights.safetensors"));
    }
}

#[test]
fn unfinished_checkpoints_do_not_count_and_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    save(run, 1, None);
    // Killed while writing step 2, and while replacing `best`; step 3 lost a file afterwards.
    fs::create_dir(run.join(".tmp-step-0000002")).unwrap();
    fs::copy(run.join("step-0000001/weights.safetensors"), run.join(".tmp-step-0000002/weights.safetensors")).unwrap();
    fs::write(run.join(".tmp-best"), "step-00").unwrap();
    save(run, 3, None);
    fs::remove_file(run.join("step-0000003/state.json")).unwrap();
    assert_eq!(checkpoint::latest(run).unwrap(), Some(run.join("step-0000001")));
    let state = State { best: Some(Best { step: 1, top1_error: 0.5 }), ..State::default() };
    checkpoint::recover(run, &state).unwrap();
    assert_eq!(entries(run), ["best", "step-0000001", "step-0000003"]);
    assert_eq!(fs::read_to_string(run.join("best")).unwrap(), "step-0000001\n");
    // The step is reached again: the broken folder is replaced whole.
    save(run, 3, None);
    assert_eq!(checkpoint::latest(run).unwrap(), Some(run.join("step-0000003")));
    assert_eq!(entries(run), ["best", "step-0000001", "step-0000003"]);
}

#[test]
fn the_newest_and_the_best_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let best = Some(Best { step: 2, top1_error: 0.25 });
    for step in 1..=6 {
        save(run, step, best.filter(|_| step >= 2));
        checkpoint::prune(run, 2, best.filter(|_| step >= 2)).unwrap();
    }
    assert_eq!(entries(run), ["best", "step-0000002", "step-0000005", "step-0000006"]);
    assert_eq!(fs::read_to_string(run.join("best")).unwrap(), "step-0000002\n");
}

#[test]
fn a_failed_save_leaves_the_checkpoint_before() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    save(run, 1, None);
    // A file where the unfinished folder must go stands for a folder that cannot be written.
    fs::write(run.join(".tmp-step-0000002"), "").unwrap();
    let (net, tensors, _) = sample();
    let (classes, stats) = (classes(), stats());
    let labels = Labels { net: &net, classes: &classes, class_names: None, stats: &stats };
    let state = State { step: 2, ..State::default() };
    let saved = checkpoint::save(run, labels, Checkpoint { state, weights: tensors.clone(), momenta: tensors });
    says(&saved.unwrap_err().to_string(), &["step-0000002"]);
    assert_eq!(checkpoint::latest(run).unwrap(), Some(run.join("step-0000001")));
}

fn step_line(step: u64) -> Line {
    Line::Step(StepLine {
        step,
        epoch: 1,
        loss: 2.302_585_092_994_143,
        top1_error: 0.9,
        top5_error: 0.5,
        lr: 0.01,
        images_per_second: 100.0,
        seconds: 0.32,
        data_wait: 0.0,
        exchange: 0.01,
        scale: 1.0,
        skipped: 0,
        host: 0.001,
    })
}

fn evaluation_line(step: u64) -> Line {
    Line::Evaluation(EvaluationLine { step, epoch: 1, split: Split::Val, loss: 2.0, top1_error: 0.8, top5_error: 0.25 })
}

#[test]
fn metrics_are_the_lines_the_format_states() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut metrics = Metrics::open(&path, 0, 0).unwrap();
    metrics.push(&step_line(1)).unwrap();
    metrics.push(&evaluation_line(1)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let expected = concat!(
        r#"{"step":1,"epoch":1,"loss":2.302585092994143,"top1_error":0.9,"top5_error":0.5,"lr":0.01,"#,
        r#""images_per_second":100.0,"seconds":0.32,"data_wait":0.0,"exchange":0.01,"scale":1.0,"skipped":0,"#,
        r#""host":0.001}"#,
        "\n",
        r#"{"step":1,"epoch":1,"split":"val","loss":2.0,"top1_error":0.8,"top5_error":0.25}"#,
        "\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn metrics_are_cut_to_the_checkpoint_on_resume() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut metrics = Metrics::open(&path, 0, 0).unwrap();
    for step in 1..=4 {
        metrics.push(&step_line(step)).unwrap();
        if step % 2 == 0 {
            metrics.push(&evaluation_line(step)).unwrap();
        }
    }
    // kill -9 cut the last line.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 5]).unwrap();
    // The checkpoint after step 4 was written before the evaluation after step 4.
    let mut metrics = Metrics::open(&path, 4, 2).unwrap();
    metrics.push(&evaluation_line(4)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    drop(Metrics::open(&path, 1, 0).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    fs::write(&path, "{}\n{}\n").unwrap();
    says(&Metrics::open(&path, 4, 2).err().unwrap().to_string(), &["metrics.jsonl", "line 1"]);
}
