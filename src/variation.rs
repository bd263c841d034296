//! What may be varied in a network: parts left out, who talks to whom, the activation. The paper's comparisons.
//!
//! A [`Variation`] makes another [`Table`] of one that is written down ([`Table::varied`]); everything that reads the
//! table then sees a network like any other.

use crate::error::{Error, Result};
use crate::layer::{Conv, Full, Layer, Pool};
use crate::net::On::Each;
use crate::net::{Reads, Row, Table};
use crate::run::word;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A part that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Every response normalisation (§3.3).
    Norm,
    /// The overlap of pooling windows (§3.4): 2 pixels wide, 2 apart, with the paddings of the original's comparison (conv2
    /// 1, conv5 0), which keep the sizes.
    Overlap,
    /// The third convolution (§7); the next layer takes its inputs.
    Conv3,
    /// The fourth convolution.
    Conv4,
    /// The fifth convolution.
    Conv5,
}

/// Which layers read both columns, where a table has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Talk {
    /// Those of the table: in Figure 2 conv3 and every fully connected layer.
    #[default]
    Paper,
    /// The fully connected layers alone (the original's configuration 127).
    Fc,
    /// conv4 instead of conv3 (132).
    Conv4,
    /// None before the last.
    None,
    /// None before the last, with conv2 5/4 and the hidden fully connected layers twice as wide (150).
    #[value(name = "150")]
    #[serde(rename = "150")]
    Wide,
    /// Every one but the first.
    All,
}

/// What follows every convolution and hidden fully connected layer (§3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// tanh(x).
    Tanh,
}

/// How a network differs from its table as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// Parts left out.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<Part>,
    /// Which layers read both columns.
    #[serde(default, skip_serializing_if = "is_default")]
    pub talk: Talk,
    /// The activation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub activation: Activation,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Variation {
    /// The table as it is written.
    pub const NONE: Self = Self { without: BTreeSet::new(), talk: Talk::Paper, activation: Activation::Relu };

    /// Whether nothing is varied.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// As the options on the command line, each after a space.
impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.without.is_empty() {
            let parts: Vec<_> = self.without.iter().map(word).collect();
            write!(f, " --without {}", parts.join(","))?;
        }
        if self.talk != Talk::default() {
            write!(f, " --talk {}", word(&self.talk))?;
        }
        if self.activation != Activation::default() {
            write!(f, " --activation {}", word(&self.activation))?;
        }
        Ok(())
    }
}

impl Table {
    /// This table, as it is written down, with `variation`.
    ///
    /// # Errors
    /// A variation that does not fit the table: what does.
    pub fn varied(&self, variation: Variation) -> Result<Self> {
        let without = |part| variation.without.contains(&part);
        let refused = |option: &str, value: String| {
            Err(Error::Usage(format!("{option} {value}: {} cannot be varied so; {}", self.name, fitting(self))))
        };
        if let Some(part) = variation.without.iter().find(|part| !parts(self).contains(part)) {
            return refused("--without", word(part));
        }
        if variation.talk != Talk::Paper && !talks(self) {
            return refused("--talk", word(&variation.talk));
        }
        let mut rows = self.rows.to_vec();
        rows.iter_mut().skip(1).for_each(|row| row.reads = read_by(row, variation.talk));
        if variation.talk == Talk::Wide {
            rows.iter_mut().for_each(widen);
        }
        if without(Part::Overlap) {
            rows.iter_mut().for_each(part_windows);
        }
        if without(Part::Norm) {
            rows.retain(|row| !matches!(row.layer, Layer::Lrn(_)));
        }
        for (part, number) in [(Part::Conv3, "3"), (Part::Conv4, "4"), (Part::Conv5, "5")] {
            if without(part) {
                leave_out(&mut rows, number);
            }
        }
        if variation.activation == Activation::Tanh {
            rows.iter_mut().for_each(saturate);
        }
        Ok(Self { rows: rows.into(), variation, ..self.clone() })
    }
}

/// Whether `table` is the paper's network, or one that is made like it.
fn is_like_the_paper(table: &Table) -> bool {
    table.rows.iter().any(|row| row.name == "conv5")
}

/// What can be left out of `table`.
fn parts(table: &Table) -> Vec<Part> {
    let norm = table.rows.iter().any(|row| matches!(row.layer, Layer::Lrn(_)));
    let like = is_like_the_paper(table).then_some([Part::Overlap, Part::Conv3, Part::Conv4, Part::Conv5]);
    norm.then_some(Part::Norm).into_iter().chain(like.into_iter().flatten()).collect()
}

fn talks(table: &Table) -> bool {
    table.columns > 1 && is_like_the_paper(table)
}

/// In words, what fits `table`.
fn fitting(table: &Table) -> String {
    fn list<T: ValueEnum>(values: &[T]) -> String {
        values.iter().map(word).collect::<Vec<_>>().join("|")
    }
    let mut options = Vec::new();
    if !parts(table).is_empty() {
        options.push(format!("--without {}", list(&parts(table))));
    }
    if talks(table) {
        options.push(format!("--talk {}", list(Talk::value_variants())));
    }
    options.push(format!("--activation {}", list(Activation::value_variants())));
    format!("it takes {}", options.join(", "))
}

/// What a row below the first reads where the columns talk as `talk` says.
fn read_by(row: &Row, talk: Talk) -> Reads {
    let full = matches!(row.layer, Layer::Full(_));
    if row.on != Each || !(full || matches!(row.layer, Layer::Conv(_))) {
        return row.reads;
    }
    let both = match (talk, row.name) {
        (Talk::Paper, _) => return row.reads,
        (Talk::Fc, _) => full,
        (Talk::Conv4, "conv3") => false,
        (Talk::Conv4, "conv4") => true,
        (Talk::Conv4, _) => return row.reads,
        (Talk::None | Talk::Wide, _) => false,
        (Talk::All, _) => true,
    };
    if both { Reads::Both } else { Reads::Own }
}

/// The widths of the original's configuration 150, in a network of any width.
fn widen(row: &mut Row) {
    match &mut row.layer {
        Layer::Conv(conv) if row.name == "conv2" => conv.out = conv.out * 5 / 4,
        Layer::Full(full) if row.on == Each => full.units *= 2,
        _ => {}
    }
}

/// Pooling windows that lie side by side, and the paddings that go with them.
fn part_windows(row: &mut Row) {
    match &mut row.layer {
        Layer::MaxPool(Pool { window, stride }) | Layer::AveragePool(Pool { window, stride }) => *window = *stride,
        Layer::Conv(Conv { pad, .. }) if matches!(row.name, "conv2" | "conv5") => *pad = pad.saturating_sub(1),
        _ => {}
    }
}

/// Without the convolution of this number and its activation: the next layer with weights reads what it read.
fn leave_out(rows: &mut Vec<Row>, number: &str) {
    let names = [format!("conv{number}"), format!("relu{number}")];
    let Some(place) = rows.iter().position(|row| row.name == names[0]) else { return };
    let reads = rows[place].reads;
    rows.retain(|row| !names.iter().any(|name| name == row.name));
    let next = rows[place..].iter_mut().find(|row| matches!(row.layer, Layer::Conv(_) | Layer::Full(Full { .. })));
    if let (Reads::Both, Some(next)) = (reads, next) {
        next.reads = Reads::Both;
    }
}

fn saturate(row: &mut Row) {
    if row.layer != Layer::Relu {
        return;
    }
    row.layer = Layer::Tanh;
    row.name = match row.name {
        "relu1" => "tanh1",
        "relu2" => "tanh2",
        "relu3" => "tanh3",
        "relu4" => "tanh4",
        "relu5" => "tanh5",
        "relu6" => "tanh6",
        "relu6c" => "tanh6c",
        "relu7" => "tanh7",
        other => other,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alexnet::{ALEXNET, HALF};

    #[test]
    fn reads_and_prints_as_options() {
        let variation =
            Variation { without: [Part::Conv4, Part::Norm].into(), talk: Talk::Wide, activation: Activation::Tanh };
        assert_eq!(variation.to_string(), " --without norm,conv4 --talk 150 --activation tanh");
        let json = r#"{"without":["norm","conv4"],"talk":"150","activation":"tanh"}"#;
        assert_eq!(serde_json::to_string(&variation).unwrap(), json);
        assert_eq!(serde_json::from_str::<Variation>(json).unwrap(), variation);
        assert_eq!(serde_json::from_str::<Variation>("{}").unwrap(), Variation::NONE);
        assert!(serde_json::from_str::<Variation>(r#"{"width":2}"#).is_err());
    }

    #[test]
    fn nothing_varied_is_the_table() {
        assert_eq!(ALEXNET.varied(Variation::NONE).unwrap(), ALEXNET);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_does() {
        let error = HALF.varied(Variation { talk: Talk::Fc, ..Variation::NONE }).unwrap_err().to_string();
        assert!(
            error.contains("--talk fc: half") && error.contains("--without norm|overlap|conv3|conv4|conv5"),
            "{error}"
        );
        assert!(error.ends_with("--activation relu|tanh"), "{error}");
    }
}
