//! A layer by itself, with everything it binds: for `check`, `bench kernels` and `shader`.

use crate::cases::{self, Case};
use crate::column::{Parameter, RESULTS, StepUniform};
use crate::error::{Error, Result};
use crate::gpu::{Device, Program, Recorder, SHADERS, Tensor};
use crate::layers::{self, Io};
use crate::net::Net;
use crate::optimizer::{self, Sgd, Sink};
use crate::plan;
use crate::products::{self, Product, Scratch, Window};
use crate::random;
use crate::shape::Shape;
use std::sync::Arc;

/// The row a layer by itself believes to be, which its dropout mask depends on.
pub const ROW: usize = 3;

/// An update by itself.
pub const SGD: Sgd = Sgd { momentum: 0.9, rate: 1.0, decay: 0.0005 };

/// `len` values in −1…1, a function of `salt` and their place.
pub fn values(salt: u32, len: usize) -> Vec<f32> {
    (0..len).map(|i| random::hash(&[salt, i as u32]) as f32 / 2_147_483_648.0 - 1.0).collect()
}

/// The buffer of a step's uniforms.
pub fn step_uniform(device: &Device) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    device.buffer("step", size_of::<StepUniform>() as u64, usage)
}

/// A case on a device: x, dy, weights and labels are fixed pseudo-random values.
pub struct Solo {
    device: Arc<Device>,
    case: Case,
    /// Shape of one image's output.
    pub y_shape: Shape,
    /// Images on the device, padding included.
    pub batch: usize,
    /// The step's uniforms, a [`StepUniform`]; zero until written.
    pub step: wgpu::Buffer,
    /// `[C, H, W, images]`
    pub x_values: Vec<f32>,
    /// `[C, H, W, images]`
    pub dy_values: Vec<f32>,
    /// Weight, bias.
    pub parameter_values: Vec<Vec<f32>>,
    /// `[images]`
    pub label_values: Vec<u32>,
    /// `[C, H, W, batch]`
    pub x: Tensor,
    /// `[C, H, W, batch]`; x itself for layers in place.
    pub y: Tensor,
    /// `[C, H, W, batch]`
    pub dy: Tensor,
    /// `[C, H, W, batch]`; dy itself where the backward pass is in place.
    pub dx: Tensor,
    saved: Option<Tensor>,
    /// Weight, bias.
    pub parameters: Vec<Parameter>,
    labels: Tensor,
    scores: Tensor,
    /// Sums over the batch, as [`crate::column::Column::results`].
    pub totals: Tensor,
    scratch: Scratch,
}

impl Solo {
    /// Allocates and fills what `case` binds.
    ///
    /// # Errors
    /// The layer's window does not fit, or the device was lost.
    pub fn new(device: &Arc<Device>, case: &Case) -> Result<Self> {
        Self::with_batch(device, case, case.images.next_multiple_of(device.profile.family.images()))
    }

    /// Like [`Solo::new`], with the images padded to `batch`.
    ///
    /// # Errors
    /// The layer's window does not fit, or the device was lost.
    pub fn with_batch(device: &Arc<Device>, case: &Case, batch: usize) -> Result<Self> {
        let y_shape = case.layer.output(case.x).ok_or_else(|| Error::Shape {
            row: case.name.clone(),
            why: format!("its window does not fit {}", case.x),
        })?;
        let (x_values, dy_values) = (values(1, case.x.len() * case.images), values(2, y_shape.len() * case.images));
        let params = case.layer.params(case.x);
        let lengths = params.iter().map(|p| p.dims.iter().product());
        let parameter_values: Vec<_> = lengths.zip(10..).map(|(len, salt)| values(salt, len)).collect();
        let classes = case.x.len() as u32;
        let label_values: Vec<_> = (0..case.images as u32).map(|n| random::hash(&[5, n]) % classes).collect();

        let zeros = |name, len| Tensor::zeros(device, name, len);
        let x = upload(device, "x", &x_values, case.images, batch);
        let dy = upload(device, "dy", &dy_values, case.images, batch);
        let y = if case.layer.in_place() { x.clone() } else { zeros("y", y_shape.len() * batch) };
        let in_place = layers::backward_in_place(&case.layer);
        let dx = if in_place { dy.clone() } else { zeros("dx", case.x.len() * batch) };
        let parameter = |values: &Vec<f32>| {
            let weight = zeros("weight", values.len());
            weight.write(device, values);
            Parameter {
                weight,
                gradient: Sink::Kept(zeros("gradient", values.len())),
                momentum: zeros("momentum", values.len()),
            }
        };
        let labels = zeros("labels", batch);
        labels.write(device, &label_values);
        let this = Self {
            y_shape,
            batch,
            step: step_uniform(device),
            x,
            y,
            dy,
            dx,
            saved: layers::saved(&case.layer, y_shape.len() * batch).map(|len| zeros("saved", len)),
            parameters: parameter_values.iter().map(parameter).collect(),
            labels,
            scores: zeros("scores", 2 * batch),
            totals: zeros("totals", RESULTS),
            scratch: Scratch::new(device, plan::layer_needs(&case.layer, &device.profile, case.x, y_shape, batch)),
            x_values,
            dy_values,
            parameter_values,
            label_values,
            device: Arc::clone(device),
            case: case.clone(),
        };
        device.wait()?;
        Ok(this)
    }

    fn io(&self) -> Io<'_> {
        Io {
            row: ROW,
            layer: &self.case.layer,
            x_shape: self.case.x,
            y_shape: self.y_shape,
            relu: self.case.relu,
            batch: self.batch,
            x: self.x.clone(),
            y: self.y.clone(),
            saved: self.saved.clone(),
            parameters: &self.parameters,
            scratch: &self.scratch,
            labels: &self.labels,
            scores: &self.scores,
            totals: &self.totals,
        }
    }

    /// The layer forward.
    pub fn forward(&self) -> Program {
        let mut rec = Recorder::new(&self.device, &self.step);
        layers::forward(&mut rec, &self.io());
        rec.finish()
    }

    /// The layer backward, dx included.
    pub fn backward(&self) -> Program {
        let mut rec = Recorder::new(&self.device, &self.step);
        layers::backward_data(&mut rec, &self.io(), &self.dy, Some(&self.dx));
        layers::backward_weights(&mut rec, &self.io(), &self.dy);
        rec.finish()
    }

    /// One product of a convolution or fully connected layer, in the variant and with the scratch memory of `device`,
    /// which must be this one with whatever profile.
    pub fn product(&self, device: &Device, product: Product) -> Program {
        let window = Window::of(&self.case.layer, self.case.x, self.y_shape, self.batch);
        let scratch = Scratch::new(device, products::needs(&device.profile, &window));
        let mut rec = Recorder::new(device, &self.step);
        let [weight, bias] = &self.parameters[..] else {
            unreachable!("a layer with products has a weight and a bias")
        };
        match product {
            Product::Forward => {
                products::forward(&mut rec, &scratch, &window, &self.x, &weight.weight, &bias.weight, &self.y);
            }
            Product::BackwardData => {
                products::backward_data(&mut rec, &scratch, &window, &self.dy, &weight.weight, &self.dx);
            }
            Product::BackwardWeight => {
                products::backward_weight(&mut rec, &scratch, &window, &self.dy, &self.x, &weight.gradient);
            }
        }
        rec.finish()
    }

    /// The weight's gradient once more, from dy as [`Solo::backward`] left it, taken by [`SGD`].
    pub fn descend(&self) -> Program {
        let window =
            Window { relu: self.case.relu, ..Window::of(&self.case.layer, self.case.x, self.y_shape, self.batch) };
        let mut rec = Recorder::new(&self.device, &self.step);
        let taken = Sink::Taken(self.parameters[0].update(SGD, &self.totals));
        products::backward_weight(&mut rec, &self.scratch, &window, &self.dy, &self.x, &taken);
        rec.finish()
    }

    /// What runs beside the layers: the arrangement of the batch, the exchange's addition, the update and the search for
    /// overflow.
    pub fn beside(&self) -> Program {
        let mut rec = Recorder::new(&self.device, &self.step);
        layers::arrange(&mut rec, self.case.x.len(), self.batch, &self.x, &self.dx);
        if self.case.x.c == 3 && self.case.x.h == self.case.x.w {
            let (side, views) = (self.case.x.h, Tensor::zeros(&self.device, "views", 8 * self.batch));
            let crops = layers::Crops { rgb: &self.x, views: &views, mean: &self.x, side, size: side };
            layers::views(&mut rec, &crops, self.batch, &self.dx);
        }
        layers::add(&mut rec, &self.dx, &self.x);
        let flags = Tensor::zeros(&self.device, "flags", 2 * RESULTS);
        for parameter in &self.parameters {
            let gradient = parameter.gradient.kept();
            optimizer::update(&mut rec, parameter.update(SGD, &self.totals), gradient);
            optimizer::find_overflow(&mut rec, gradient, &flags);
        }
        rec.finish()
    }

    /// A tensor of activations without the padding: `[C, H, W, images]`.
    ///
    /// # Errors
    /// The device was lost.
    pub fn download(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        let all = tensor.read(&self.device)?;
        Ok(all.chunks(self.batch).flat_map(|row| &row[..self.case.images]).copied().collect())
    }
}

/// `[len, images]` as `[len, batch]` on the device; padding is zero.
fn upload(device: &Device, name: &str, data: &[f32], images: usize, batch: usize) -> Tensor {
    let tensor = Tensor::zeros(device, name, data.len() / images * batch);
    let padding = vec![0.0; batch - images];
    let padded: Vec<f32> = data.chunks(images).flat_map(|row| row.iter().chain(&padding)).copied().collect();
    tensor.write(device, &padded);
    tensor
}

/// The WGSL of kernel `name` as it runs on `device`, in row `row` of `net` or in the first that uses it.
///
/// # Errors
/// An unknown kernel or row, or a row that does not use the kernel: what there is instead.
pub fn shader(device: &Arc<Device>, net: &Net, images: usize, name: &str, row: Option<&str>) -> Result<String> {
    let Some((_, source)) = SHADERS.iter().find(|(n, _)| *n == name) else {
        let names: Vec<_> = SHADERS.iter().map(|(n, _)| *n).collect();
        return Err(Error::Usage(format!("there is no shader {name:?}; there are {}", names.join(", "))));
    };
    let mut rows: Vec<_> = cases::of(net, images);
    if let Some(row) = row {
        rows.retain(|case| case.name == row);
        if rows.is_empty() {
            let names: Vec<_> = net.rows.iter().map(|r| r.name).collect();
            let (net, names) = (&net.table, names.join(", "));
            return Err(Error::Usage(format!("{net} has no row {row:?}; its rows are {names}")));
        }
    }
    if name.starts_with("shared/") {
        return Ok((*source).to_owned());
    }
    let mut used = Vec::new();
    for case in &rows {
        let solo = Solo::new(device, case)?;
        for program in [solo.forward(), solo.backward(), solo.beside()] {
            if let Some((_, text)) = program.kernels().find(|(n, _)| *n == name) {
                return Ok(text.to_owned());
            }
            used.extend(program.kernels().map(|(n, _)| n));
        }
    }
    used.sort_unstable();
    used.dedup();
    let place = row.unwrap_or(net.table.name);
    Err(Error::Usage(format!("{place} runs no {name} on {}; it runs {}", device.describe(), used.join(", "))))
}
