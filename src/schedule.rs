//! The learning rate over a run.
//!
//! The paper divided the rate by ten "when the validation error rate stopped improving with the current learning rate",
//! by hand, three times (§5). [`Schedule::Plateau`] does the same by rule, [`Schedule::Steps`] at given passes, and
//! [`Schedule::Decay`] is what the source's later runs used.

use std::fmt;
use std::str::FromStr;

/// Evaluations without a new lowest validation error after which the plateau schedule divides the rate.
const PATIENCE: u64 = 5;
/// The paper's rate was "reduced three times prior to termination" (§5).
const REDUCTIONS: u32 = 3;
const FORMS: &str = "constant, plateau, plateau:EVALUATIONS, steps:PASS,PASS,… or dexp:FACTOR,LEVELS";

/// How the learning rate changes. Reads and prints as on the command line.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// Never.
    Constant,
    /// ÷10 after `patience` evaluations without a new lowest validation error, three times at most.
    Plateau {
        /// Evaluations waited for a new lowest error.
        patience: u64,
    },
    /// ÷10 once each of these many passes is complete; ascending.
    Steps(Vec<u64>),
    /// Discretised exponential decay: `levels` equal stretches of the run, from the rate down to rate / `factor`.
    Decay {
        /// First rate over last rate; at least 1.
        factor: f64,
        /// Different rates; at least 2.
        levels: u32,
    },
}

/// Where in a run a step lies.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Steps done before this one.
    pub done: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Passes over the training set completed before this step.
    pub passes: u64,
}

/// What the plateau schedule remembers between evaluations. Kept by every schedule, so that the checkpoint has one form.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plateau {
    /// Lowest validation top-1 error so far, a fraction. Single precision survives the way through JSON exactly.
    pub lowest: Option<f32>,
    /// Evaluations since `lowest` or since the rate was last divided.
    pub waited: u64,
    /// Times the rate was divided by ten.
    pub reductions: u32,
}

impl Schedule {
    /// The rate of a step, when the run began at `base`.
    pub fn rate(&self, base: f64, place: Place, plateau: &Plateau) -> f64 {
        match self {
            Self::Constant => base,
            Self::Plateau { .. } => base / 10f64.powi(plateau.reductions as i32),
            Self::Steps(passes) => base / 10f64.powi(passes.iter().filter(|&&p| place.passes >= p).count() as i32),
            Self::Decay { factor, levels } => {
                let level = (place.done * u64::from(*levels) / place.total.max(1)).min(u64::from(*levels) - 1);
                base * factor.powf(-(level as f64) / f64::from(*levels - 1))
            }
        }
    }

    /// Takes in the result of an evaluation; returns whether it is a new lowest error.
    pub fn evaluated(&self, plateau: &mut Plateau, top1_error: f64) -> bool {
        let error = top1_error as f32;
        if plateau.lowest.is_none_or(|lowest| error < lowest) {
            *plateau = Plateau { lowest: Some(error), waited: 0, ..*plateau };
            return true;
        }
        plateau.waited += 1;
        if let Self::Plateau { patience } = self
            && plateau.waited >= *patience
            && plateau.reductions < REDUCTIONS
        {
            plateau.reductions += 1;
            plateau.waited = 0;
        }
        false
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, arguments) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        match (name, arguments) {
            ("constant", None) => Ok(Self::Constant),
            ("plateau", None) => Ok(Self::Plateau { patience: PATIENCE }),
            ("plateau", Some(patience)) => match patience.parse() {
                Ok(patience) if patience > 0 => Ok(Self::Plateau { patience }),
                _ => Err(format!("plateau:{patience}: expected a number of evaluations, 1 or more")),
            },
            ("steps", Some(list)) => steps(list),
            ("dexp", Some(list)) => decay(list),
            _ => Err(format!("no schedule is written so; there are {FORMS}")),
        }
    }
}

fn steps(list: &str) -> Result<Schedule, String> {
    let passes: Option<Vec<u64>> = list.split(',').map(|p| p.trim().parse().ok()).collect();
    match passes {
        Some(passes) if passes.is_sorted_by(|a, b| a < b) => Ok(Schedule::Steps(passes)),
        _ => Err(format!("steps:{list}: expected ascending numbers of passes, as in steps:24,50,78")),
    }
}

fn decay(list: &str) -> Result<Schedule, String> {
    let parsed = list.split_once(',').and_then(|(f, l)| Some((f.trim().parse().ok()?, l.trim().parse().ok()?)));
    match parsed {
        Some((factor, levels)) if f64::is_finite(factor) && factor >= 1.0 && levels >= 2 => {
            Ok(Schedule::Decay { factor, levels })
        }
        _ => Err(format!(
            "dexp:{list}: expected a factor of 1 or more and 2 or more levels, as in dexp:250,4 (four rates, the last \
             250 times smaller than the first)"
        )),
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Plateau { patience } => write!(f, "plateau:{patience}"),
            Self::Steps(passes) => {
                let passes: Vec<_> = passes.iter().map(u64::to_string).collect();
                write!(f, "steps:{}", passes.join(","))
            }
            Self::Decay { factor, levels } => write!(f, "dexp:{factor},{levels}"),
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str, passes: &[u64], total: u64) -> Vec<f64> {
        let schedule: Schedule = text.parse().unwrap();
        let place = |&p: &u64| Place { done: p, total, passes: p };
        passes.iter().map(|p| schedule.rate(0.01, place(p), &Plateau::default())).collect()
    }

    fn near(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(expected) {
            assert!((g / e - 1.0).abs() < 1e-12, "{got:?} is not {expected:?}");
        }
    }

    #[test]
    fn steps_divide_once_the_passes_are_complete() {
        near(
            &rates("steps:24,50,78", &[0, 23, 24, 49, 50, 77, 78, 91], 92),
            &[1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5],
        );
    }

    #[test]
    fn dexp_has_its_levels_at_equal_stretches() {
        let level = |i: f64| 0.01 * 250f64.powf(-i / 3.0);
        near(
            &rates("dexp:250,4", &[0, 24, 25, 49, 50, 74, 75, 99], 100),
            &[0.01, 0.01, level(1.0), level(1.0), level(2.0), level(2.0), 0.01 / 250.0, 0.01 / 250.0],
        );
    }

    #[test]
    fn constant_stays() {
        near(&rates("constant", &[0, 89], 90), &[0.01, 0.01]);
    }

    #[test]
    fn plateau_waits_divides_and_stops_at_three() {
        let schedule: Schedule = "plateau:2".parse().unwrap();
        let mut state = Plateau::default();
        let place = Place { done: 0, total: 1, passes: 0 };
        // A new lowest error starts the wait again; an equal one does not.
        let errors = [0.9, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7];
        let reductions = [0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3];
        for (error, expected) in errors.into_iter().zip(reductions) {
            schedule.evaluated(&mut state, error);
            assert_eq!(state.reductions, expected);
            near(&[schedule.rate(1.0, place, &state)], &[0.1f64.powi(expected as i32)]);
        }
    }

    #[test]
    fn prints_as_it_reads() {
        for text in ["constant", "plateau:5", "plateau:3", "steps:24,50,78", "dexp:250,4"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("plateau".parse::<Schedule>().unwrap(), Schedule::Plateau { patience: 5 });
    }

    #[test]
    fn refuses_what_it_cannot_mean() {
        for text in ["", "linear", "constant:1", "plateau:0", "plateau:-1", "steps", "steps:", "steps:5,5", "steps:9,3"]
            .into_iter()
            .chain(["dexp", "dexp:250", "dexp:0.5,4", "dexp:250,1", "dexp:inf,4", "dexp:x,4"])
        {
            assert!(text.parse::<Schedule>().is_err(), "{text} was read");
        }
    }
}
