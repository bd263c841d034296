//! One column: its parameters and activations on its device, and its programs, recorded once.

use crate::data::augment::View;
use crate::gpu::{Device, Program, Recorder, Tensor, Upload};
use crate::layers::{self, Io};
use crate::net::{self, Net};
use crate::optimizer::{self, Sgd, Sink};
use crate::plan::{ColumnPlan, DevicePlan, Phase, Place, Plan, RowPlan};
use crate::products::{Precision, Scratch};
use crate::recipe::{self, Figures};
use std::ops::Range;
use std::sync::Arc;

/// The uniform every kernel of a step may read: `Step` of `shaders/shared/step.wgsl`, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepUniform {
    /// Low half of the seed of the dropout masks.
    pub seed_low: u32,
    /// High half of that seed.
    pub seed_high: u32,
    /// Step of training, from 1.
    pub step: u32,
    /// Which column runs, from 0.
    pub column: u32,
    /// Images of this micro-batch; the places behind them are padding.
    pub valid: u32,
    /// Place of its first image in the whole batch.
    pub first: u32,
    /// Images of the whole batch.
    pub total: u32,
    /// 1 in training, 0 in use.
    pub train: u32,
    /// 1 where gradients and sums are added to what is there.
    pub accumulate: u32,
    /// Learning rate ε.
    pub rate: f32,
    /// The loss's gradient is multiplied by 2 to this power, and the update divides by it.
    pub scale: u32,
    /// Fills up a multiple of 16 bytes.
    pub unused: u32,
}

/// A view of an image as `shaders/image/views.wgsl` reads it, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct ViewUniform {
    /// Pixels from the left of the mean image to what is subtracted.
    pub left: u32,
    /// Pixels from the top.
    pub top: u32,
    /// 1 where the crop is reflected horizontally.
    pub mirror: u32,
    /// Factor of the result.
    pub scale: f32,
    /// Added to R, G and B; the fourth is not read.
    pub noise: [f32; 4],
}

impl From<&View> for ViewUniform {
    fn from(view: &View) -> Self {
        let [r, g, b] = view.noise;
        Self {
            left: view.mean.0 as u32,
            top: view.mean.1 as u32,
            mirror: view.mirror.into(),
            scale: view.scale,
            noise: [r, g, b, 0.0],
        }
    }
}

/// What the columns on one device share: the image batch and the scratch of their products.
pub struct Shared {
    /// The device all of it lies on.
    pub device: Arc<Device>,
    /// Where tensors of a step lie, by lifetime.
    memory: Vec<Tensor>,
    /// `[N, 3, side, side]`, or crops as bytes, `[N, side, side, 3]`, as the batch has them; dead once arranged.
    pub pixels: Tensor,
    /// `[N]` [`ViewUniform`], of crops.
    pub views: Tensor,
    /// `[3, size, size]`, of crops.
    pub mean: Tensor,
    /// The batch the network reads, images innermost.
    image: Tensor,
    /// `[N]`, u32.
    pub labels: Tensor,
    /// Through which pixels, labels and every column's uniforms reach the device.
    pub upload: Upload,
    scratch: Scratch,
}

impl Shared {
    /// Allocates what device `index` of `plan` shares.
    pub fn new(net: &Net, device: &Arc<Device>, plan: &Plan, index: usize) -> Self {
        let DevicePlan { buffers, pixels, image } = &plan.devices[index];
        let memory: Vec<_> = buffers.iter().map(|&len| Tensor::zeros(device, "memory", len)).collect();
        Self {
            pixels: at(&memory, *pixels),
            image: at(&memory, *image),
            memory,
            views: Tensor::zeros(device, "views", plan.batch * size_of::<ViewUniform>() / 4),
            mean: Tensor::zeros(device, "mean", 3 * net.table.image * net.table.image),
            labels: Tensor::zeros(device, "labels", plan.batch),
            upload: Upload::new(
                device,
                (4 * (plan.image + plan.batch) + plan.on(index).count() * size_of::<StepUniform>()) as u64,
            ),
            scratch: Scratch::new(device, plan.needs(index)),
            device: Arc::clone(device),
        }
    }
}

/// The tensor at `place`.
fn at(memory: &[Tensor], place: Place) -> Tensor {
    memory[place.buffer].slice(place.offset..place.offset + place.len)
}

/// A learnable tensor of one column. In use it has no gradient and no velocity.
pub struct Parameter {
    /// w, or b of a bias, in PyTorch's order.
    pub weight: Tensor,
    /// The gradient of the mean loss, of the same shape.
    pub gradient: Sink,
    /// The velocity v (§5), of the same shape.
    pub momentum: Tensor,
}

impl Parameter {
    /// Its update, which reports to `results`.
    pub fn update(&self, sgd: Sgd, results: &Tensor) -> optimizer::Update {
        let (weight, momentum) = (self.weight.clone(), self.momentum.clone());
        optimizer::Update { weight, momentum, results: results.clone(), sgd }
    }
}

/// A cut of the rows where data crosses, seen from one column.
pub struct Cut {
    /// The row that reads every column.
    before: usize,
    /// This column's output above the cut.
    pub output: Tensor,
    /// The whole input below the cut, every column's part; `None` where the column does not hold the row.
    pub input: Option<Tensor>,
    /// The gradient of the whole input, after the rows below ran backward.
    pub input_gradient: Option<Tensor>,
    /// Where the gradient of `output` belongs.
    pub output_gradient: Tensor,
    /// Where another column's share arrives; `output_gradient` itself where this column has none of its own.
    incoming: Tensor,
    /// Adds what arrived to `output_gradient`; empty where this column has no share of its own.
    add: Program,
}

/// Constants of the update.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Whose factors of rate and decay are followed.
    pub figures: Figures,
    /// Factor of the velocity.
    pub momentum: f32,
    /// Weight decay, before a tensor's own factor.
    pub decay: f32,
}

impl Update {
    /// Those of one tensor.
    fn of(&self, net: &Net, tensor: &net::Tensor) -> Sgd {
        let (rate, decay) = recipe::factors(net, self.figures, tensor);
        Sgd { momentum: self.momentum, rate: rate * net.rows[tensor.row].rate, decay: self.decay * decay }
    }
}

/// One column of a network.
pub struct Column {
    /// Its place among the columns, from 0.
    pub index: usize,
    /// The device it lies on.
    pub device: Arc<Device>,
    /// Per row, weight before bias.
    pub parameters: Vec<Vec<Parameter>>,
    /// The last row's output, `[C, H, W, N]`, in a column that holds it: the classes' probabilities.
    pub output: Option<Tensor>,
    /// Σ over the valid images of loss, top-1 and top-5 error; then 1 once a gradient, 2 once a weight is NaN or
    /// infinite, as bits of an integer. In mixed precision four values more a column, the first not 0 where a gradient of
    /// that column overflowed.
    pub results: Tensor,
    step: wgpu::Buffer,
    arrange: Program,
    views: Program,
    /// Per segment.
    forward: Vec<Program>,
    backward: Vec<Program>,
    weights: Vec<Program>,
    /// Sets this column's flag; empty in f32.
    find_overflow: Program,
    update: Program,
    cuts: Vec<Cut>,
}

/// Allocations and extents a recording refers to.
struct Recording<'a> {
    net: &'a Net,
    plan: &'a Plan,
    column: &'a ColumnPlan,
    shared: &'a Shared,
    parameters: &'a [Vec<Parameter>],
    results: &'a Tensor,
    scores: Tensor,
}

impl Recording<'_> {
    fn at(&self, place: Place) -> Tensor {
        at(&self.shared.memory, place)
    }

    /// These rows, where the column holds them.
    fn held(&self, rows: impl Iterator<Item = usize>) -> impl Iterator<Item = (usize, &RowPlan)> {
        rows.filter_map(|row| Some((row, self.column.rows[row].as_ref()?)))
    }

    /// Whether row `row` takes in the row above it.
    fn takes_in(&self, row: usize) -> bool {
        layers::takes_in(&self.net.rows[row].layer, self.net.rows.get(row + 1).map(|r| &r.layer))
    }

    /// What row `row` computes on.
    fn io(&self, row: usize, place: &RowPlan) -> Io<'_> {
        Io {
            row,
            layer: &self.net.rows[row].layer,
            x_shape: self.net.rows[row].x,
            y_shape: self.net.rows[row].y,
            relu: self.takes_in(row),
            batch: self.plan.batch,
            x: self.at(place.x),
            y: self.at(place.y),
            saved: place.saved.map(|saved| self.at(saved)),
            parameters: &self.parameters[row],
            scratch: &self.shared.scratch,
            labels: &self.shared.labels,
            scores: &self.scores,
            totals: self.results,
        }
    }
}

impl Column {
    /// Allocates column `index` of `plan` and records its programs.
    pub fn new(net: &Net, plan: &Plan, index: usize, shared: &Shared, update: Update) -> Self {
        let device = Arc::clone(&shared.device);
        let column = &plan.columns[index];
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let step = device.buffer("step", size_of::<StepUniform>() as u64, usage);
        let flags = match device.profile.family.precision() {
            Precision::F32 => 0,
            Precision::Mixed => plan.columns.len(),
        };
        let results = Tensor::zeros(&device, "results", RESULTS * (1 + flags));
        let parameters = parameters(net, column, &device, plan.trains().then_some(update), &results);
        let recording = Recording {
            net,
            plan,
            column,
            shared,
            parameters: &parameters,
            results: &results,
            scores: Tensor::zeros(&device, "scores", 2 * plan.batch),
        };
        let recorder = || Recorder::new(&device, &step);

        let mut rec = recorder();
        layers::arrange(&mut rec, net.rows[0].x.len(), plan.batch, &shared.pixels, &shared.image);
        let arrange = rec.finish();
        let mut rec = recorder();
        let crops = layers::Crops {
            rgb: &shared.pixels,
            views: &shared.views,
            mean: &shared.mean,
            side: net.table.crop,
            size: net.table.image,
        };
        layers::views(&mut rec, &crops, plan.batch, &shared.image);
        let views = rec.finish();
        let segments: Vec<_> = plan
            .phases
            .iter()
            .filter_map(|phase| if let Phase::Forward(rows) = phase { Some(rows.clone()) } else { None })
            .collect();
        let record = |rows: &Range<usize>, backward: bool, layer: &dyn Fn(&mut Recorder, &Io, &RowPlan)| {
            let mut rec = recorder();
            let first = if backward { net.first_learning() } else { 0 };
            let own = rows.clone().filter(|&row| row >= first && (row == 0 || !recording.takes_in(row - 1)));
            let mut held: Vec<_> = recording.held(own).collect();
            if backward {
                held.reverse();
            }
            held.into_iter().for_each(|(row, place)| layer(&mut rec, &recording.io(row, place), place));
            rec.finish()
        };
        let forward = segments.iter().map(|rows| record(rows, false, &|rec, io, _| layers::forward(rec, io))).collect();
        // In use nothing runs backward.
        let backward_segments = if plan.trains() { &segments[..] } else { &[] };
        let backward = backward_segments.iter().map(|rows| {
            record(rows, true, &|rec, io, place| {
                let (dy, dx) = (recording.at(place.dy), place.dx.map(|dx| recording.at(dx)));
                layers::backward_data(rec, io, &dy, dx.as_ref());
            })
        });
        let backward = backward.collect();
        let weights = backward_segments.iter().map(|rows| {
            record(rows, true, &|rec, io, place| {
                if net.learns(io.row) {
                    layers::backward_weights(rec, io, &recording.at(place.dy));
                }
            })
        });
        let weights = weights.collect();
        let cuts = column.cuts.iter().map(|cut| {
            let mut add = recorder();
            let output_gradient = recording.at(cut.output_gradient);
            let incoming = cut.incoming.map(|place| recording.at(place));
            if let Some(incoming) = incoming.as_ref().filter(|_| plan.trains()) {
                layers::add(&mut add, incoming, &output_gradient);
            }
            Cut {
                before: cut.before,
                output: recording.at(cut.output),
                input: cut.input.map(|place| recording.at(place)),
                input_gradient: cut.input_gradient.map(|place| recording.at(place)),
                incoming: incoming.unwrap_or_else(|| output_gradient.clone()),
                output_gradient,
                add: add.finish(),
            }
        });
        let cuts = cuts.collect();

        let mut rec = recorder();
        // In use nothing is updated.
        let learns = |tensor: &net::Tensor| plan.trains() && net.learns(tensor.row);
        for tensor in net.tensors().into_iter().filter(learns) {
            let Some(parameter) = parameters[tensor.row].get(tensor.place) else { continue };
            if let Sink::Kept(gradient) = &parameter.gradient {
                optimizer::update(&mut rec, parameter.update(update.of(net, &tensor), &results), gradient);
            }
        }
        let mut find = recorder();
        if flags > 0 && plan.trains() {
            find.copy(&Tensor::zeros(&device, "no flags", RESULTS * flags), &results.slice(RESULTS..results.len));
            for parameter in parameters.iter().flatten() {
                optimizer::find_overflow(&mut find, parameter.gradient.kept(), &results);
            }
        }
        let find_overflow = find.finish();
        let last = column.rows.last().and_then(Option::as_ref);
        let output = last.map(|row| recording.at(row.y));
        let update = rec.finish();
        Self {
            index,
            device,
            parameters,
            output,
            results,
            step,
            arrange,
            views,
            forward,
            backward,
            weights,
            find_overflow,
            update,
            cuts,
        }
    }

    /// Where its step's uniforms lie, a [`StepUniform`].
    pub fn step(&self) -> &wgpu::Buffer {
        &self.step
    }

    /// Brings the pixels into the order of the device: once per device and micro-batch.
    ///
    /// # Errors
    /// The device was lost.
    pub fn arrange(&self) -> crate::Result<()> {
        self.arrange.submit(&self.device)
    }

    /// Like [`Column::arrange`], from crops: subtracts the mean, mirrors and adds the noise.
    ///
    /// # Errors
    /// The device was lost.
    pub fn arrange_views(&self) -> crate::Result<()> {
        self.views.submit(&self.device)
    }

    /// Runs segment `segment` forward.
    ///
    /// # Errors
    /// The device was lost.
    pub fn forward(&self, segment: usize) -> crate::Result<()> {
        self.forward[segment].submit(&self.device)
    }

    /// Runs segment `segment` backward, but for the gradients of its parameters.
    ///
    /// # Errors
    /// The device was lost.
    pub fn backward(&self, segment: usize) -> crate::Result<()> {
        self.backward[segment].submit(&self.device)
    }

    /// The gradients of the parameters of segment `segment`.
    ///
    /// # Errors
    /// The device was lost.
    pub fn weights(&self, segment: usize) -> crate::Result<()> {
        self.weights[segment].submit(&self.device)
    }

    /// In mixed precision, looks for gradients that overflowed.
    ///
    /// # Errors
    /// The device was lost.
    pub fn find_overflow(&self) -> crate::Result<()> {
        self.find_overflow.submit(&self.device)
    }

    /// Where this column keeps its own flag of an overflow, and where column `to` keeps this one's; none in f32.
    pub fn overflow(&self, to: &Column) -> Option<(Tensor, Tensor)> {
        let flag = RESULTS * (1 + self.index)..RESULTS * (2 + self.index);
        (self.results.len > RESULTS).then(|| (self.results.slice(flag.clone()), to.results.slice(flag)))
    }

    /// Updates momenta and weights, unless a gradient of any column overflowed.
    ///
    /// # Errors
    /// The device was lost.
    pub fn update(&self) -> crate::Result<()> {
        self.update.submit(&self.device)
    }

    /// The cut above row `before`.
    pub fn cut(&self, before: usize) -> Option<&Cut> {
        self.cuts.iter().find(|cut| cut.before == before)
    }

    /// In the gather above row `before`: what this column sends to column `to`, and where that one puts it.
    pub fn gather(&self, before: usize, to: &Column) -> Option<(Tensor, Tensor)> {
        let from = self.cut(before)?;
        let input = to.cut(before)?.input.as_ref()?;
        let len = from.output.len;
        Some((from.output.clone(), input.slice(self.index * len..(self.index + 1) * len)))
    }

    /// In the scatter above row `before`: what this column sends to column `to`, and where that one puts it.
    pub fn scatter(&self, before: usize, to: &Column) -> Option<(Tensor, Tensor)> {
        let whole = self.cut(before)?.input_gradient.as_ref()?;
        let owner = to.cut(before)?;
        let len = owner.output.len;
        let part = whole.slice(to.index * len..(to.index + 1) * len);
        Some((part, owner.incoming.clone()))
    }

    /// Adds what arrived in the scatter above row `before`.
    ///
    /// # Errors
    /// The device was lost.
    pub fn add(&self, before: usize) -> crate::Result<()> {
        self.cut(before).map_or(Ok(()), |cut| cut.add.submit(&self.device))
    }
}

/// Values of [`Column::results`], flags apart.
pub const RESULTS: usize = 4;

/// Every row's parameters, zero, and where their gradients go; without an update there are none, nor velocities.
fn parameters(
    net: &Net,
    column: &ColumnPlan,
    device: &Device,
    update: Option<Update>,
    results: &Tensor,
) -> Vec<Vec<Parameter>> {
    let mut all: Vec<_> = net.rows.iter().map(|_| Vec::new()).collect();
    for tensor in net.tensors() {
        if column.rows[tensor.row].is_none() {
            continue;
        }
        let len = tensor.len() / net.columns_of(tensor.row);
        let zeros = |what: &str| Tensor::zeros(device, &format!("{} {what}", tensor.name), len);
        let weight = zeros("weight");
        let Some(update) = update else {
            let none = weight.slice(0..0);
            all[tensor.row].push(Parameter { weight, gradient: Sink::Kept(none.clone()), momentum: none });
            continue;
        };
        let momentum = zeros("momentum");
        let gradient = if column.takes(net, tensor.row, tensor.place) {
            let (weight, momentum) = (weight.clone(), momentum.clone());
            Sink::Taken(optimizer::Update { weight, momentum, results: results.clone(), sgd: update.of(net, &tensor) })
        } else {
            Sink::Kept(zeros("gradient"))
        };
        all[tensor.row].push(Parameter { weight, gradient, momentum });
    }
    all
}
