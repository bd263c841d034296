//! Whether archives are those that were published, by their MD5 sums.

use crate::data::source::{Watch, entries};
use crate::error::{Error, Result};
use md5::{Digest, Md5};
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Names and sums as image-net.org publishes them.
const PUBLISHED: [(&str, &str); 3] = [
    ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
];

/// Compares the archives of a folder, or one archive; `say` gets a line for each, and whether it is as published.
///
/// # Errors
/// [`Error::Data`] where none of them is there; a file that cannot be read; what `say` returns.
pub fn archives<E: From<Error>>(
    source: &Path,
    watch: &mut dyn Watch,
    mut say: impl FnMut(&str, bool) -> Result<(), E>,
) -> Result<(), E> {
    let files = if source.is_dir() { entries(source)? } else { vec![source.to_owned()] };
    let mut any = false;
    for (path, sum) in files.iter().filter_map(|path| Some((path, published(path)?))) {
        any = true;
        let own = md5(path, watch)?;
        let good = own == sum;
        let words = if good {
            "as published".to_owned()
        } else {
            format!("MD5 {own}, but {sum} was published; copy or download it again")
        };
        say(&format!("{}: {words}", path.display()), good)?;
    }
    if any {
        return Ok(());
    }
    let names = PUBLISHED.map(|(name, _)| name).join(", ");
    Err(Error::Data { path: source.to_owned(), why: format!("no archive with a published sum in it: {names}") }.into())
}

fn published(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?;
    PUBLISHED.iter().find(|(known, _)| name == *known).map(|(_, sum)| *sum)
}

fn md5(path: &Path, watch: &mut dyn Watch) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let all = file.metadata().map_err(Error::io(path))?.len();
    let (mut digest, mut done, mut buffer) = (Md5::new(), 0, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).map_err(Error::io(path))?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        done += read as u64;
        watch.progress(&format!("{}: {} of {} MB", path.display(), done >> 20, all >> 20), done, all);
    }
    Ok(digest.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
