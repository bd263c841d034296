//! `--net` and what may be varied in it: which network a command is about.

use super::values::count;
use crate::alexnet::{self, TABLES};
use crate::error::Result;
use crate::net::Table;
use crate::variation::{Activation, Part, Talk, Variation};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// The network of a command.
#[derive(Args, Clone, Debug, Default)]
pub struct NetArgs {
    /// The network, where no weights and no run name it [default: alexnet].
    #[arg(long, value_parser = tables())]
    pub net: Option<&'static Table>,
    /// How it differs from its table.
    #[command(flatten)]
    pub variation: VariationArgs,
}

/// A training step, where no data and no run say more.
#[derive(Args, Debug)]
pub struct StepArgs {
    /// The network.
    #[command(flatten)]
    pub net: NetArgs,
    /// Images a step [default: the network's own].
    #[arg(long, value_parser = count())]
    pub batch: Option<usize>,
    /// Micro-batches a step.
    #[arg(long, default_value = "1", value_parser = count())]
    pub accumulate: usize,
    /// Classes [default: 1000; tiny: 10].
    #[arg(long, value_parser = count())]
    pub classes: Option<usize>,
    /// Adapters by index or part of a name.
    #[arg(long, value_name = "LIST")]
    pub adapters: Option<String>,
}

/// What is varied in a network.
#[derive(Args, Clone, Debug, Default)]
pub struct VariationArgs {
    /// Leave parts out, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    pub without: Vec<Part>,
    /// Which layers read both columns [default: paper].
    #[arg(long, value_enum)]
    pub talk: Option<Talk>,
    /// What follows each layer with weights but the last [default: relu].
    #[arg(long, value_enum)]
    pub activation: Option<Activation>,
}

impl NetArgs {
    /// The network that was named, in whole or in part; `None` where nothing was typed.
    ///
    /// # Errors
    /// A variation that does not fit it.
    pub fn named(&self) -> Result<Option<Table>> {
        let VariationArgs { without, talk, activation } = &self.variation;
        let typed = self.net.is_some() || !without.is_empty() || talk.is_some() || activation.is_some();
        if typed { self.table().map(Some) } else { Ok(None) }
    }

    /// The network that was named, else the paper's.
    ///
    /// # Errors
    /// A variation that does not fit it.
    pub fn table(&self) -> Result<Table> {
        self.variation.of(self.net.unwrap_or(&alexnet::ALEXNET))
    }
}

impl VariationArgs {
    /// `table` with what was said.
    ///
    /// # Errors
    /// A variation that does not fit it.
    pub fn of(&self, table: &Table) -> Result<Table> {
        table.varied(Variation {
            without: self.without.iter().copied().collect(),
            talk: self.talk.unwrap_or_default(),
            activation: self.activation.unwrap_or_default(),
        })
    }
}

/// The names of the tables.
pub(super) fn tables() -> impl TypedValueParser<Value = &'static Table> {
    let names = PossibleValuesParser::new(TABLES.map(|t| t.name));
    names.map(|name| alexnet::table(&name).unwrap_or(&alexnet::ALEXNET))
}
