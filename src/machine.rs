//! A network placed on adapters: its columns, and one step of training.

use crate::data::Batch;
use crate::error::Result;
use crate::gpu::Device;
use crate::net::Net;
use crate::recipe::Figures;
use std::sync::Arc;

/// What does not change between the steps of a run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Images a step.
    pub batch: usize,
    /// Micro-batches a step (`--accumulate`); the plan may raise it where a tensor passes a binding limit.
    pub accumulate: usize,
    pub figures: Figures,
    pub momentum: f32,
    pub decay: f32,
    /// Seed of the dropout masks.
    pub seed: u64,
}

/// Means over one step's batch, before the update.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Mean log-loss in nats, without decay.
    pub loss: f64,
    /// Fractions.
    pub top1_error: f64,
    pub top5_error: f64,
    /// Seconds spent in exchanges between columns.
    pub exchange: f64,
}

/// A network on its adapters.
pub struct Machine {
    net: Net,
}

impl Machine {
    /// Allocates the columns of `net`, one per device (or all on the single one given), all values zero.
    pub fn new(net: &Net, devices: &[Arc<Device>], settings: Settings) -> Result<Self> {
        let _ = (net, devices, settings);
        todo!()
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Writes a learnable tensor, whole, in the order of [`Net::tensors`].
    pub fn set_weights(&mut self, tensors: &[Vec<f32>]) -> Result<()> {
        let _ = tensors;
        todo!()
    }

    /// Every learnable tensor, whole, in the order of [`Net::tensors`].
    pub fn weights(&self) -> Result<Vec<Vec<f32>>> {
        todo!()
    }

    /// The momenta v, like [`Machine::set_weights`].
    pub fn set_momenta(&mut self, tensors: &[Vec<f32>]) -> Result<()> {
        let _ = tensors;
        todo!()
    }

    /// The momenta v, like [`Machine::weights`].
    pub fn momenta(&self) -> Result<Vec<Vec<f32>>> {
        todo!()
    }

    /// One step of training at rate `rate`: forward, backward, update. `step` counts from 1.
    ///
    /// # Errors
    /// A NaN or infinity in the loss, a gradient or a weight ([`crate::Error::Diverged`]); a lost device.
    pub fn step(&mut self, batch: &Batch, step: u64, rate: f32) -> Result<Outcome> {
        let _ = (batch, step, rate);
        todo!()
    }

    /// Probability of each class, `[N, classes]`, in use mode (dropout rows multiply by 1 − p). Labels are not read;
    /// any number of images, run in groups of the batch size.
    pub fn probabilities(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let _ = batch;
        todo!()
    }
}
