//! Axes: from values to places, and the ticks between.

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// By their differences.
    #[default]
    Linear,
    /// By their ratios; what is not above 0 has no place.
    Log,
}

/// An axis of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit, as in `loss (nats)`.
    pub label: String,
    /// How it lies.
    pub scale: Scale,
    /// Lowest and highest value; `None`: what the data spans.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis over what the data spans.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), ..Self::default() }
    }

    /// A logarithmic axis over what the data spans.
    pub fn log(label: &str) -> Self {
        Self { scale: Scale::Log, ..Self::linear(label) }
    }

    /// The axis over `values`.
    pub(super) fn span(&self, values: impl Iterator<Item = f64>) -> Span {
        let shown = values.filter(|v| v.is_finite() && (self.scale == Scale::Linear || *v > 0.0));
        let data =
            shown.fold(None, |span, v| span.map_or(Some((v, v)), |(lo, hi): (f64, f64)| Some((lo.min(v), hi.max(v)))));
        let (low, high) = self.range.or(data).unwrap_or(match self.scale {
            Scale::Linear => (0.0, 1.0),
            Scale::Log => (1.0, 10.0),
        });
        let (low, high) = match self.scale {
            _ if high > low => (low, high),
            Scale::Linear if low == 0.0 => (0.0, 1.0),
            Scale::Linear => (low - low.abs() / 2.0, low + low.abs() / 2.0),
            Scale::Log => (low / 2.0, low * 2.0),
        };
        Span { scale: self.scale, low, high }
    }
}

/// An axis with its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    scale: Scale,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Span {
    /// Room above the data, and 0 below it where the data comes near; for an axis whose ends nobody said.
    pub(super) fn with_room(self) -> Self {
        let room = match self.scale {
            Scale::Linear => (self.high - self.low) * 0.05,
            Scale::Log => return Self { low: self.low / 1.1, high: self.high * 1.1, ..self },
        };
        let low = if (0.0..self.high / 2.0).contains(&self.low) { 0.0 } else { self.low - room };
        Self { low, high: self.high + room, ..self }
    }

    /// Place of `value` between the ends, 0 to 1 within them; `None` where it has none.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        place.is_finite().then_some(place)
    }

    /// About `count` round values within the ends, with their labels.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Log if self.high / self.low >= 10.0 => self.decades(count),
            _ => self.even(count),
        }
    }

    /// The span grown to ticks at both ends, which then lie evenly: for axes of letters.
    pub(super) fn to_ticks(self, count: usize) -> Self {
        match self.scale {
            Scale::Linear => {
                let step = self.step(count);
                let (low, high) = ((self.low / step + 1e-6).floor(), (self.high / step - 1e-6).ceil());
                Self { low: low * step, high: high * step, ..self }
            }
            Scale::Log => {
                let (low, high) = (self.low.log10().floor(), self.high.log10().ceil());
                Self { low: 10f64.powf(low), high: 10f64.powf(high.max(low + 1.0)), ..self }
            }
        }
    }

    /// The least round step that needs no more than `count` of it.
    fn step(&self, count: usize) -> f64 {
        let least = (self.high - self.low) / count.max(1) as f64;
        let ten = 10f64.powf(least.log10().floor());
        [1.0, 2.0, 5.0].map(|m| m * ten).into_iter().find(|step| *step >= least).unwrap_or(10.0 * ten)
    }

    fn even(&self, count: usize) -> Vec<(f64, String)> {
        let step = self.step(count);
        let decimals = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
        // A hair of tolerance keeps the ends themselves.
        let (first, last) = ((self.low / step - 1e-6).ceil() as i64, (self.high / step + 1e-6).floor() as i64);
        (first..=last).map(|i| i as f64 * step).map(|v| (v, number(v, decimals))).collect()
    }

    fn decades(&self, count: usize) -> Vec<(f64, String)> {
        let (first, last) = ((self.low.log10() + 1e-6).floor() as i32, (self.high.log10() + 1e-6).floor() as i32);
        let decades = (last - first + 1) as usize;
        let parts: &[f64] = if 3 * (decades - 1) < count { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = decades.div_ceil(count.max(1)) as i32;
        let exponents = (first..=last).filter(|e| e.rem_euclid(every) == 0);
        let values = exponents.flat_map(|e| parts.iter().map(move |m| (m * 10f64.powi(e), (-e).max(0) as usize)));
        let within = values.filter(|(v, _)| (self.low * (1.0 - 1e-6)..=self.high * (1.0 + 1e-6)).contains(v));
        within.map(|(v, decimals)| (v, number(v, decimals))).collect()
    }
}

/// A number for people: thousands apart, `decimals` after the point; in powers of ten where it is very large or small.
pub fn number(value: f64, decimals: usize) -> String {
    let value = value + 0.0;
    if !value.is_finite() {
        return value.to_string();
    }
    if value != 0.0 && (value.abs() >= 1e9 || decimals > 4) {
        return format!("{:e}", format!("{value:.2e}").parse().unwrap_or(value)).replace('-', "−");
    }
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out =
        if value < 0.0 && digits.bytes().any(|b| matches!(b, b'1'..=b'9')) { "−".to_owned() } else { String::new() };
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, values: &[f64], count: usize) -> Vec<String> {
        axis.span(values.iter().copied()).ticks(count).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(labels(&Axis::linear(""), &[0.0, 1128.0], 6), ["0", "200", "400", "600", "800", "1,000"]);
        assert_eq!(labels(&Axis::linear(""), &[-0.3, 0.3], 4), ["−0.2", "0.0", "0.2"]);
        assert_eq!(labels(&Axis::log(""), &[1e-4, 1e-1], 5), ["0.0001", "0.001", "0.01", "0.1"]);
        assert_eq!(labels(&Axis::log(""), &[1e-6, 1e-5], 6), ["1e−6", "2e−6", "5e−6", "1e−5"]);
        assert_eq!(labels(&Axis::log(""), &[2.0, 8.0], 4), ["2", "4", "6", "8"]);
    }

    #[test]
    fn no_data_and_one_value_have_a_span() {
        for axis in [Axis::linear(""), Axis::log("")] {
            for values in [&[][..], &[3.0], &[0.0], &[-1.0], &[f64::NAN]] {
                let span = axis.span(values.iter().copied()).with_room();
                assert!(span.high > span.low && !span.ticks(5).is_empty(), "{axis:?} {values:?} {span:?}");
            }
        }
        assert_eq!(Axis::log("").span([1.0, 10.0].into_iter()).place(-1.0), None);
    }

    #[test]
    fn numbers_are_for_people() {
        let texts =
            [(1234567.0, 0), (-12.345, 1), (0.5, 2), (-0.0, 1), (-0.01, 1), (2.5e-7, 7)].map(|(v, d)| number(v, d));
        assert_eq!(texts, ["1,234,567", "−12.3", "0.50", "0.0", "0.0", "2.5e−7"]);
    }
}
