//! Archives that are damaged, odd or changed, and the index that is kept of them.

mod common;

use alexnet::data::source::{self, Options};
use alexnet::data::{DataSet, Split, Watch};
use common::archives::{self, picture, tar, write};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

#[derive(Default)]
struct Heard(String);

impl Watch for Heard {
    fn note(&mut self, text: &str) {
        self.0 += text;
        self.0 += "\n";
    }

    fn progress(&mut self, _: &str, _: u64, _: u64) {}
}

fn open(path: &Path) -> Result<(DataSet, String), String> {
    let mut heard = Heard::default();
    let set = source::open(path, Split::Train, &Options::default(), &mut heard).map_err(|e| e.to_string())?;
    Ok((set, heard.0))
}

/// A shard of two samples in a folder of its own, and its bytes.
fn shard() -> (TempDir, Vec<u8>) {
    let root = tempfile::tempdir().unwrap();
    let bytes = tar([("0.png", picture(0)), ("0.cls", b"0".to_vec()), ("1.png", picture(1)), ("1.cls", b"1".to_vec())]);
    write(root.path().join("a.tar"), &bytes);
    (root, bytes)
}

#[test]
fn an_index_is_kept_beside_its_archive() {
    let (root, bytes) = shard();
    let path = root.path().join("a.tar");
    let kept = root.path().join(".a.tar.index");
    let (first, _) = open(&path).unwrap();
    let index = fs::read(&kept).unwrap();
    let (second, said) = open(&path).unwrap();
    assert_eq!((second.len(), second.fingerprint()), (first.len(), first.fingerprint()));
    assert!(!said.contains("made again"), "{said}");
    let again = |why: &str| {
        let (set, said) = open(&path).unwrap();
        assert!(said.contains(".a.tar.index") && said.contains(why) && said.contains("made again"), "{said}");
        let (_, said) = open(&path).unwrap();
        assert!(!said.contains("made again"), "{said}");
        set
    };
    // Another archive under the same name.
    let longer =
        tar([("0.png", picture(5)), ("0.cls", b"0".to_vec()), ("1.png", picture(6)), ("1.cls", b"1".to_vec())]);
    write(&path, longer);
    again("by size or time");
    write(&path, &bytes);
    File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(9)).unwrap();
    again("by size or time");
    // The same size and time: only the headers tell.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    write(
        &path,
        tar([("0.png", picture(0)), ("0.cls", b"1".to_vec()), ("7.png", picture(1)), ("7.cls", b"0".to_vec())]),
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), bytes.len() as u64);
    File::open(&path).unwrap().set_modified(modified).unwrap();
    assert!(again("by its headers").name(1) == b"0.png");
    for (damaged, why) in [
        (&index[..index.len() / 2], "not an index"),
        (&b"{}"[..], "not an index"),
        (&index[..index[..index.len() - 1].iter().rposition(|&b| b == b'\n').unwrap()], "3 files instead of 4"),
    ] {
        write(&path, &bytes);
        fs::write(&kept, damaged).unwrap();
        again(why);
    }
}

/// Where the folder cannot be written, the index lies in the user's cache folder. Root may write anywhere, so a folder
/// stands in the index's place.
#[test]
fn an_index_lies_in_the_cache_folder_otherwise() {
    let (root, _) = shard();
    fs::create_dir_all(root.path().join(".a.tar.index/in-the-way")).unwrap();
    let cache = root.path().join("cache");
    let run = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_alexnet"));
        let out = command
            .args(["data", "a.tar", "--net", "tiny"])
            .current_dir(root.path())
            .env("XDG_CACHE_HOME", &cache)
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    run();
    let kept: Vec<_> = fs::read_dir(cache.join("alexnet")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(kept.len() == 1 && kept[0].to_string_lossy().contains("a.tar-"), "{kept:?}");
    let before = fs::metadata(&kept[0]).unwrap().modified().unwrap();
    assert!(!run().contains("made again"));
    assert_eq!(fs::metadata(&kept[0]).unwrap().modified().unwrap(), before);
}

#[test]
fn cut_archives_are_named_wherever_they_end() {
    let (root, bytes) = shard();
    let path = root.path().join("a.tar");
    let end = bytes.len() - 1024;
    for at in (0..end).step_by(97) {
        write(&path, &bytes[..at]);
        let error = open(&path).unwrap_err();
        assert!(error.contains("a.tar"), "{at}: {error}");
        assert!(["cut short", "not a source", "no sample"].iter().any(|w| error.contains(w)), "{at}: {error}");
    }
    // Cut while it is in use: an image that cannot be read, not a signal.
    write(&path, &bytes);
    let (set, _) = open(&path).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(600).unwrap();
    let error = set.read(1, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("a.tar") && error.contains("1.png") && error.contains("cut short"), "{error}");
}

#[test]
fn damaged_headers_are_named() {
    let (root, bytes) = shard();
    let path = root.path().join("a.tar");
    let with = |change: &dyn Fn(&mut tar::Header)| {
        let mut bytes = bytes.clone();
        // The second file's header follows the first's contents.
        let at = 512 + picture(0).len().next_multiple_of(512);
        let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
        change(&mut header);
        header.set_cksum();
        bytes[at..at + 512].copy_from_slice(header.as_bytes());
        write(&path, bytes);
        open(&path).unwrap_err()
    };
    let error = with(&|h| h.set_size(u64::MAX / 2));
    assert!(error.contains("cut short") || error.contains("a size of"), "{error}");
    let error = with(&|h| h.set_size(u64::MAX - 100));
    assert!(error.contains("a size of 18446744073709551515 bytes"), "{error}");
    let error = with(&|h| h.as_old_mut().size = *b"not octal!!!");
    assert!(error.contains("a bad size"), "{error}");
    let mut spoilt = bytes.clone();
    let at = 512 + picture(0).len().next_multiple_of(512);
    spoilt[at + 5] ^= 1;
    write(&path, spoilt);
    let error = open(&path).unwrap_err();
    assert!(error.contains(&format!("no header at byte {at}")), "{error}");
}

/// What no image can be is passed over, counted and told; nothing is ever written.
#[test]
fn odd_members_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &[u8], bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    };
    let file = tar::EntryType::Regular;
    add(tar::EntryType::Directory, b"x/", b"");
    add(file, b"x/0.png", &picture(0));
    add(file, b"x/0.cls", b"0");
    add(tar::EntryType::Symlink, b"x/2.png", b"");
    add(tar::EntryType::Link, b"x/3.png", b"");
    add(tar::EntryType::Char, b"x/4.png", b"");
    add(file, b"../out.png", &picture(9));
    add(file, b"/etc/out.png", &picture(9));
    add(file, b"x/\xff.png", &picture(9));
    add(tar::EntryType::GNUSparse, b"x/5.png", b"hole");
    add(file, b"./x/1.png", &picture(1));
    add(file, b"./x/1.cls", b"1");
    let path = root.path().join("a.tar");
    write(&path, builder.into_inner().unwrap());
    let (set, said) = open(&path).unwrap();
    assert_eq!((set.len(), set.name(1)), (2, &b"1.png"[..]));
    for told in ["2 links", "1 devices", "2 names that lead out", "1 names that are not UTF-8", "1 sparse files"] {
        assert!(said.contains(&format!("a.tar: passed over {told}")), "{told}: {said}");
    }
    let (_, again) = open(&path).unwrap();
    assert_eq!(again, said, "the index remembers");
    assert!(!root.path().parent().unwrap().join("out.png").exists());
}

/// A file of 300 MB, which is no image, takes no memory; the archive is sparse on the disk.
#[test]
fn huge_members_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.tar");
    let header = |name: &str, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_cksum();
        header
    };
    let huge = 300 << 20;
    let mut file = File::create(&path).unwrap();
    file.write_all(header("huge.png", huge).as_bytes()).unwrap();
    file.seek(SeekFrom::Start(512 + huge)).unwrap();
    file.write_all(&tar([("0.png", picture(0)), ("0.cls", b"0".to_vec())])).unwrap();
    let (set, said) = open(&path).unwrap();
    assert!(set.len() == 1 && said.contains("1 files of more than 256 MiB"), "{said}");
}

#[test]
fn long_names_are_read() {
    let root = tempfile::tempdir().unwrap();
    let long = "folder/".repeat(30);
    let path = root.path().join("a.tar");
    // GNU's long name.
    write(&path, tar([(format!("{long}0.png"), picture(0)), (format!("{long}0.cls"), b"0".to_vec())]));
    assert_eq!(open(&path).unwrap().0.path(0), path.join(format!("{long}0.png")));
    // POSIX's extended header, as Python's tarfile writes it.
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in [("1.png", picture(1)), ("1.cls", b"0".to_vec())] {
        let name = format!("{long}{name}");
        builder.append_pax_extensions([("path", name.as_bytes()), ("mtime", b"1.5")]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_path("short").unwrap();
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, &bytes[..]).unwrap();
    }
    write(&path, builder.into_inner().unwrap());
    assert_eq!(open(&path).unwrap().0.path(0), path.join(format!("{long}1.png")));
}

/// Ten megabytes of zeros in some kilobytes: the kit is read up to a bound, and what it lacks is named.
#[test]
fn a_gzip_bomb_is_bounded() {
    let root = tempfile::tempdir().unwrap();
    archives::ilsvrc2012(root.path());
    let bomb = archives::gzip(&tar([
        ("ILSVRC2012_devkit_t12/readme.txt", b"words".to_vec()),
        ("ILSVRC2012_devkit_t12/data/meta.mat", vec![0; 100 << 20]),
    ]));
    assert!(bomb.len() < 1 << 20);
    write(root.path().join("ILSVRC2012_devkit_t12.tar.gz"), bomb);
    let error = DataSet::open(root.path(), Split::Val).unwrap_err().to_string();
    assert!(error.contains("meta.mat has 104857600 bytes"), "{error}");
}
