//! One column's tensors, and which of them each command of a step touches.

use super::memory::{Lives, Place};
use super::{Phase, crosses, holds};
use crate::gpu::Profile;
use crate::layer::{Layer, Lrn, Over};
use crate::layers;
use crate::net::{Net, Reads};
use crate::products::{self, Needs, Precision, Window};
use crate::shape::Shape;

/// One row in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlan {
    /// Where its input lies.
    pub x: Place,
    /// Where its output lies; the same place for layers in place.
    pub y: Place,
    /// What the row's backward pass needs beside x and y: the winners of a pool.
    pub saved: Option<Place>,
    /// The gradient of y; for the loss, which has none, y.
    pub dy: Place,
    /// The gradient of x; the place of dy where the layer's backward pass is in place, `None` for the first row that learns.
    pub dx: Option<Place>,
}

/// A cut of the rows where data crosses, seen from one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutPlan {
    /// The row that reads every column.
    pub before: usize,
    /// This column's output above the cut.
    pub output: Place,
    /// The whole input below the cut, every column's part; `None` where the column does not hold the row.
    pub input: Option<Place>,
    /// The gradient of the whole input, after the rows below ran backward.
    pub input_gradient: Option<Place>,
    /// Where the gradient of `output` belongs.
    pub output_gradient: Place,
    /// Where another column's share arrives, to be added; `None` where nothing is added.
    pub incoming: Option<Place>,
}

/// One column: where each row finds its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnPlan {
    /// Which column, from 0.
    pub column: usize,
    /// `None` where the column does not hold the row.
    pub rows: Vec<Option<RowPlan>>,
    /// Where data crosses, from the image down.
    pub cuts: Vec<CutPlan>,
    /// Name and length in values of every tensor that is bound whole.
    pub tensors: Vec<(String, usize)>,
    /// Memory its products need.
    pub needs: Needs,
    /// Values of its learnable tensors, padded as they are stored.
    pub parameters: usize,
    /// Values of the gradients that are kept until the update, padded likewise.
    pub gradients: usize,
    /// Whether the products' last pass updates the weights.
    takes: bool,
}

impl ColumnPlan {
    /// The column's tensors, each new one among `lives`; their places are not yet decided.
    pub(super) fn new(
        net: &Net,
        column: usize,
        profile: &Profile,
        batch: usize,
        micro_batches: usize,
        image: Place,
        lives: &mut Lives,
    ) -> Self {
        let mut plan = Self {
            column,
            rows: Vec::new(),
            cuts: Vec::new(),
            tensors: Vec::new(),
            needs: Needs::default(),
            parameters: 0,
            gradients: 0,
            // A sum over micro-batches is whole only at the end, and one that may have overflowed is looked at first.
            takes: micro_batches == 1 && profile.family.precision() == Precision::F32,
        };
        plan.forward(net, profile, batch, image, lives);
        plan.backward(net, batch, lives);
        plan
    }

    fn tensor(&mut self, lives: &mut Lives, name: String, len: usize) -> Place {
        self.tensors.push((name, len));
        lives.tensor(len)
    }

    fn forward(&mut self, net: &Net, profile: &Profile, batch: usize, image: Place, lives: &mut Lives) {
        let mut above = image;
        // What a row that reads every column reads: the row above wrote its part of it.
        let mut whole = image;
        for (i, row) in net.rows.iter().enumerate() {
            if !holds(net, self.column, i) {
                self.rows.push(None);
                continue;
            }
            let y_len = row.y.len() * batch;
            let x = if row.reads == Reads::Both { whole } else { above };
            let y = if row.layer.in_place() {
                x
            } else {
                let parts = if self.is_gathered(net, i) { net.table.columns } else { 1 };
                whole = self.tensor(lives, row.name.to_owned(), parts * y_len);
                if parts > 1 { whole.part(self.column * y_len, y_len) } else { whole }
            };
            above = y;
            let saved = layers::saved(&row.layer, y_len);
            let saved = saved.map(|len| self.tensor(lives, format!("{}'s winners", row.name), len));
            self.needs = self.needs.max(layer_needs(&row.layer, profile, row.x, row.y, batch));
            for (place, param) in net.params(i).into_iter().enumerate() {
                let len = param.dims.iter().product::<usize>().next_multiple_of(4);
                self.parameters += len;
                self.gradients += if self.takes(net, i, place) { 0 } else { len };
            }
            self.rows.push(Some(RowPlan { x, y, saved, dy: y, dx: None }));
        }
    }

    /// Whether the gradient of parameter `place` of row `row` is stored nowhere: its last pass updates the weights.
    pub fn takes(&self, net: &Net, row: usize, place: usize) -> bool {
        self.takes && place == 0 && net.rows[row].layer.has_products()
    }

    /// Whether a later row of this column reads row `i`'s output beside other columns'.
    fn is_gathered(&self, net: &Net, i: usize) -> bool {
        let reader = (i + 1..net.rows.len()).find(|&r| !net.rows[r].layer.in_place());
        reader.is_some_and(|r| crosses(net, r) && holds(net, self.column, r))
    }

    fn backward(&mut self, net: &Net, batch: usize, lives: &mut Lives) {
        let first = net.first_learning();
        // The gradient of the input of the row below.
        let mut below: Option<Place> = None;
        for (i, resolved) in net.rows.iter().enumerate().rev() {
            let Some(mut row) = self.rows[i].take() else { continue };
            let (name, y_len) = (resolved.name, resolved.y.len() * batch);
            if i + 1 < net.rows.len() && crosses(net, i + 1) {
                let input_gradient = below;
                row.dy = match input_gradient {
                    _ if i < first => row.y,
                    Some(whole) => whole.part(self.column * y_len, y_len),
                    // Another column alone holds the row below, and sends this gradient.
                    None => self.tensor(lives, format!("the gradient of {name}"), y_len),
                };
                let adds = input_gradient.is_some() && net.columns_of(i + 1) > 1;
                let incoming = adds.then(|| self.tensor(lives, format!("the incoming gradient of {name}"), y_len));
                let input = self.rows[i + 1].as_ref().map(|below| below.x);
                let (output, output_gradient) = (row.y, row.dy);
                self.cuts.push(CutPlan { before: i + 1, output, input, input_gradient, output_gradient, incoming });
            } else {
                row.dy = below.unwrap_or(row.y);
            }
            row.dx = if i <= first {
                None
            } else if layers::backward_in_place(&resolved.layer) {
                Some(row.dy)
            } else {
                Some(self.tensor(lives, format!("the gradient of {name}'s input"), resolved.x.len() * batch))
            };
            below = row.dx;
            self.rows[i] = Some(row);
        }
        self.cuts.reverse();
    }

    /// The cut above row `before`.
    pub fn cut(&self, before: usize) -> Option<&CutPlan> {
        self.cuts.iter().find(|cut| cut.before == before)
    }

    /// Every place, once tensors have theirs.
    pub(super) fn settle(&mut self, places: &[Place]) {
        let settle = |place: &mut Place| *place = place.settled(places);
        for row in self.rows.iter_mut().flatten() {
            [&mut row.x, &mut row.y, &mut row.dy].into_iter().for_each(settle);
            row.saved.iter_mut().chain(&mut row.dx).for_each(settle);
        }
        for cut in &mut self.cuts {
            [&mut cut.output, &mut cut.output_gradient].into_iter().for_each(settle);
            cut.input.iter_mut().chain(&mut cut.input_gradient).chain(&mut cut.incoming).for_each(settle);
        }
    }
}

/// Walks a step on one device: which tensors each command touches.
pub(super) fn walk(
    net: &Net,
    phases: &[Phase],
    columns: &[ColumnPlan],
    pixels: Place,
    image: Place,
    lives: &mut Lives,
) {
    lives.command([pixels, image]);
    for phase in phases {
        match phase {
            Phase::Forward(rows) => {
                for row in held(columns, rows.clone()) {
                    lives.command([row.1.x, row.1.y].into_iter().chain(row.1.saved));
                }
            }
            Phase::Backward(rows) => {
                for (i, row) in held(columns, rows.clone().rev()).filter(|(i, _)| *i >= net.first_learning()) {
                    lives.command(layers::touched_backward(&net.rows[i].layer, row));
                }
            }
            Phase::Weights(rows) => {
                let learn = |&(i, _): &(usize, &RowPlan)| net.learns(i);
                for (_, row) in held(columns, rows.clone()).filter(learn) {
                    lives.command([row.x, row.y, row.dy]);
                }
            }
            Phase::Gather { before } => {
                let cuts = columns.iter().filter_map(|column| column.cut(*before));
                lives.command(cuts.flat_map(|cut| std::iter::once(cut.output).chain(cut.input)));
            }
            Phase::Scatter { before } => {
                let cuts = columns.iter().filter_map(|column| column.cut(*before));
                lives.command(cuts.flat_map(|cut| {
                    std::iter::once(cut.output_gradient).chain(cut.input_gradient).chain(cut.incoming)
                }));
            }
            Phase::Add { before } => {
                for cut in columns.iter().filter_map(|column| column.cut(*before)) {
                    lives.command(std::iter::once(cut.output_gradient).chain(cut.incoming));
                }
            }
            Phase::Update => {}
        }
    }
    if phases.last() != Some(&Phase::Update) {
        // In use every column's output is read at the end.
        lives.command(columns.iter().filter_map(|column| Some(column.rows.last()?.as_ref()?.y)));
    }
}

/// These rows of each column that holds them.
pub(super) fn held<'a>(
    columns: &'a [ColumnPlan],
    rows: impl Iterator<Item = usize> + Clone + 'a,
) -> impl Iterator<Item = (usize, &'a RowPlan)> {
    columns.iter().flat_map(move |column| rows.clone().filter_map(|i| Some((i, column.rows[i].as_ref()?))))
}

/// Scratch memory a layer of one column needs.
pub fn layer_needs(layer: &Layer, profile: &Profile, x: Shape, y: Shape, batch: usize) -> Needs {
    match layer {
        Layer::Conv(_) | Layer::Full(_) => products::needs(profile, &Window::of(layer, x, y, batch)),
        // The ratios its backward pass sums.
        Layer::Lrn(Lrn { over: Over::Space, .. }) => Needs { partial: y.len() * batch, ..Needs::default() },
        _ => Needs::default(),
    }
}
