//! The kinds of layer: their shape rules and parameters. Their kernels are recorded in [`crate::layers`], their
//! CPU references are in [`crate::reference`].

use crate::shape::Shape;

/// A learnable tensor of one column's layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// `weight` or `bias`.
    pub name: &'static str,
    /// Dimensions in one column, outermost first, in PyTorch's order.
    pub dims: Vec<usize>,
}

/// Convolution, weight `[out, C, kernel, kernel]` and bias `[out]`.
///
/// The last window may overhang the image; pixels outside read as zero. 224 → 55 in conv1 needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Output maps per column.
    pub out: usize,
    /// Side of the square window in pixels.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Zeros on every side.
    pub pad: usize,
}

/// Fully connected, weight `[units, C·H·W]` and bias `[units]`; 0 units stands for one a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Full {
    /// Units per column.
    pub units: usize,
}

/// What the window of a response normalisation runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// n neighbouring maps of the same column at the same place (§3.3).
    Channels,
    /// n × n places of the same map (the 2012 source).
    Space,
}

/// Local response normalisation: y = x · (k + alpha · Σ x²)^-beta over the window, clipped at the borders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lrn {
    /// What the window runs over.
    pub over: Over,
    /// Extent of the window: n maps, or n × n places. Odd.
    pub n: usize,
    /// Constant beside the sum.
    pub k: f32,
    /// Factor of the sum as it stands, already divided where a convention divides it.
    pub alpha: f32,
    /// Exponent; y is divided by this power.
    pub beta: f32,
}

/// Pooling. The last window may overhang the input, and is clipped there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Side z of the square window in pixels.
    pub window: usize,
    /// Pixels s from one window to the next; below `window`, windows overlap (§3.4).
    pub stride: usize,
}

/// Dropout as in §4.2: kept units are unscaled in training, all are multiplied by 1 − p in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Probability of dropping a unit.
    pub p: f32,
}

/// One kind of layer with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// Convolution.
    Conv(Conv),
    /// Locally connected: a convolution with weights of its own at every place, weight `[out, OUT_H, OUT_W, C, kernel,
    /// kernel]` and bias `[out, OUT_H, OUT_W]`.
    Local(Conv),
    /// Fully connected.
    Full(Full),
    /// y = max(x, 0) (§3.1).
    Relu,
    /// y = tanh(x), which §3.1 compares with.
    Tanh,
    /// Local response normalisation.
    Lrn(Lrn),
    /// Max pooling (§3.4).
    MaxPool(Pool),
    /// Average pooling; a window that overhangs is divided by its places inside.
    AveragePool(Pool),
    /// Dropout.
    Dropout(Dropout),
    /// Softmax and the multinomial log-loss: y is the probability of each class.
    SoftmaxLoss,
}

impl Layer {
    /// The layer for a number of classes and a dropout probability, which the table leaves open.
    pub fn resolved(self, classes: usize, dropout: f32) -> Self {
        match self {
            Layer::Full(Full { units: 0 }) => Layer::Full(Full { units: classes }),
            Layer::Dropout(_) => Layer::Dropout(Dropout { p: dropout }),
            other => other,
        }
    }

    /// Output shape per column for an input of shape `x`; `None` where a window does not fit.
    pub fn output(&self, x: Shape) -> Option<Shape> {
        match *self {
            Layer::Conv(Conv { out, kernel, stride, pad }) | Layer::Local(Conv { out, kernel, stride, pad }) => {
                let side = |n: usize| Some((n + 2 * pad).checked_sub(kernel)?.div_ceil(stride) + 1);
                Some(Shape::new(out, side(x.h)?, side(x.w)?))
            }
            Layer::Full(Full { units }) => Some(Shape::new(units, 1, 1)),
            Layer::MaxPool(Pool { window, stride }) | Layer::AveragePool(Pool { window, stride }) => {
                // Every window begins inside.
                let side = |n: usize| Some(n.checked_sub(window)?.div_ceil(stride).min((n - 1) / stride) + 1);
                Some(Shape::new(x.c, side(x.h)?, side(x.w)?))
            }
            Layer::Relu | Layer::Tanh | Layer::Lrn(_) | Layer::Dropout(_) | Layer::SoftmaxLoss => Some(x),
        }
    }

    /// Learnable tensors of one column, weight before bias.
    pub fn params(&self, x: Shape) -> Vec<Param> {
        let (bias, weight) = match *self {
            Layer::Conv(Conv { out, kernel, .. }) => (vec![out], vec![out, x.c, kernel, kernel]),
            Layer::Local(Conv { out, kernel, .. }) => {
                let Some(y) = self.output(x) else { return Vec::new() };
                (vec![out, y.h, y.w], vec![out, y.h, y.w, x.c, kernel, kernel])
            }
            Layer::Full(Full { units }) => (vec![units], vec![units, x.len()]),
            _ => return Vec::new(),
        };
        vec![Param { name: "weight", dims: weight }, Param { name: "bias", dims: bias }]
    }

    /// Whether it is computed by [`crate::products`].
    pub fn has_products(&self) -> bool {
        matches!(self, Layer::Conv(_) | Layer::Full(_))
    }

    /// Whether y overwrites x.
    pub fn in_place(&self) -> bool {
        matches!(self, Layer::Relu | Layer::Tanh | Layer::Dropout(_))
    }

    /// Multiply-adds of one column for one image.
    pub fn multiply_adds(&self, x: Shape, y: Shape) -> usize {
        match *self {
            Layer::Conv(Conv { kernel, .. }) | Layer::Local(Conv { kernel, .. }) => y.len() * x.c * kernel * kernel,
            Layer::Full(_) => y.len() * x.len(),
            _ => 0,
        }
    }
}
