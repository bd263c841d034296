//! `plot`: curves of runs as a picture or in the terminal.

use super::commands::say;
use crate::draw::{self, in_letters};
use crate::error::Error;
use crate::plot::{Curves, charts};
use anyhow::Result;
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Rows of a chart in the terminal.
const ROWS: u16 = 20;
/// Columns where the terminal does not say.
const COLUMNS: u16 = 100;

/// Options of `plot`.
#[derive(Args, Debug)]
#[command(
    override_usage = "alexnet plot [OPTIONS] <RUN>... <OUT.png|OUT.svg>\n       alexnet plot [OPTIONS] --text <RUN>..."
)]
pub struct PlotArgs {
    /// Run folders, then the picture to write: OUT.png, or OUT.svg.
    #[arg(required = true, value_names = ["RUN", "OUT"])]
    pub paths: Vec<PathBuf>,
    /// Print the curves here instead.
    #[arg(long)]
    pub text: bool,
    /// A logarithmic axis for the loss.
    #[arg(long)]
    pub log: bool,
}

/// Draws.
pub(super) fn run(args: &PlotArgs) -> Result<()> {
    if args.text {
        let charts = charts(&read(&args.paths)?, args.log);
        let coloured = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let width = ratatui::crossterm::terminal::size().map_or(COLUMNS, |(columns, _)| columns).clamp(40, 200);
        return say(&in_letters(&charts, width, ROWS, coloured));
    }
    let (out, runs) = picture_last(&args.paths)?;
    draw::row(&charts(&read(runs)?, args.log)).write(out)?;
    say(&out.display().to_string())
}

fn picture_last(paths: &[PathBuf]) -> Result<(&Path, &[PathBuf])> {
    let ending = |path: &Path| path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    match paths.split_last() {
        Some((out, runs)) if !runs.is_empty() && matches!(ending(out).as_deref(), Some("png" | "svg")) => {
            Ok((out.as_path(), runs))
        }
        last => {
            let named = last.map_or_else(String::new, |(out, _)| out.display().to_string());
            let why = format!(
                "{named}: expected run folders and then the picture to write, a name that ends in .png or \
                               .svg; --text prints the curves in the terminal"
            );
            Err(Error::Usage(why).into())
        }
    }
}

/// The curves of each run. Runs of one name are told apart by their paths.
fn read(folders: &[PathBuf]) -> Result<Vec<Curves>> {
    let mut runs = folders.iter().map(|folder| Curves::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = runs.iter().map(|run| run.name.clone()).collect();
    for (run, folder) in runs.iter_mut().zip(folders) {
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = folder.display().to_string();
        }
    }
    Ok(runs)
}
