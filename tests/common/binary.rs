//! The binary, run in a folder as a user types it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What is typed behind `alexnet`: a line, or its words.
pub trait Words {
    /// The words.
    fn words(&self) -> Vec<&str>;
}

impl Words for str {
    fn words(&self) -> Vec<&str> {
        self.split_whitespace().collect()
    }
}

impl Words for String {
    fn words(&self) -> Vec<&str> {
        self.as_str().words()
    }
}

impl Words for [&str] {
    fn words(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl<const N: usize> Words for [&str; N] {
    fn words(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl Words for Vec<&str> {
    fn words(&self) -> Vec<&str> {
        self.clone()
    }
}

/// The command, with nothing to read.
pub fn alexnet(folder: &Path, words: &(impl Words + ?Sized)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alexnet"));
    command.current_dir(folder).args(words.words()).stdin(Stdio::null());
    command
}

/// The same where the user's own cache must not matter.
pub fn with_own_cache(folder: &Path, words: &(impl Words + ?Sized)) -> Command {
    let mut command = alexnet(folder, words);
    command.env("XDG_CACHE_HOME", folder.join("home")).env("HOME", folder);
    command
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Standard output and standard error of a command that must succeed.
#[track_caller]
pub fn succeed(mut command: Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (out, message) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(0), "{command:?}: {message}");
    (out, message)
}

/// Runs a command that must fail with `code`, in words that hold `parts`, without a panic and without a result.
#[track_caller]
pub fn fail(mut command: Command, code: i32, parts: &[&str]) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let message = text(stderr);
    assert_eq!(status.code(), Some(code), "{command:?}: {message}");
    for part in parts {
        assert!(message.contains(part), "{command:?}: `{message}` does not say `{part}`");
    }
    assert!(!message.contains("panicked"), "{command:?}: {message}");
    assert_eq!(stdout, b"", "{command:?} printed a result");
}

/// Standard output of what must succeed.
#[track_caller]
pub fn done(folder: &Path, words: &(impl Words + ?Sized)) -> String {
    succeed(alexnet(folder, words)).0
}

/// [`fail`] of what is typed.
#[track_caller]
pub fn fails(folder: &Path, words: &(impl Words + ?Sized), code: i32, parts: &[&str]) {
    fail(alexnet(folder, words), code, parts);
}
