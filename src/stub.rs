//! Stand-ins for modules that others write at the same time; this file goes when they are merged.
#![allow(missing_docs, unused_variables, clippy::all, clippy::todo, reason = "stand-ins")]

pub mod data {
    use crate::data::Batch;
    use crate::error::Result;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Split {
        Train,
        Val,
    }
    #[derive(Clone, Debug)]
    pub struct ImageFile {
        pub path: PathBuf,
        pub class: u32,
    }
    #[derive(Clone, Debug)]
    pub struct DataSet {
        pub root: PathBuf,
        pub split: Split,
        pub classes: Vec<String>,
        pub images: Vec<ImageFile>,
    }
    impl DataSet {
        pub fn open(root: &Path, split: Split) -> Result<Self> {
            todo!()
        }
        pub fn open_with_classes(root: &Path, split: Split, classes: &[String]) -> Result<Self> {
            todo!()
        }
        pub fn fingerprint(&self) -> u64 {
            todo!()
        }
    }
    #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Exif {
        Apply,
        Ignore,
    }
    #[derive(Clone, Debug, Default)]
    pub struct Square {
        pub size: usize,
        pub rgb: Vec<u8>,
    }
    pub fn load(path: &Path, size: usize, exif: Exif) -> Result<Square> {
        todo!()
    }
    #[derive(Clone, Debug)]
    pub struct Stats {
        pub size: usize,
        pub mean: Vec<f32>,
        pub colour: Option<Colour>,
    }
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Colour {
        pub stdev: [f32; 3],
        pub components: [[f32; 3]; 3],
    }
    #[derive(Clone, Debug)]
    pub struct Skipped {
        pub path: PathBuf,
        pub why: String,
    }
    pub fn measure(
        set: &DataSet,
        size: usize,
        exif: Exif,
        workers: usize,
        progress: impl FnMut(usize, usize),
    ) -> Result<(Stats, Vec<Skipped>)> {
        todo!()
    }
    #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
    pub enum Augment {
        #[serde(rename = "full")]
        Full,
        #[value(name = "crop,mirror")]
        #[serde(rename = "crop,mirror")]
        CropMirror,
        #[serde(rename = "crop")]
        Crop,
        #[serde(rename = "none")]
        None,
    }
    #[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Order {
        Shuffled,
        Sequential,
    }
    pub struct LoaderSettings {
        pub batch: usize,
        pub crop: usize,
        pub augment: Augment,
        pub order: Order,
        pub seed: u64,
        pub workers: usize,
        pub exif: Exif,
        pub first_step: u64,
    }
    pub struct Loader;
    pub struct Loaded {
        pub batch: Batch,
        pub epoch: u64,
        pub wait: Duration,
    }
    pub fn steps_per_pass(images: usize, batch: usize) -> u64 {
        todo!()
    }
    impl Loader {
        pub fn train(set: Arc<DataSet>, stats: Arc<Stats>, s: LoaderSettings) -> Loader {
            todo!()
        }
        pub fn next(&mut self) -> Result<Loaded> {
            todo!()
        }
        pub fn skipped(&self) -> &[Skipped] {
            todo!()
        }
    }
    pub fn evaluation(
        set: Arc<DataSet>,
        stats: Arc<Stats>,
        views: usize,
        crop: usize,
        batch: usize,
        workers: usize,
        exif: Exif,
    ) -> impl Iterator<Item = Result<Batch>> {
        std::iter::empty()
    }
    pub fn bench(set: &Arc<DataSet>, size: usize, crop: usize, workers: usize, exif: Exif) -> Result<f64> {
        todo!()
    }
    pub fn views_of(square: &Square, stats: &Stats, crop: usize, views: usize) -> Vec<f32> {
        todo!()
    }
}

pub mod synth {
    use crate::error::Result;
    use std::path::Path;
    pub struct Synth {
        pub classes: usize,
        pub train: usize,
        pub val: usize,
        pub seed: u64,
    }
    pub fn generate(dir: &Path, settings: Synth, progress: impl FnMut(usize, usize)) -> Result<()> {
        todo!()
    }
}
