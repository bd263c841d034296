//! Event files for TensorBoard, in the run's folder: what `metrics.jsonl` says as scalars, and at evaluations the first
//! layer's filters and histograms of every tensor and its last update.

mod event;
mod record;

use crate::checkpoint::State;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::metrics::{EvaluationLine, StepLine};
use crate::net::Net;
use crate::weights::Array;
use crate::{draw, filters};
use event::{Event, Histogram, Image, SessionLog, Summary, Value, What, value};
use prost::Message;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// TensorBoard finds its files by this part of their names, and reads them in their order.
const NAME: &str = "events.out.tfevents";
/// Of the format.
const VERSION: &str = "brain.Event:2";
/// Of tags of a training step; every other tag belongs to an evaluation.
const TRAINING: &str = "training/";
/// Of a histogram, between its least and greatest value.
const BUCKETS: usize = 60;
/// Red, green and blue, as TensorBoard counts.
const RGB: i32 = 3;

/// The open event file of a run.
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// Goes on with the event files of the run in `folder` after `state`: what they hold of later steps goes, and the
    /// new events have a file of their own. `None` where there is no event file.
    pub fn resume(folder: &Path, state: &State) -> Result<Option<Self>> {
        let files = files(folder)?;
        for path in &files {
            record::keep(path, |bytes| Event::decode(bytes).is_ok_and(|event| is_before(&event, state)))?;
        }
        if files.is_empty() { Ok(None) } else { Self::begin(folder, state).map(Some) }
    }

    /// Begins an event file in `folder`, for the steps after `state`.
    pub fn begin(folder: &Path, state: &State) -> Result<Self> {
        let number = files(folder)?.len() + 1;
        let path = folder.join(format!("{NAME}.{:010}.{number:04}.alexnet", now() as u64));
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(Error::io(&path))?;
        let mut events = Self { path, file };
        events.write(0, What::FileVersion(VERSION.to_owned()))?;
        if state.step > 0 {
            // A TensorBoard that read what was cut forgets it.
            let status = event::Status::Start.into();
            events.write(state.step + 1, What::SessionLog(SessionLog { status }))?;
        }
        Ok(events)
    }

    /// A step's line.
    pub fn step(&mut self, line: &StepLine) -> Result<()> {
        let scalars = [
            ("loss", line.loss),
            ("top1_error", line.top1_error),
            ("top5_error", line.top5_error),
            ("lr", line.lr),
            ("images_per_second", line.images_per_second),
        ];
        self.summary(line.step, scalars.map(|(name, value)| scalar(format!("{TRAINING}{name}"), value)).to_vec())
    }

    /// The lines of the evaluations after a step, with the weights and momenta of `net` they were made with.
    pub fn evaluation(
        &mut self,
        lines: &[EvaluationLine],
        net: &Net,
        weights: &[Vec<f32>],
        momenta: &[Vec<f32>],
    ) -> Result<()> {
        let Some(step) = lines.first().map(|line| line.step) else { return Ok(()) };
        let mut values = Vec::new();
        for line in lines {
            let on = if line.split == Split::Train { "train_in_use" } else { "validation" };
            let scalars = [("loss", line.loss), ("top1_error", line.top1_error), ("top5_error", line.top5_error)];
            values.extend(scalars.map(|(name, value)| scalar(format!("{on}/{name}"), value)));
        }
        let tensors = net.tensors();
        // The update adds the velocity to the weights (§5), so the velocity is the last update.
        for ((tensor, weights), updates) in tensors.iter().zip(weights).zip(momenta) {
            values.push(histogram(format!("weights/{}", tensor.name), weights));
            values.push(histogram(format!("updates/{}", tensor.name), updates));
        }
        if let (Some(tensor), Some(data)) = (tensors.first(), weights.first()) {
            let array = Array { dims: tensor.dims.clone(), data: data.clone() };
            let picture = filters::draw(&array, net.table.columns)?;
            values.push(Value {
                tag: format!("filters/{}", tensor.name),
                value: Some(value::Value::Image(Image {
                    height: picture.height() as i32,
                    width: picture.width() as i32,
                    colorspace: RGB,
                    encoded: draw::png(&picture)?,
                })),
            });
        }
        self.summary(step, values)
    }

    fn summary(&mut self, step: u64, value: Vec<Value>) -> Result<()> {
        self.write(step, What::Summary(Summary { value }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<()> {
        let event = Event { wall_time: now(), step: step as i64, what: Some(what) };
        self.file.write_all(&record::framed(&event.encode_to_vec())).map_err(Error::io(&self.path))
    }
}

/// Whether an event tells of nothing later than `state`.
fn is_before(event: &Event, state: &State) -> bool {
    let limit = match &event.what {
        Some(What::Summary(Summary { value })) if value.iter().all(|v| v.tag.starts_with(TRAINING)) => state.step,
        Some(What::Summary(_)) => state.evaluated,
        _ => return true,
    };
    event.step <= limit as i64
}

/// The event files of `folder`, in their order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut files =
        entries.map(|entry| entry.map(|e| e.path()).map_err(Error::io(folder))).collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NAME)));
    files.sort();
    Ok(files)
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn scalar(tag: String, value: f64) -> Value {
    Value { tag, value: Some(value::Value::Scalar(value as f32)) }
}

fn histogram(tag: String, values: &[f32]) -> Value {
    let finite = || values.iter().map(|&v| f64::from(v)).filter(|v| v.is_finite());
    let (least, greatest) = finite().fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
    let mut histogram = Histogram::default();
    if least <= greatest {
        let width = (greatest - least) / BUCKETS as f64;
        let mut counts = vec![0.0; BUCKETS];
        for value in finite() {
            let bucket = if width > 0.0 { ((value - least) / width) as usize } else { 0 };
            counts[bucket.min(BUCKETS - 1)] += 1.0;
            histogram.sum += value;
            histogram.sum_squares += value * value;
            histogram.num += 1.0;
        }
        (histogram.min, histogram.max) = (least, greatest);
        histogram.bucket_limit = (1..BUCKETS).map(|i| least + width * i as f64).chain([greatest]).collect();
        histogram.bucket = counts;
    }
    Value { tag, value: Some(value::Value::Histo(histogram)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> StepLine {
        let text = format!(
            "{{\"step\":{step},\"epoch\":1,\"loss\":2.5,\"top1_error\":0.5,\"top5_error\":0.1,\"lr\":0.01,\
             \"images_per_second\":10.0,\"seconds\":0.1,\"data_wait\":0.0,\"exchange\":0.0}}"
        );
        serde_json::from_str(&text).unwrap()
    }

    fn evaluation(step: u64) -> EvaluationLine {
        EvaluationLine { step, epoch: 1, split: Split::Val, loss: 2.0, top1_error: 0.25, top5_error: 0.0 }
    }

    /// Steps and tags of everything in `folder`.
    fn told(folder: &Path) -> Vec<(i64, String)> {
        let mut told = Vec::new();
        for path in files(folder).unwrap() {
            record::keep(&path, |bytes| {
                let event = Event::decode(bytes).unwrap();
                match event.what {
                    Some(What::Summary(summary)) => {
                        told.extend(summary.value.into_iter().map(|v| (event.step, v.tag)));
                    }
                    Some(What::SessionLog(_)) => told.push((event.step, "session".to_owned())),
                    _ => {}
                }
                true
            })
            .unwrap();
        }
        told
    }

    #[test]
    fn a_resumed_run_repeats_no_step() {
        let folder = tempfile::tempdir().unwrap();
        let net = Net::resolve(&crate::alexnet::TINY, 10, 0.5).unwrap();
        let weights: Vec<_> = net.tensors().iter().map(|t| vec![0.5; t.dims.iter().product()]).collect();
        let none = State::default();
        assert!(Events::resume(folder.path(), &none).unwrap().is_none());
        let mut events = Events::begin(folder.path(), &none).unwrap();
        for n in 1..=4 {
            events.step(&step(n)).unwrap();
            if n == 2 || n == 4 {
                events.evaluation(&[evaluation(n)], &net, &weights, &weights).unwrap();
            }
        }
        drop(events);
        let whole = told(folder.path());
        let tag = |name: &str| whole.iter().filter(|(_, tag)| tag == name).map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!((tag("training/loss"), tag("validation/loss")), (vec![1, 2, 3, 4], vec![2, 4]));
        for name in ["weights/conv1.weight", "updates/fc8.bias", "filters/conv1.weight"] {
            assert_eq!(tag(name), [2, 4], "{name}");
        }
        // A checkpoint after step 4 that was not yet evaluated, and a record that a crash cut short.
        let path = files(folder.path()).unwrap().pop().unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, [&bytes[..], &bytes[..17]].concat()).unwrap();
        let state = State { step: 4, evaluated: 2, ..none };
        let mut events = Events::resume(folder.path(), &state).unwrap().unwrap();
        events.evaluation(&[evaluation(4)], &net, &weights, &weights).unwrap();
        events.step(&step(5)).unwrap();
        let mut after = told(folder.path());
        let session = after.iter().position(|(_, tag)| tag == "session").unwrap();
        assert_eq!(after.remove(session), (5, "session".to_owned()));
        let training = after.iter().filter(|(step, _)| *step == 5).count();
        assert_eq!((after.len(), training), (whole.len() + 5, 5));
        assert_eq!(after[..whole.len()], whole);
    }

    #[test]
    fn histograms_count_every_value() {
        let Some(value::Value::Histo(h)) = histogram("t".to_owned(), &[-1.0, 0.0, 0.5, 2.0, f32::NAN]).value else {
            panic!("not a histogram")
        };
        assert_eq!((h.min, h.max, h.num, h.sum, h.sum_squares), (-1.0, 2.0, 4.0, 1.5, 5.25));
        assert_eq!((h.bucket.iter().sum::<f64>(), h.bucket.len(), h.bucket_limit.len()), (4.0, BUCKETS, BUCKETS));
        assert_eq!((h.bucket[0], h.bucket[20], h.bucket[30], h.bucket[59]), (1.0, 1.0, 1.0, 1.0));
        let Some(value::Value::Histo(same)) = histogram("t".to_owned(), &[3.0; 5]).value else { panic!("not one") };
        assert_eq!((same.min, same.max, same.bucket[0]), (3.0, 3.0, 5.0));
    }
}
