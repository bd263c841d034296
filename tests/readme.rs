//! README's table is what `alexnet describe` prints.

use std::process::Command;

#[test]
fn the_table_is_current() {
    let readme = include_str!("../README.md");
    let out = Command::new(env!("CARGO_BIN_EXE_alexnet")).args(["describe", "--net", "alexnet"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    // The last lines name this machine's adapter.
    let table: Vec<_> = text.lines().take_while(|line| !line.is_empty()).collect();
    assert!(table.len() > 20, "{text}");
    let table = table.join("\n");
    assert!(readme.contains(&table), "README.md holds another table; `alexnet describe` prints\n{table}");
}
