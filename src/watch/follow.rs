//! `metrics.jsonl` while a run appends to it, or a resumed one cuts it.

use crate::error::{Error, Result};
use crate::metrics::{self, Line};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The lines of a file that grows.
pub struct Follower {
    path: PathBuf,
    /// Bytes taken in: whole lines.
    taken: u64,
    /// The last of them, to know the file again.
    last: Vec<u8>,
    lines: Vec<Line>,
    changed: Option<SystemTime>,
}

impl Follower {
    /// Follows `path`, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), taken: 0, last: Vec::new(), lines: Vec::new(), changed: None }
    }

    /// Every whole line so far.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Seconds since the file was written to.
    pub fn silence(&self) -> f64 {
        let since = self.changed.and_then(|at| SystemTime::now().duration_since(at).ok());
        since.map_or(0.0, |since| since.as_secs_f64())
    }

    /// Takes in what is new; returns whether anything is. A file that no longer begins as it did is read anew.
    ///
    /// # Errors
    /// A file that cannot be read, or a whole line that is none of metrics.
    pub fn look(&mut self) -> Result<bool> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let had = !self.lines.is_empty();
                *self = Self::new(&self.path);
                return Ok(had);
            }
            Err(e) => return Err(Error::io(&self.path)(e)),
        };
        let mut anew = false;
        if !self.continues(&mut file)? {
            *self = Self::new(&self.path);
            anew = true;
        }
        self.changed = file.metadata().and_then(|about| about.modified()).ok();
        let mut new = Vec::new();
        let read = file.seek(SeekFrom::Start(self.taken)).and_then(|_| file.read_to_end(&mut new));
        read.map_err(Error::io(&self.path))?;
        // What follows the last line's end is still being written.
        let whole = new.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        for line in new[..whole].split_inclusive(|&byte| byte == b'\n') {
            self.lines.push(metrics::parse(&self.path, self.lines.len() + 1, line)?);
            self.last = line.to_vec();
        }
        self.taken += whole as u64;
        Ok(anew || whole > 0)
    }

    /// Whether the file still holds, where it was, the line taken in last.
    fn continues(&self, file: &mut File) -> Result<bool> {
        let mut there = vec![0; self.last.len()];
        let found =
            file.seek(SeekFrom::Start(self.taken - self.last.len() as u64)).and_then(|_| file.read_exact(&mut there));
        match found {
            Ok(()) => Ok(there == self.last),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(Error::io(&self.path)(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn line(step: u64, loss: f64) -> String {
        format!(
            "{{\"step\":{step},\"epoch\":1,\"loss\":{loss},\"top1_error\":0.5,\"top5_error\":0.1,\"lr\":0.01,\
             \"images_per_second\":10.0,\"seconds\":0.1,\"data_wait\":0.0,\"exchange\":0.0}}\n"
        )
    }

    fn steps(follower: &Follower) -> Vec<(u64, f64)> {
        let step = |line: &Line| match line {
            Line::Step(line) => (line.step, line.loss),
            Line::Evaluation(line) => (line.step, -line.loss),
        };
        follower.lines().iter().map(step).collect()
    }

    #[test]
    fn a_file_is_followed_while_it_grows_and_read_anew_when_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut follower = Follower::new(&path);
        assert!(!follower.look().unwrap());
        let two = line(1, 2.5) + &line(2, 2.25);
        fs::write(&path, &two[..two.len() - 9]).unwrap();
        assert!(follower.look().unwrap());
        assert_eq!(steps(&follower), [(1, 2.5)]);
        assert!(!follower.look().unwrap());
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&two.as_bytes()[two.len() - 9..]).unwrap();
        assert!(follower.look().unwrap());
        assert_eq!(steps(&follower), [(1, 2.5), (2, 2.25)]);
        // A resumed run cuts the file and may have passed the old end before the next look.
        fs::write(&path, line(1, 2.5) + &line(2, 2.125) + &line(3, 2.0)).unwrap();
        assert!(follower.look().unwrap());
        assert_eq!(steps(&follower), [(1, 2.5), (2, 2.125), (3, 2.0)]);
        fs::write(&path, "").unwrap();
        assert!(follower.look().unwrap() && follower.lines().is_empty());
        fs::write(&path, "no line\n").unwrap();
        let error = follower.look().unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl") && error.contains("line 1"), "{error}");
    }
}
