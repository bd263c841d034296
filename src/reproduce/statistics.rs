//! From a few pairs of values to a verdict: 95 % intervals by Student's t, and a permutation test.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::fmt;

/// The mean of a few values, one a seed, and where it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean of the values.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// mean ± t · s / √n with n − 1 degrees of freedom; `None` for fewer than two values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let half = t * (variance / n).sqrt();
        Some(Self { mean, low: mean - half, high: mean + half })
    }

    /// The smallest difference that values with this spread would have resolved.
    pub fn half(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// What an experiment says about a claim of the paper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The paper's sign, and 0 is not in the interval.
    Seen,
    /// The other sign, and 0 is not in the interval.
    Opposite,
    /// 0 is in the interval.
    NotResolved {
        /// The smallest difference that this run could have resolved.
        smallest: f64,
    },
    /// The condition of the experiment was not met.
    NotTested {
        /// Which.
        why: String,
    },
    /// The paper states no difference here.
    NoClaim,
}

impl Verdict {
    /// Of differences, one a seed, where the paper's has the sign of `paper`.
    pub fn of(differences: &[f64], paper: Option<f64>) -> Self {
        let Some(interval) = Interval::of(differences) else {
            let why = format!("{} seeds; an interval needs two", differences.len());
            return Self::NotTested { why };
        };
        match paper {
            None => Self::NoClaim,
            Some(_) if interval.low <= 0.0 && interval.high >= 0.0 => Self::NotResolved { smallest: interval.half() },
            Some(paper) if paper.signum() == interval.mean.signum() => Self::Seen,
            Some(_) => Self::Opposite,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen => write!(f, "seen"),
            Self::Opposite => write!(f, "opposite"),
            Self::NotResolved { smallest } => write!(f, "not resolved (from {} on it would be)", short(*smallest)),
            Self::NotTested { why } => write!(f, "not tested: {why}"),
            Self::NoClaim => write!(f, "no claim"),
        }
    }
}

/// A number with as many digits as say something.
pub fn short(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let value = value.abs();
    let digits = match value {
        0.0 => "0".to_owned(),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    };
    format!("{sign}{digits}")
}

/// Share of random divisions of `values` in which the means of the first `first` and of the rest are as far apart as they
/// are here, by `draws` permutations; this division is one of them.
pub fn permutation_test(values: &[f64], first: usize, draws: usize, seed: u64) -> f64 {
    let apart = |values: &[f64]| {
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        (mean(&values[..first]) - mean(&values[first..])).abs()
    };
    // Sums in another order differ by rounding.
    let found = apart(values) * (1.0 - 1e-12);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = values.to_vec();
    let as_far = (0..draws).filter(|_| {
        shuffled.shuffle(&mut random);
        apart(&shuffled) >= found
    });
    (1 + as_far.count()) as f64 / (1 + draws) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6 * b.abs().max(1.0), "{a} is not {b}");
    }

    /// scipy.stats.t.interval(0.95, n - 1, mean, sem) of the same values.
    #[test]
    fn intervals_are_students() {
        let interval = Interval::of(&[1.0, 2.0, 4.0]).unwrap();
        near(interval.mean, 7.0 / 3.0);
        near(interval.low, -1.461_249_7);
        near(interval.high, 6.127_916_4);
        near(interval.half(), 3.794_583_0);
        let two = Interval::of(&[0.0, 1.0]).unwrap();
        near(two.high, 0.5 + 12.706_204_7 / 2.0);
        assert!(Interval::of(&[1.0]).is_none() && Interval::of(&[]).is_none());
    }

    #[test]
    fn verdicts_follow_sign_and_interval() {
        assert_eq!(Verdict::of(&[-1.0, -1.1, -0.9], Some(-1.4)), Verdict::Seen);
        assert_eq!(Verdict::of(&[-1.0, -1.1, -0.9], Some(0.4)), Verdict::Opposite);
        let open = Verdict::of(&[1.0, 2.0, 4.0], Some(1.0));
        assert!(matches!(open, Verdict::NotResolved { smallest } if (smallest - 3.794_583).abs() < 1e-6), "{open}");
        assert_eq!(Verdict::of(&[1.0, 1.0, 1.0], None), Verdict::NoClaim);
        assert_eq!(Verdict::of(&[0.0; 3], Some(1.0)), Verdict::NotResolved { smallest: 0.0 });
        assert!(matches!(Verdict::of(&[1.0], Some(1.0)), Verdict::NotTested { .. }));
    }

    #[test]
    fn permutations_tell_apart_what_is_apart() {
        // Of 70 divisions of eight values into fours, two are as far apart as this one.
        let p = permutation_test(&[0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0], 4, 20_000, 1);
        assert!((p - 2.0 / 70.0).abs() < 0.006, "{p}");
        let p = permutation_test(&[1.0, 2.0, 1.0, 2.0], 2, 1000, 1);
        near(p, 1.0);
    }
}
