//! Values that options take.

use crate::error::Error;
use clap::builder::TypedValueParser;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// No.
    Off,
    /// Yes.
    On,
}

/// A number of passes, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until(pub Option<u64>);

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(None)),
            number => number.parse().map(|n| Self(Some(n))).map_err(|_| "expected never or a number of passes".into()),
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => write!(f, "never"),
            Some(passes) => write!(f, "{passes}"),
        }
    }
}

/// A number of 1 or more.
pub(super) fn count() -> impl TypedValueParser<Value = usize> {
    // Sizes are counted in 32 bits on the adapter.
    clap::value_parser!(u64).range(1..=u64::from(u32::MAX)).map(|n| n as usize)
}

/// A number of 0 or more.
pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n| (0.0..=f64::from(f32::MAX)).contains(n)).ok_or("expected a number of 0 or more".into())
}

/// Minutes, 0 or more.
pub(super) fn minutes(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|m| (0.0..=1e6).contains(m)).ok_or("expected minutes, a number of 0 or more".into())
}

/// A number above 0.
pub(super) fn above_zero(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or("expected a number above 0".into())
}

/// A part: 0 or more and below 1.
pub(super) fn below_one(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|p| (0.0..1.0).contains(p)).ok_or("expected a number of 0 or more and below 1".into())
}

/// Refuses a name that no picture has.
pub(super) fn ensure_picture(path: &Path) -> Result<(), Error> {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    if ending.is_some_and(|ending| ending == "png" || ending == "svg") {
        return Ok(());
    }
    Err(Error::Usage(format!("{}: a picture's name ends in .png or .svg", path.display())))
}

/// The name of a PNG picture.
pub(super) fn png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if is_png { Ok(path) } else { Err("expected a name that ends in .png".to_owned()) }
}
