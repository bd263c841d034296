//! A run seen from another terminal. Its files are only read.

mod follow;
mod screen;

pub use follow::Follower;
pub use screen::draw;

use crate::error::{Error, Result};
use crate::plot::Curves;
use crate::run::{Config, Run};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);
/// The longest wait for a key.
const KEY: Duration = Duration::from_millis(200);
/// Steps whose mean is the rate now.
const RECENT: usize = 50;
/// Times a step's seconds, and at least so many seconds, without a new line: training no longer steps.
const SILENT: (f64, f64) = (10.0, 30.0);

/// What is known of a run.
pub struct Watched {
    folder: PathBuf,
    config: Option<Config>,
    follower: Option<Follower>,
    curves: Curves,
    /// Seconds since the last line, at the last look.
    silence: f64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// There is no run in the folder yet.
    Expected,
    /// Configured, but no step is done.
    Begun,
    /// It steps.
    Training,
    /// No new line for long: it evaluates, was stopped, or waits.
    Silent,
    /// All steps are done.
    Finished,
}

impl Watched {
    /// Watches the run in `folder`, which need not be there yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), config: None, follower: None, curves: Curves::default(), silence: 0.0 }
    }

    /// Looks at the files.
    ///
    /// # Errors
    /// A folder of something else, or files that are not a run's.
    pub fn look(&mut self) -> Result<()> {
        if is_absent(&self.folder) {
            *self = Self::new(&self.folder);
            return Ok(());
        }
        let run = Run::open(&self.folder)?;
        let follower = self.follower.get_or_insert_with(|| Follower::new(&run.metrics()));
        if follower.look()? {
            self.curves = Curves::of(run.name(), follower.lines());
        }
        self.silence = follower.silence();
        self.config = Some(run.config);
        Ok(())
    }

    /// Where the run stands.
    pub fn stage(&self) -> Stage {
        let Some(config) = &self.config else { return Stage::Expected };
        let Some(last) = self.curves.steps.last() else { return Stage::Begun };
        let evaluated = self.curves.evaluations.last().is_some_and(|e| e.step == last.step);
        if last.step >= config.steps && (evaluated || config.data.val_images == 0) {
            return Stage::Finished;
        }
        let mean = self.recent(|line| line.seconds).unwrap_or(0.0);
        if self.silence > (SILENT.0 * mean).max(SILENT.1) { Stage::Silent } else { Stage::Training }
    }

    /// Mean over the last steps.
    fn recent(&self, value: impl Fn(&crate::metrics::StepLine) -> f64) -> Option<f64> {
        let steps = &self.curves.steps;
        let last = &steps[steps.len().saturating_sub(RECENT)..];
        (!last.is_empty()).then(|| last.iter().map(value).sum::<f64>() / last.len() as f64)
    }

    /// Time to the last step at the rate of the last ones.
    fn left(&self) -> Option<Duration> {
        let (config, last) = (self.config.as_ref()?, self.curves.steps.last()?);
        let seconds = self.recent(|line| line.seconds)? * config.steps.saturating_sub(last.step) as f64;
        Some(Duration::from_secs_f64(seconds.min(1e9)))
    }
}

/// No folder, or an empty one, as a run that is being made leaves for a moment.
fn is_absent(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) => e.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Shows the run in `folder` until q, Esc or Ctrl-C.
///
/// # Errors
/// What [`Watched::look`] finds wrong, or a terminal that cannot be drawn on; the terminal is as before.
pub fn show(folder: &Path) -> Result<()> {
    let mut watched = Watched::new(folder);
    // What is wrong at once is said without a flicker.
    watched.look()?;
    let terminal = |e| Error::io("the terminal")(e);
    let mut screen = ratatui::try_init().map_err(terminal)?;
    let end = follow(&mut screen, &mut watched);
    ratatui::try_restore().map_err(terminal)?;
    end
}

fn follow(screen: &mut DefaultTerminal, watched: &mut Watched) -> Result<()> {
    let terminal = |e| Error::io("the terminal")(e);
    loop {
        screen.draw(|frame| draw(frame, watched)).map_err(terminal)?;
        let looked = Instant::now();
        while looked.elapsed() < LOOK {
            if !event::poll(KEY).map_err(terminal)? {
                continue;
            }
            match event::read().map_err(terminal)? {
                Event::Key(key) if is_end(key) => return Ok(()),
                Event::Resize(..) => break,
                _ => {}
            }
        }
        watched.look()?;
    }
}

fn is_end(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release && (interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}
