//! Weights files: safetensors with PyTorch's names and layout.
//!
//! `conv1.weight` [96, 3, 11, 11], `conv2.weight` [256, 48, 5, 5] (as `groups=2`) and so on, biases, and `mean`
//! [3, size, size] in RGB 0-255. The first half of the maps is the first column. The metadata names the `net`, its
//! `classes` (a JSON list), readable `class_names` where those are WordNet ids, `dropout` (the p behind the factor 1 − p in use), `colour` (the training set's principal
//! colour components, JSON), `variation` (how the net differs from its table, if it does, JSON), `mean_crop` (where the mean is subtracted, if not at the crop's place) and the `format`. A file without metadata is read as well.

pub(crate) mod file;

use crate::alexnet::{self, TABLES};
use crate::checkpoint;
use crate::data::{Colour, MeanCrop, Stats};
use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::net::{Net, Table};
use crate::recipe::{self, Figures, Init, Start};
use crate::variation::Variation;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use file::Array;

/// What the metadata calls this layout.
pub const FORMAT: &str = "1";
/// The name of the mean image's tensor.
const MEAN: &str = "mean";
/// What stands for weights on the command line.
const KINDS: &str = "a weights file, a checkpoint folder or a run folder";

/// The contents of a weights file.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// Name of the network's table.
    pub net: Option<String>,
    /// How the network differs from that table.
    pub variation: Variation,
    /// Class names, in the order of fc8's units.
    pub classes: Option<Vec<String>>,
    /// Readable names of the classes, where `classes` are WordNet ids and the data had names for them.
    pub class_names: Option<Vec<String>>,
    /// Dropout probability of the training; absent where the file states none, and then no factor is in use.
    pub dropout: Option<f32>,
    /// Principal colour components of the training set.
    pub colour: Option<Colour>,
    /// Where the mean image is read.
    pub mean_crop: MeanCrop,
    /// Every tensor by name, the mean image among them.
    pub arrays: BTreeMap<String, Array>,
}

impl Weights {
    /// A file of the network of `table`, without any tensor.
    pub fn of(table: &Table) -> Self {
        Self { net: Some(table.name.to_owned()), variation: table.variation.clone(), ..Self::default() }
    }

    /// The weights of a trained `net`, tensors in the order of [`Net::tensors`].
    pub fn new(net: &Net, classes: &[String], stats: &Stats, tensors: Vec<Vec<f32>>) -> Self {
        let mut arrays = named(net, tensors);
        let mean = Array { dims: vec![3, stats.size, stats.size], data: stats.mean.clone() };
        arrays.insert(MEAN.to_owned(), mean);
        Self {
            classes: Some(classes.to_vec()),
            dropout: Some(net.dropout),
            colour: stats.colour,
            mean_crop: stats.mean_crop,
            arrays,
            ..Self::of(&net.table)
        }
    }

    /// A file of statistics alone.
    pub fn of_stats(stats: &Stats) -> Self {
        let mean = Array { dims: vec![3, stats.size, stats.size], data: stats.mean.clone() };
        let arrays = BTreeMap::from([(MEAN.to_owned(), mean)]);
        Self { colour: stats.colour, mean_crop: stats.mean_crop, arrays, ..Self::default() }
    }

    /// Reads a weights file, a checkpoint folder or the last complete checkpoint of a run folder.
    ///
    /// # Errors
    /// No such file, a truncated one, another format, or a NaN or infinity among the values.
    pub fn read(path: &Path) -> Result<Self> {
        let path = locate(path)?;
        let (metadata, arrays) = file::read(&path)?;
        let bad = |what: &str, expected: &str| Error::Checkpoint {
            path: path.clone(),
            why: format!("its metadata `{what}` is {}; expected {expected}", metadata[what]),
        };
        if metadata.get("format").is_some_and(|f| f != FORMAT && f != "pt") {
            return Err(bad("format", "\"1\"; the file is of a newer version, or not one of weights"));
        }
        let net = metadata.get("net").cloned();
        if net.as_deref().is_some_and(|n| alexnet::table(n).is_none()) {
            return Err(bad("net", &format!("one of {}", names())));
        }
        let variation = metadata.get("variation").map(|json| serde_json::from_str(json)).transpose();
        let variation: Variation =
            variation.map_err(|_| bad("variation", "the JSON of what this version can vary"))?.unwrap_or_default();
        let classes = metadata.get("classes").map(|json| serde_json::from_str(json)).transpose();
        let classes: Option<Vec<String>> = classes.map_err(|_| bad("classes", "a JSON list of names"))?;
        let class_names = metadata.get("class_names").map(|json| serde_json::from_str(json)).transpose();
        let class_names: Option<Vec<String>> = class_names.map_err(|_| bad("class_names", "a JSON list of names"))?;
        if let (Some(names), Some(classes)) = (&class_names, &classes)
            && names.len() != classes.len()
        {
            return Err(bad("class_names", "as many names as `classes` has"));
        }
        let dropout = metadata.get("dropout").map(|p| p.parse()).transpose();
        let dropout: Option<f32> = dropout.map_err(|_| bad("dropout", "a probability"))?;
        if dropout.is_some_and(|p| !(0.0..1.0).contains(&p)) {
            return Err(bad("dropout", "a probability of 0 or more and below 1"));
        }
        let colour = metadata.get("colour").map(|json| serde_json::from_str(json)).transpose();
        let colour = colour.map_err(|_| bad("colour", "the JSON of three components"))?;
        let mean_crop = match metadata.get("mean_crop").map(String::as_str) {
            None | Some("own") => MeanCrop::Own,
            Some("centre") => MeanCrop::Centre,
            Some(_) => return Err(bad("mean_crop", "own or centre")),
        };
        Ok(Self { path, net, variation, classes, class_names, dropout, colour, mean_crop, arrays })
    }

    /// Writes a file whose bytes depend on the contents alone.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut metadata = BTreeMap::from([("format", FORMAT.to_owned())]);
        let json = |value: serde_json::Result<String>| value.map_err(|e| Error::io(path)(e.into()));
        metadata.extend(self.net.clone().map(|net| ("net", net)));
        if !self.variation.is_none() {
            metadata.insert("variation", json(serde_json::to_string(&self.variation))?);
        }
        if let Some(classes) = &self.classes {
            metadata.insert("classes", json(serde_json::to_string(classes))?);
        }
        if let Some(names) = &self.class_names {
            metadata.insert("class_names", json(serde_json::to_string(names))?);
        }
        metadata.extend(self.dropout.map(|p| ("dropout", p.to_string())));
        if let Some(colour) = &self.colour {
            metadata.insert("colour", json(serde_json::to_string(colour))?);
        }
        if self.mean_crop == MeanCrop::Centre {
            metadata.insert("mean_crop", "centre".to_owned());
        }
        file::write(path, &metadata, &self.arrays)
    }

    /// The network the file is of: what its metadata says, else `option` (`--net`).
    pub fn table(&self, option: Option<&Table>) -> Result<Table> {
        match (self.own_table()?, option) {
            (Some(own), Some(option)) if own != *option => Err(self.of_other_net(&own, option)),
            (Some(own), _) => Ok(own),
            (None, Some(option)) => Ok(option.clone()),
            (None, None) => Err(Error::Usage(format!(
                "{}: the file does not say of which net it is; say it with --net ({})",
                self.path.display(),
                names()
            ))),
        }
    }

    /// The network that the file names.
    fn own_table(&self) -> Result<Option<Table>> {
        let own = self.net.as_deref().and_then(alexnet::table);
        own.map(|table| table.varied(self.variation.clone())).transpose().map_err(|e| self.error(e.to_string()))
    }

    /// The network of `table` with the file's classes and dropout, for use or as `--weights`.
    pub fn resolve(&self, table: &Table) -> Result<Net> {
        let net = Net::resolve(table, 1, self.dropout.unwrap_or(0.0))?;
        let last = last_bias(&net);
        let array = self.arrays.get(&last).ok_or_else(|| self.missing(table, &last, "one value a class"))?;
        let net = Net::resolve(table, array.data.len(), net.dropout)?;
        match &self.classes {
            Some(names) if names.len() != net.classes => Err(self.error(format!(
                "its metadata names {} classes, {last} has shape {:?}",
                names.len(),
                array.dims
            ))),
            _ => Ok(net),
        }
    }

    /// The learnable tensors of `net`, in the order of [`Net::tensors`]; they leave `self`.
    ///
    /// # Errors
    /// Another net or another number of classes; a tensor that is missing, unknown or of another shape.
    pub fn take(&mut self, net: &Net) -> Result<Vec<Vec<f32>>> {
        if let Some(own) = self.own_table()?.filter(|own| *own != net.table) {
            return Err(self.of_other_net(&own, &net.table));
        }
        self.check(net)?;
        Ok(net.tensors().iter().map(|t| self.arrays.remove(&t.name).map_or_else(Vec::new, |a| a.data)).collect())
    }

    /// Classes; their numbers where the file names none.
    pub fn numbered_classes(&self, net: &Net) -> Vec<String> {
        self.classes.clone().unwrap_or_else(|| (0..net.classes).map(|i| i.to_string()).collect())
    }

    /// The training set's mean image and colour components, `None` where the file has no `mean`.
    ///
    /// # Errors
    /// A mean of another size than the net's images.
    pub fn stats(&self, table: &Table) -> Result<Option<Stats>> {
        self.stats_of(table.image).map_err(|_| {
            let found = &self.arrays[MEAN].dims;
            self.wrong_shape(table, MEAN, found, &[3, table.image, table.image])
        })
    }

    /// The same for squares of `size` pixels.
    ///
    /// # Errors
    /// A mean of another size.
    pub fn stats_of(&self, size: usize) -> Result<Option<Stats>> {
        let expected = [3, size, size];
        match self.arrays.get(MEAN) {
            None => Ok(None),
            Some(mean) if mean.dims == expected => {
                Ok(Some(Stats { size, mean: mean.data.clone(), mean_crop: self.mean_crop, colour: self.colour }))
            }
            Some(mean) => Err(self.error(format!("its mean has shape {:?}; expected {expected:?}", mean.dims))),
        }
    }

    /// [`Weights::stats`] where nothing can be done without a mean.
    pub fn needed_stats(&self, table: &Table) -> Result<Stats> {
        let shape = format!("shape {:?}, RGB in 0-255", [3, table.image, table.image]);
        self.stats(table)?.ok_or_else(|| self.missing(table, MEAN, &shape))
    }

    /// Puts zeros in the place of the layer with a unit a class: as many as `net` has classes.
    pub fn clear_head(&mut self, net: &Net) {
        let head = head(&net.table);
        for tensor in net.tensors().into_iter().filter(|tensor| tensor.row == head) {
            let data = vec![0.0; tensor.len()];
            self.arrays.insert(tensor.name, Array { dims: tensor.dims, data });
        }
        (self.classes, self.class_names) = (None, None);
    }

    /// Whether [`Weights::take`] would give the tensors of `net`.
    pub fn check(&self, net: &Net) -> Result<()> {
        let tensors = net.tensors();
        for tensor in &tensors {
            let Some(array) = self.arrays.get(&tensor.name) else {
                return Err(self.missing(&net.table, &tensor.name, &format!("shape {:?}", tensor.dims)));
            };
            if array.dims != tensor.dims {
                return Err(self.wrong_shape(&net.table, &tensor.name, &array.dims, &tensor.dims));
            }
        }
        let known = |name: &str| name == MEAN || tensors.iter().any(|t| t.name == name);
        match self.arrays.iter().find(|(name, _)| !known(name)) {
            Some((name, array)) => Err(self.error(format!(
                "it holds {name} with shape {:?}, which net `{}` does not have; is it of another net?",
                array.dims, net.table
            ))),
            None => Ok(()),
        }
    }

    fn of_other_net(&self, own: &Table, wanted: &Table) -> Error {
        let differs = self.first_difference(own, wanted).unwrap_or_default();
        self.error(format!("the weights are of net `{own}`, not `{wanted}`{differs}; say --net {own}"))
    }

    /// The first tensor in which the two nets differ, said with both shapes.
    fn first_difference(&self, own: &Table, wanted: &Table) -> Option<String> {
        let classes = self.resolve(own).ok()?.classes;
        let wanted = Net::resolve(wanted, classes, 0.0).ok()?.tensors();
        let differs = wanted.iter().find_map(|t| {
            let array = self.arrays.get(&t.name)?;
            (array.dims != t.dims)
                .then(|| format!(" ({} has shape {:?} here and {:?} there)", t.name, array.dims, t.dims))
        });
        differs.or_else(|| Some(" (their tensors have equal shapes, but they compute differently)".to_owned()))
    }

    fn wrong_shape(&self, net: &Table, name: &str, got: &[usize], expected: &[usize]) -> Error {
        let classes = match (name.split('.').next() == Some(net.rows[head(net)].name), got, expected) {
            (true, [a, ..], [b, ..]) if a != b => format!(": the weights know {a} classes, the data has {b}"),
            _ => String::new(),
        };
        self.error(format!("{name} has shape {got:?}, but net `{net}` expects {expected:?}{classes}"))
    }

    fn missing(&self, net: &Table, name: &str, expected: &str) -> Error {
        self.error(format!("it has no tensor {name}; net `{net}` expects it with {expected}"))
    }

    fn error(&self, why: String) -> Error {
        Error::Checkpoint { path: self.path.clone(), why }
    }
}

/// Tensors in the order of [`Net::tensors`] under their names.
pub fn named(net: &Net, tensors: Vec<Vec<f32>>) -> BTreeMap<String, Array> {
    net.tensors().into_iter().zip(tensors).map(|(t, data)| (t.name, Array { dims: t.dims, data })).collect()
}

/// The values `net` begins with: by [`recipe::init`], a stream of ChaCha8 per tensor, wherever the columns lie.
pub fn initial(net: &Net, figures: Figures, seed: u64) -> Vec<Vec<f32>> {
    initial_as(net, figures, Start::Own, seed)
}

/// The same with the standard deviations that `start` names.
pub fn initial_as(net: &Net, figures: Figures, start: Start, seed: u64) -> Vec<Vec<f32>> {
    let draw = |(stream, tensor): (usize, &crate::net::Tensor)| match recipe::init_as(net, figures, start, tensor) {
        Init::Constant(value) => vec![value; tensor.len()],
        Init::Normal(deviation) => {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(stream as u64);
            let mut normal = || -> f32 { StandardNormal.sample(&mut random) };
            (0..tensor.len()).map(|_| deviation * normal()).collect()
        }
    };
    net.tensors().iter().enumerate().map(draw).collect()
}

/// Gives the layer with a unit a class the values that training begins with.
pub fn renew_head(net: &Net, tensors: &mut [Vec<f32>], figures: Figures, seed: u64) {
    let head = head(&net.table);
    for ((tensor, values), fresh) in net.tensors().iter().zip(tensors).zip(initial(net, figures, seed)) {
        if tensor.row == head {
            *values = fresh;
        }
    }
}

/// Scales the weights of every layer that reads a dropout row (fc7 and fc8), so that weights made under `from` compute
/// the same in use under the dropout of `net`: their input is then multiplied by 1 − p of the net instead (§4.2).
pub fn rescale(net: &Net, tensors: &mut [Vec<f32>], from: f32) {
    if from == net.dropout {
        return;
    }
    let factor = (1.0 - from) / (1.0 - net.dropout);
    for (tensor, values) in net.tensors().iter().zip(tensors) {
        let reads_dropout = tensor.row > 0 && matches!(net.rows[tensor.row - 1].layer, Layer::Dropout(_));
        if tensor.place == 0 && reads_dropout {
            values.iter_mut().for_each(|w| *w *= factor);
        }
    }
}

/// The weights file that `path` stands for: itself, a checkpoint's, or that of a run's last complete checkpoint.
pub fn locate(path: &Path) -> Result<PathBuf> {
    let error = |why: String| Error::Checkpoint { path: path.to_owned(), why };
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if !path.is_dir() {
        return Err(error(format!("there is no such file or folder; expected {KINDS}")));
    }
    let own = path.join(checkpoint::WEIGHTS);
    if own.is_file() {
        return Ok(own);
    }
    match checkpoint::latest(path)? {
        Some(checkpoint) => Ok(checkpoint.join(checkpoint::WEIGHTS)),
        None => Err(error(format!(
            "the folder holds neither {} nor a complete checkpoint step-…; expected {KINDS}",
            checkpoint::WEIGHTS
        ))),
    }
}

/// The row with a unit a class.
fn head(table: &Table) -> usize {
    table.rows.iter().rposition(|row| matches!(row.layer, Layer::Full(_))).unwrap_or(0)
}

/// Name of its bias.
fn last_bias(net: &Net) -> String {
    format!("{}.bias", net.rows[head(&net.table)].name)
}

fn names() -> String {
    TABLES.map(|t| t.name).join(", ")
}
