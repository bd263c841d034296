//! How a network is trained: rates, momentum, decay and initial values, with the paper's section beside each.

use crate::alexnet;
use crate::data::{Augment, MeanCrop};
use crate::layer::Layer;
use crate::net::{Net, Table, Tensor};

/// Whose figures are followed where the paper and its source differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Figures {
    /// What the 2012 source ran: biases at twice the rate and without decay; standard deviation 0.03 in conv3-5.
    #[default]
    Source,
    /// What the paper says (§5): one rate, standard deviation 0.01 everywhere, decay on all.
    Paper,
}

/// Which standard deviations and biases a network begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// The network's own.
    #[default]
    Own,
    /// The paper's: 0.01 everywhere. In a smaller network what gives its layer the same fan-in × σ².
    Paper,
    /// The source's: 0.03 in conv3-5; the same in a smaller network.
    Source,
}

impl Start {
    /// Whether it is the network's own.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

/// A network's own defaults.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Passes over the training set.
    pub epochs: u64,
    /// Images a step.
    pub batch: usize,
    /// Initial learning rate ε.
    pub lr: f64,
    /// Factor of the velocity.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// Probability of dropping a unit.
    pub dropout: f64,
    /// Learning-rate schedule, as on the command line.
    pub schedule: &'static str,
    /// Augmentation of the training images.
    pub augment: Augment,
    /// Where the mean image is read.
    pub mean_crop: MeanCrop,
    /// Classes where no data says how many.
    pub classes: usize,
}

/// §5 of the paper, and §4.2 for dropout.
pub const PAPER: Defaults = Defaults {
    epochs: 90,
    batch: 128,
    lr: 0.01,
    momentum: 0.9,
    decay: 0.0005,
    dropout: 0.5,
    schedule: "plateau",
    augment: Augment::Full,
    mean_crop: MeanCrop::Own,
    classes: 1000,
};

/// Those of `tiny` and its like: it learns the built-in data set within two or three minutes on a CPU.
pub const TINY: Defaults = Defaults { epochs: 12, batch: 32, lr: 0.003, schedule: "steps:9,11", classes: 10, ..PAPER };

/// cuda-convnet's `layer-params-18pct.cfg`: the whole image, as it is; 120 passes, then ten at a tenth of the rate and ten
/// at a hundredth.
pub const CIFAR_18PCT: Defaults = Defaults {
    epochs: 140,
    lr: 0.001,
    decay: 0.004,
    dropout: 0.0,
    schedule: "steps:120,130",
    augment: Augment::None,
    classes: 10,
    ..PAPER
};

/// `fig1`'s, without regularisation (§3.1).
pub const FIG1: Defaults = Defaults { epochs: 60, decay: 0.0, schedule: "constant", ..CIFAR_18PCT };

/// cuda-convnet's `layer-params-conv-local-13pct.cfg`: crops and mirror images. The original trained on four fifths of the
/// images first and added the last fifth later; this is as long in all, on all of them.
pub const CIFAR_13PCT: Defaults = Defaults {
    epochs: 160,
    schedule: "steps:140,150",
    augment: Augment::CropMirror,
    mean_crop: MeanCrop::Centre,
    ..CIFAR_18PCT
};

/// cuda-convnet's `layer-params-conv-local-11pct.cfg`, likewise.
pub const CIFAR_11PCT: Defaults = Defaults { epochs: 470, schedule: "steps:450,460", ..CIFAR_13PCT };

/// The defaults of `table`.
pub fn defaults(table: &Table) -> Defaults {
    match table.name {
        "fig1" => FIG1,
        "cifar-18pct" => CIFAR_18PCT,
        "cifar-13pct" => CIFAR_13PCT,
        "cifar-11pct" => CIFAR_11PCT,
        _ if is_tiny(table) => TINY,
        _ => PAPER,
    }
}

/// Whether `table` is one of cuda-convnet's, for CIFAR-10.
pub fn is_cifar(table: &Table) -> bool {
    [&alexnet::FIG1, &alexnet::CIFAR_18PCT, &alexnet::CIFAR_13PCT, &alexnet::CIFAR_11PCT]
        .iter()
        .any(|cifar| cifar.name == table.name)
}

/// Whether `table` is `tiny` or one like it.
pub fn is_tiny(table: &Table) -> bool {
    [&alexnet::TINY, &alexnet::TINY_6, &alexnet::TINY_HALF].iter().any(|tiny| tiny.name == table.name)
}

/// How a tensor begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal around 0 with this standard deviation.
    Normal(f32),
    /// The same value everywhere.
    Constant(f32),
}

/// How `tensor` of `net` begins (§5: N(0, 0.01²); biases 1 in conv2, conv4, conv5 and the hidden fully connected layers,
/// else 0). conv6 begins as the original's does, like conv5. `tiny` scales by fan-in instead (He et al. 2015): 0.01 would stall a network this narrow.
pub fn init(net: &Net, figures: Figures, tensor: &Tensor) -> Init {
    let row = &net.rows[tensor.row];
    let weight = tensor.place == 0;
    if is_tiny(&net.table) {
        let fan_in: usize = tensor.dims[1..].iter().product();
        return match (weight, row.name) {
            (false, _) => Init::Constant(0.0),
            // conv1 reads pixels of ±128, fc8 begins undecided.
            (true, "conv1" | "fc8") => Init::Normal(0.01),
            (true, _) => Init::Normal((2.0 / fan_in as f32).sqrt()),
        };
    }
    if is_cifar(&net.table) {
        return match (weight, row.layer) {
            (false, _) => Init::Constant(0.0),
            (true, _) if tensor.row == 0 => Init::Normal(0.0001),
            (true, Layer::Local(_)) => Init::Normal(0.04),
            (true, _) => Init::Normal(0.01),
        };
    }
    if weight {
        let middle = matches!(row.name, "conv3" | "conv4" | "conv5" | "conv6");
        Init::Normal(if middle && figures == Figures::Source { 0.03 } else { 0.01 })
    } else {
        let one = matches!(row.name, "conv2" | "conv4" | "conv5" | "conv6" | "fc6" | "fc7");
        Init::Constant(if one { 1.0 } else { 0.0 })
    }
}

/// How `tensor` of `net` begins as `start` says; as [`init`] where that is the network's own.
pub fn init_as(net: &Net, figures: Figures, start: Start, tensor: &Tensor) -> Init {
    let figures = match start {
        Start::Own => return init(net, figures, tensor),
        Start::Paper => Figures::Paper,
        Start::Source => Figures::Source,
    };
    let name = net.rows[tensor.row].name;
    let paper = Net::resolve(&alexnet::ALEXNET, net.classes, net.dropout).expect("the paper's network has its shapes");
    let theirs = paper.tensors().into_iter().find(|t| paper.rows[t.row].name == name && t.place == tensor.place);
    // A layer that the paper's network lacks begins as its last convolution.
    let theirs = theirs.unwrap_or_else(|| paper.tensors().swap_remove(8 + tensor.place));
    let fan_in = |tensor: &Tensor| tensor.dims[1..].iter().product::<usize>() as f32;
    match init(&paper, figures, &theirs) {
        Init::Normal(deviation) => Init::Normal(deviation * (fan_in(&theirs) / fan_in(tensor)).sqrt()),
        constant @ Init::Constant(_) => constant,
    }
}

/// Factors of the rate and of the decay for a tensor of `net`: (rate, decay).
pub fn factors(net: &Net, figures: Figures, tensor: &Tensor) -> (f32, f32) {
    // cuda-convnet's decay is a row's own: 1 beside 0.004 in the last of `18pct`, 0 in the convolutions of the others.
    let decay = match (net.table.name, net.rows[tensor.row].layer) {
        ("cifar-18pct", Layer::Full(_)) => 250.0,
        ("cifar-13pct" | "cifar-11pct", Layer::Conv(_)) => 0.0,
        _ => 1.0,
    };
    match (figures, tensor.place) {
        (Figures::Source, 1) => (2.0, 0.0),
        _ => (1.0, decay),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cuda-convnet's `layer-params-*.cfg`: (initial deviation, rate, decay) of every weight; biases begin at 0, learn twice
    /// as fast and do not decay.
    #[test]
    fn cuda_convnets_figures() {
        let small = [("conv1", 1e-4, 0.004), ("conv2", 0.01, 0.004), ("conv3", 0.01, 0.004), ("fc4", 0.01, 1.0)];
        let large = [
            ("conv1", 1e-4, 0.0),
            ("conv2", 0.01, 0.0),
            ("local3", 0.04, 0.004),
            ("local4", 0.04, 0.004),
            ("fc5", 0.01, 0.004),
        ];
        let plain = small.map(|(name, init, _)| (name, init, 0.0));
        for (table, rows) in [
            (&alexnet::CIFAR_18PCT, &small[..]),
            (&alexnet::CIFAR_13PCT, &large),
            (&alexnet::CIFAR_11PCT, &large),
            (&alexnet::FIG1, &plain),
        ] {
            let own = defaults(table);
            let net = Net::resolve(table, own.classes, own.dropout as f32).unwrap();
            let mut found = Vec::new();
            for tensor in net.tensors() {
                let (rate, decay) = factors(&net, Figures::Source, &tensor);
                let (init, rate) = (init(&net, Figures::Source, &tensor), own.lr * f64::from(rate));
                if tensor.place == 1 {
                    assert_eq!((init, rate, decay), (Init::Constant(0.0), 0.002, 0.0), "{}", tensor.name);
                    continue;
                }
                assert_eq!(rate, 0.001);
                let Init::Normal(deviation) = init else { panic!("{}: {init:?}", tensor.name) };
                found.push((net.rows[tensor.row].name, deviation, own.decay * f64::from(decay)));
            }
            assert_eq!(found, rows, "{}", table.name);
        }
    }

    /// A layer of a smaller network begins with the signal of the paper's.
    #[test]
    fn other_starts_keep_fan_in_times_variance() {
        let [paper, tiny] = [&alexnet::ALEXNET, &alexnet::TINY_6].map(|table| Net::resolve(table, 1000, 0.5).unwrap());
        let of = |net: &Net, start, name: &str| {
            let tensor = net.tensors().into_iter().find(|t| t.name == name).unwrap();
            let fan_in = tensor.dims[1..].iter().product::<usize>() as f32;
            match init_as(net, Figures::Source, start, &tensor) {
                Init::Normal(deviation) => fan_in * deviation * deviation,
                Init::Constant(value) => value,
            }
        };
        for (start, middle) in [(Start::Paper, 0.01f32), (Start::Source, 0.03)] {
            for (name, deviation, fan_in) in
                [("conv1", 0.01, 363.0), ("conv3", middle, 2304.0), ("conv5", middle, 1728.0), ("fc6", 0.01, 9216.0)]
            {
                let name = format!("{name}.weight");
                let expected = deviation * deviation * fan_in;
                for net in [&paper, &tiny] {
                    let found = of(net, start, &name);
                    assert!(
                        (found / expected - 1.0).abs() < 1e-4,
                        "{name} of {}: {found}, not {expected}",
                        net.table.name
                    );
                }
            }
            assert_eq!(of(&tiny, start, "conv4.bias"), 1.0);
            assert_eq!(of(&tiny, start, "conv3.bias"), 0.0);
        }
        assert_eq!(of(&tiny, Start::Own, "conv4.bias"), 0.0, "tiny's own");
    }
}
