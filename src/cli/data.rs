//! `data`: what a source of images is.

use super::DataArgs;
use super::commands::say;
use crate::data::{source, verify};
use crate::train::Progress;
use anyhow::Result;
use std::process::ExitCode;

/// Says what a source holds, or with `--verify` whether its archives are those published.
pub(super) fn run(args: &DataArgs) -> Result<ExitCode> {
    let mut progress = Progress::stderr();
    if args.verify {
        let mut whole = true;
        let result = verify::archives(&args.data, &mut progress, |line, good| {
            whole &= good;
            say(line)
        });
        progress.finish();
        result?;
        return Ok(ExitCode::from(u8::from(!whole)));
    }
    let set = source::open(&args.data, args.split, &args.source.options(args.seed), &mut progress)?;
    progress.finish();
    let mut counts = vec![0usize; set.classes.len()];
    (0..set.len()).for_each(|number| counts[set.label(number) as usize] += 1);
    for (class, (id, count)) in set.classes.iter().zip(&counts).enumerate() {
        let name = set.class_names.as_ref().map_or_else(String::new, |names| format!("  {}", names[class]));
        say(&format!("{count:7}  {id}{name}"))?;
    }
    say(&format!("{:7}  {} images of {} classes: {}", set.len(), set.split.name(), set.classes.len(), set.kind))?;
    Ok(ExitCode::SUCCESS)
}
