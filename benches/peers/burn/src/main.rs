//! A training step of the paper's grouped network in burn, or its forward pass alone; one JSON line.
//!
//! `burn-step --batch N --steps N [--forward]`. Response normalisation is left out, and fc6 is two halves: its 151 MB of weights
//! pass the 128 MiB that burn binds at once. Images begin in host memory, as they do in `alexnet bench step`.

use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLoss;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig};
use burn::prelude::*;
use burn::tensor::activation::relu;
use std::time::Instant;

/// The paper's 224 pixels with the overhang of conv1's last window.
const SIDE: usize = 227;
const CLASSES: usize = 1000;
/// Untimed steps: kernels are compiled, fused and chosen.
const WARM: usize = 2;

#[derive(Module, Debug)]
struct Net {
    conv: Vec<Conv2d>,
    pool: MaxPool2d,
    fc6: Vec<Linear>,
    fc7: Linear,
    fc8: Linear,
    dropout: Dropout,
}

impl Net {
    fn new(device: &Device) -> Self {
        let conv = |channels, side, padding, groups| {
            Conv2dConfig::new(channels, [side, side])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
                .with_groups(groups)
        };
        let convs = [
            conv([3, 96], 11, 0, 1).with_stride([4, 4]),
            conv([96, 256], 5, 2, 2),
            conv([256, 384], 3, 1, 1),
            conv([384, 384], 3, 1, 2),
            conv([384, 256], 3, 1, 2),
        ];
        Self {
            conv: convs.iter().map(|config| config.init(device)).collect(),
            pool: MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).init(),
            fc6: (0..2).map(|_| LinearConfig::new(9216, 2048).init(device)).collect(),
            fc7: LinearConfig::new(4096, 4096).init(device),
            fc8: LinearConfig::new(4096, CLASSES).init(device),
            dropout: DropoutConfig::new(0.5).init(),
        }
    }

    /// `[N, 3, 227, 227]` → `[N, 1000]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = images;
        for (i, conv) in self.conv.iter().enumerate() {
            x = relu(conv.forward(x));
            if [0, 1, 4].contains(&i) {
                x = self.pool.forward(x);
            }
        }
        let x: Tensor<2> = x.flatten(1, 3);
        let halves = self.fc6.iter().map(|half| half.forward(x.clone())).collect();
        let x = self.dropout.forward(relu(Tensor::cat(halves, 1)));
        let x = self.dropout.forward(relu(self.fc7.forward(x)));
        self.fc8.forward(x)
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (batch, steps, forward) = match words[..] {
        ["--batch", batch, "--steps", steps] => (batch, steps, false),
        ["--batch", batch, "--steps", steps, "--forward"] => (batch, steps, true),
        _ => panic!("usage: burn-step --batch N --steps N [--forward]"),
    };
    let [batch, steps]: [usize; 2] = [batch, steps].map(|n| n.parse().expect("N is a number"));

    let plain = Device::wgpu(Default::default());
    let device = if forward { plain.clone() } else { plain.clone().autodiff() };
    let mut net = Net::new(&device);
    let mut optimizer = SgdConfig::new()
        .with_momentum(Some(MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov: false }))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init();
    let loss = CrossEntropyLoss::new(None, &device);
    let pixels: Vec<f32> = (0..batch * 3 * SIDE * SIDE).map(|i| (i * 7919 % 256) as f32 / 256.0).collect();
    let labels: Vec<i32> = (0..batch).map(|n| (n * 31 % CLASSES) as i32).collect();

    let mut start = Instant::now();
    for step in 0..WARM + steps {
        if step == WARM {
            plain.sync().expect("the device is not lost");
            start = Instant::now();
        }
        let images = Tensor::from_data(TensorData::new(pixels.clone(), [batch, 3, SIDE, SIDE]), &device);
        let scores = net.forward(images);
        if !forward {
            let labels = Tensor::from_data(TensorData::new(labels.clone(), [batch]), &device);
            let gradients = GradientsParams::from_grads(loss.forward(scores, labels).backward(), &net);
            net = optimizer.step(1e-5, net, gradients);
        }
    }
    plain.sync().expect("the device is not lost");
    let seconds = start.elapsed().as_secs_f64() / steps as f64;
    let name = plain.identity().map_or_else(|| "an unnamed adapter".to_owned(), |identity| identity.name);
    println!(
        r#"{{"adapter": {:?}, "batch": {batch}, "seconds": {seconds}, "images_per_second": {}}}"#,
        format!("burn 0.22.1 wgpu, {name}"),
        batch as f64 / seconds
    );
}
