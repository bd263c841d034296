//! A network as a table of rows, and its resolution into shapes.
//!
//! One [`Row`] describes a layer in every column that holds it. Two words carry the whole topology of the paper's
//! Figure 2: [`On`] (which columns hold the row) and [`Reads`] (whose output it reads).

use crate::error::{Error, Result};
use crate::layer::{Layer, Param};
use crate::shape::Shape;
use crate::variation::Variation;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Which columns hold a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Every column holds its own part.
    Each,
    /// The first column alone: the box drawn once in Figure 2 (fc8).
    First,
}

/// Whose output of the row above a row reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The image batch, the same for every column.
    Image,
    /// The column's own output.
    Own,
    /// Every column's output, first column's channels first: an arrow that crosses in Figure 2.
    Both,
}

/// One line of a network's table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// As in weights files: `conv1`.
    pub name: &'static str,
    /// Which columns hold it.
    pub on: On,
    /// Whose output it reads.
    pub reads: Reads,
    /// The layer, per column.
    pub layer: Layer,
}

/// A network as written down: data, nothing computed. The tables are in [`crate::alexnet`]; [`Table::varied`] makes others
/// of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name on the command line.
    pub name: &'static str,
    /// Side of the stored image in pixels (256 in the paper).
    pub image: usize,
    /// Side of the crop the network reads in pixels (224 in the paper).
    pub crop: usize,
    /// Columns of the network; 2 in the paper.
    pub columns: usize,
    /// The layers, from the image to the loss.
    pub rows: Cow<'static, [Row]>,
    /// How it differs from the table of that name.
    pub variation: Variation,
}

/// What follows `--net` on the command line.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.variation)
    }
}

/// A row with its shapes, per column.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// As in weights files: `conv1`.
    pub name: &'static str,
    /// Which columns hold it.
    pub on: On,
    /// Whose output it reads.
    pub reads: Reads,
    /// The layer, per column.
    pub layer: Layer,
    /// What the layer reads: for [`Reads::Both`] the channels of all columns.
    pub x: Shape,
    /// What it writes, per column.
    pub y: Shape,
    /// Factor of the learning rate of its parameters; 0 where they are frozen.
    pub rate: f32,
}

/// A learnable tensor of the whole network, in PyTorch's layout. Columns split dimension 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// As in the weights file: `conv1.weight`.
    pub name: String,
    /// Row of the network it belongs to.
    pub row: usize,
    /// Place among the row's parameters (0 weight, 1 bias).
    pub place: usize,
    /// Dimensions over all columns, outermost first.
    pub dims: Vec<usize>,
}

impl Tensor {
    /// Values in the tensor.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether the tensor holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network with its shapes, for a number of classes.
#[derive(Clone, Debug)]
pub struct Net {
    /// The table it was resolved from.
    pub table: Table,
    /// Classes of the data: units of the last fully connected row.
    pub classes: usize,
    /// Probability with which a dropout row drops a unit.
    pub dropout: f32,
    /// The table's rows with their shapes.
    pub rows: Vec<Resolved>,
}

impl Net {
    /// Shapes of every row of `table` for `classes` classes and dropout probability `dropout`.
    ///
    /// # Errors
    /// A window that does not fit its input.
    pub fn resolve(table: &Table, classes: usize, dropout: f32) -> Result<Self> {
        let mut above = Shape::new(3, table.crop, table.crop);
        let mut rows = Vec::with_capacity(table.rows.len());
        for row in table.rows.iter() {
            let x = match row.reads {
                Reads::Both => Shape { c: above.c * table.columns, ..above },
                Reads::Image | Reads::Own => above,
            };
            let layer = row.layer.resolved(classes, dropout);
            let y = layer.output(x).ok_or_else(|| Error::Shape {
                row: row.name.to_owned(),
                why: format!("its window does not fit {x}"),
            })?;
            rows.push(Resolved { name: row.name, on: row.on, reads: row.reads, layer, x, y, rate: 1.0 });
            above = y;
        }
        Ok(Self { table: table.clone(), classes, dropout, rows })
    }

    /// The same network with these factors of the learning rate, by row; 1 for rows that are not named.
    pub fn with_rates(mut self, rates: &BTreeMap<String, f64>) -> Self {
        for row in &mut self.rows {
            row.rate = rates.get(row.name).map_or(1.0, |&rate| rate as f32);
        }
        self
    }

    /// Whether row `row` has parameters and they are not frozen.
    pub fn learns(&self, row: usize) -> bool {
        self.rows[row].rate != 0.0 && !self.params(row).is_empty()
    }

    /// The first row that learns. No gradient is needed of its input, nor of anything before it.
    pub fn first_learning(&self) -> usize {
        (0..self.rows.len()).find(|&row| self.learns(row)).unwrap_or(0)
    }

    /// The network down to row `name`: what it computes there in use. The activation behind a row with weights belongs to it:
    /// `fc7` ends with relu7.
    ///
    /// # Errors
    /// There is no such row; the message lists them.
    pub fn until(&self, name: &str) -> Result<Self> {
        let Some(row) = self.rows.iter().position(|row| row.name == name) else {
            let names: Vec<_> = self.rows.iter().map(|row| row.name).collect();
            return Err(Error::Usage(format!(
                "net `{}` has no layer `{name}`; its layers are {}",
                self.table.name,
                names.join(", ")
            )));
        };
        let activated = |next: &Resolved| matches!(next.layer, Layer::Relu | Layer::Tanh);
        let product = self.rows[row].layer.has_products();
        let last = if product && self.rows.get(row + 1).is_some_and(activated) { row + 1 } else { row };
        Ok(Self { rows: self.rows[..=last].to_vec(), ..self.clone() })
    }

    /// Name of the layer with the last hidden features: what the classifier reads, without the factor of its dropout.
    pub fn last_hidden(&self) -> &'static str {
        let classifier = self.rows.iter().rposition(|row| matches!(row.layer, Layer::Full(_))).unwrap_or(0);
        let above = self.rows[..classifier].iter().rev();
        let mut hidden = above.skip_while(|row| matches!(row.layer, Layer::Dropout(_) | Layer::Relu | Layer::Tanh));
        hidden.next().map_or(self.rows[0].name, |row| row.name)
    }

    /// Shape of the last row's output, every column's channels joined.
    pub fn output(&self) -> Shape {
        let last = self.rows.len() - 1;
        let y = self.rows[last].y;
        Shape { c: y.c * self.columns_of(last), ..y }
    }

    /// Columns that hold row `row`.
    pub fn columns_of(&self, row: usize) -> usize {
        match self.rows[row].on {
            On::Each => self.table.columns,
            On::First => 1,
        }
    }

    /// Parameters of row `row` in one column.
    pub fn params(&self, row: usize) -> Vec<Param> {
        self.rows[row].layer.params(self.rows[row].x)
    }

    /// Every learnable tensor, weight before bias, in the order of the rows.
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut all = Vec::new();
        for (row, r) in self.rows.iter().enumerate() {
            for (place, param) in self.params(row).into_iter().enumerate() {
                let mut dims = param.dims;
                dims[0] *= self.columns_of(row);
                all.push(Tensor { name: format!("{}.{}", r.name, param.name), row, place, dims });
            }
        }
        all
    }

    /// Learnable values in the whole network.
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(Tensor::len).sum()
    }

    /// Multiply-adds of row `row` in one column, for one image.
    pub fn multiply_adds(&self, row: usize) -> usize {
        self.rows[row].layer.multiply_adds(self.rows[row].x, self.rows[row].y)
    }
}
