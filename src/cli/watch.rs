//! `watch`: follows a run in the terminal.

use crate::error::Error;
use crate::watch;
use anyhow::Result;
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Options of `watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// The run's folder, which need not be there yet.
    pub run: PathBuf,
}

/// Watches.
pub(super) fn run(args: &WatchArgs) -> Result<()> {
    // Windows' terminals have no TERM.
    let named = cfg!(windows) || std::env::var("TERM").is_ok_and(|name| name != "dumb");
    if !(named && std::io::stdout().is_terminal()) {
        let run = args.run.display();
        let why =
            format!("watch draws on a terminal, and this is none; `alexnet plot --text {run}` prints the curves once");
        return Err(Error::Usage(why).into());
    }
    Ok(watch::show(&args.run)?)
}
