//! `--freeze` and `--lr-scale`: the factor of the learning rate of each row.

use crate::error::{Error, Result};
use crate::net::{Net, Table};
use std::collections::BTreeMap;

/// Factors of the rate by row, where they are not 1; 0 for a row that is frozen. `freeze` has rows (`conv1`) and ranges of
/// rows (`conv1..conv5`, both ends among them), `scales` the same with a factor (`fc8=10`).
///
/// # Errors
/// A row that the table lacks or that has nothing to learn, one that is named twice, a factor that is none, or a network
/// in which nothing learns.
pub fn factors(table: &Table, freeze: &[String], scales: &[String]) -> Result<BTreeMap<String, f64>> {
    let net = Net::resolve(table, 1, 0.0)?;
    let learning: Vec<&str> =
        (0..net.rows.len()).filter(|&row| !net.params(row).is_empty()).map(|row| net.rows[row].name).collect();
    let mut named = Vec::new();
    for text in freeze {
        named.push((format!("--freeze {text}"), text.as_str(), 0.0));
    }
    for text in scales {
        let option = format!("--lr-scale {text}");
        let parsed = text.rsplit_once('=').and_then(|(rows, factor)| Some((rows, factor.trim().parse::<f64>().ok()?)));
        let Some((rows, factor)) = parsed.filter(|(_, factor)| (0.0..=f64::from(f32::MAX)).contains(factor)) else {
            let why = "expected rows and a factor of 0 or more, as in fc8=10 or conv1..conv5=0.1";
            return Err(Error::Usage(format!("{option}: {why}")));
        };
        named.push((option, rows, factor));
    }
    let mut factors = BTreeMap::new();
    for (option, rows, factor) in named {
        for row in range(&learning, rows).map_err(|why| Error::Usage(format!("{option}: {}: {why}", table.name)))? {
            if factors.insert((*row).to_owned(), factor).is_some() {
                return Err(Error::Usage(format!("{option}: {row} is named twice; name each row once")));
            }
        }
    }
    if learning.iter().all(|row| factors.get(*row) == Some(&0.0)) {
        return Err(Error::Usage("--freeze: every row is frozen, and nothing would learn; leave one out".to_owned()));
    }
    factors.retain(|_, factor| *factor != 1.0);
    Ok(factors)
}

/// The rows that `text` names, of those that learn.
fn range<'a>(learning: &'a [&'a str], text: &str) -> Result<&'a [&'a str], String> {
    let place = |name: &str| {
        let name = name.trim();
        let known = || format!("no row `{name}` has weights; those that have: {}", learning.join(", "));
        learning.iter().position(|row| *row == name).ok_or_else(known)
    };
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (place(first)?, place(last)?);
    learning.get(from..=to).ok_or_else(|| format!("`{last}` comes before `{first}`; write {last}..{first}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alexnet::TINY;

    fn of(freeze: &[&str], scales: &[&str]) -> Result<Vec<(String, f64)>, String> {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let factors = factors(&TINY, &own(freeze), &own(scales)).map_err(|e| e.to_string())?;
        Ok(factors.into_iter().collect())
    }

    #[test]
    fn ranges_and_names_become_factors() {
        let pair = |name: &str, factor| (name.to_owned(), factor);
        assert_eq!(of(&[], &[]).unwrap(), []);
        let expected = [pair("conv1", 0.0), pair("conv2", 0.0), pair("conv3", 0.0), pair("fc8", 10.0)];
        assert_eq!(of(&["conv1..conv3"], &["fc8=10"]).unwrap(), expected);
        assert_eq!(of(&["fc6", "conv5"], &["fc7..fc8=1"]).unwrap(), [pair("conv5", 0.0), pair("fc6", 0.0)]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let cases: [(&[&str], &[&str], &str); 8] = [
            (&["conv9"], &[], "`conv9`"),
            (&["relu1"], &[], "conv1, conv2, conv3, conv4, conv5, fc6, fc7, fc8"),
            (&["conv5..conv1"], &[], "conv1..conv5"),
            (&["conv1..conv3", "conv2"], &[], "conv2 is named twice"),
            (&["fc8"], &["fc8=2"], "fc8 is named twice"),
            (&[], &["fc8"], "fc8=10"),
            (&[], &["fc8=-1"], "0 or more"),
            (&["conv1..fc8"], &[], "nothing would learn"),
        ];
        for (freeze, scales, part) in cases {
            let why = of(freeze, scales).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
