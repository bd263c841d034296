//! Small archives in the forms that ImageNet comes in.

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use image::{Rgb, RgbImage};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

/// A small PNG that no other number has.
pub fn picture(number: usize) -> Vec<u8> {
    let image = RgbImage::from_fn(8, 8, |x, y| {
        let mixed = alexnet::random::hash(&[number as u32, x, y]);
        Rgb([number as u8, mixed as u8, (mixed >> 8) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A tar archive of these files.
pub fn tar<N: AsRef<str>, B: AsRef<[u8]>>(files: impl IntoIterator<Item = (N, B)>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.as_ref().len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name.as_ref(), bytes.as_ref()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The classes of the small ILSVRC, by WordNet id, with their numbers in the kit: another order, as in the true one.
pub const SYNSETS: [(u32, &str, &str); 3] =
    [(3, "n01440764", "tench, Tinca tinca"), (1, "n02105855", "sheepdog"), (2, "n07714990", "broccoli")];
/// The classes of the validation images, in their order.
pub const TRUTH: [&str; 5] = ["n07714990", "n01440764", "n01440764", "n02105855", "n07714990"];

/// `meta.mat` with an inner node among the leaves; compressed, as MATLAB writes it, or not.
pub fn meta_mat(year: u32, compressed: bool) -> Vec<u8> {
    let mut rows: Vec<(u32, &str, &str, u32)> = SYNSETS.iter().map(|&(id, wnid, words)| (id, wnid, words, 0)).collect();
    // Leaves come first, then inner nodes; MATLAB keeps them in the order of the ids.
    rows.sort_unstable();
    rows.push((4, "n00001740", "entity", 3));
    let mut array = Vec::new();
    element(&mut array, 6, &[[2u8, 0, 0, 0], [0; 4]].concat());
    element(&mut array, 5, &[(rows.len() as i32).to_le_bytes(), 1i32.to_le_bytes()].concat());
    element(&mut array, 1, b"synsets");
    let names = [&*format!("ILSVRC{year}_ID"), "WNID", "words", "gloss", "num_children", "children"];
    element(&mut array, 5, &32i32.to_le_bytes());
    let padded = |name: &&str| [name.as_bytes(), &vec![0; 32 - name.len()]].concat();
    element(&mut array, 1, &names.iter().flat_map(padded).collect::<Vec<u8>>());
    for (id, wnid, words, children) in rows {
        number(&mut array, id as u8);
        text(&mut array, wnid);
        text(&mut array, words);
        text(&mut array, "what a gloss says");
        number(&mut array, children as u8);
        // An empty array, as a leaf's children are.
        element(&mut array, 14, &[]);
    }
    let mut file = vec![b' '; 128];
    file[124..].copy_from_slice(&[0, 1, b'I', b'M']);
    let mut matrix = Vec::new();
    element(&mut matrix, 14, &array);
    if compressed {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&matrix).unwrap();
        let packed = encoder.finish().unwrap();
        file.extend(15u32.to_le_bytes());
        file.extend((packed.len() as u32).to_le_bytes());
        file.extend(packed);
    } else {
        file.extend(matrix);
    }
    file
}

/// An element of MATLAB's format 5: short where it may be.
fn element(out: &mut Vec<u8>, kind: u32, data: &[u8]) {
    if (1..=4).contains(&data.len()) {
        out.extend((kind | (data.len() as u32) << 16).to_le_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(4) + (4 - data.len()) / 4 * 4, 0);
        out.resize(out.len().next_multiple_of(8), 0);
        return;
    }
    out.extend(kind.to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out.resize(out.len().next_multiple_of(8), 0);
}

fn field(out: &mut Vec<u8>, class: u8, count: usize, kind: u32, data: &[u8]) {
    let mut array = Vec::new();
    element(&mut array, 6, &[class, 0, 0, 0, 0, 0, 0, 0]);
    element(&mut array, 5, &[1i32.to_le_bytes(), (count as i32).to_le_bytes()].concat());
    element(&mut array, 1, &[]);
    element(&mut array, kind, data);
    element(out, 14, &array);
}

fn number(out: &mut Vec<u8>, value: u8) {
    // A double whose value is small is stored as a byte.
    field(out, 6, 1, 2, &[value]);
}

fn text(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    field(out, 4, text.len(), 4, &units);
}

/// A development kit, by the folder in its archive and the year.
pub fn devkit(folder: &str, year: u32, compressed: bool, truth: &[&str]) -> Vec<u8> {
    gzip(&tar([
        (format!("{folder}/readme.txt"), b"what is in it".to_vec()),
        (format!("{folder}/data/meta.mat"), meta_mat(year, compressed)),
        (format!("{folder}/data/ILSVRC{year}_validation_ground_truth.txt"), ground_truth(truth).into_bytes()),
    ]))
}

/// A line an image: its class's number in the kit.
pub fn ground_truth(truth: &[&str]) -> String {
    let id = |wnid: &&str| SYNSETS.iter().find(|s| s.1 == *wnid).unwrap().0;
    truth.iter().map(|wnid| format!("{}\n", id(wnid))).collect()
}

/// Name and bytes of the training images of a class, by its place.
pub fn images_of(class: usize) -> Vec<(String, Vec<u8>)> {
    let wnid = SYNSETS[class].1;
    // Not in the order of their names, and a number of digits that byte order turns around.
    [2, 10, 7, 31].map(|n| (format!("{wnid}_{n}.JPEG"), picture(100 * class + n))).to_vec()
}

/// Name and bytes of the validation images, in their order.
pub fn validation(year: u32) -> Vec<(String, Vec<u8>)> {
    (0..TRUTH.len()).map(|n| (format!("ILSVRC{year}_val_{:08}.JPEG", n + 1), picture(200 + n))).collect()
}

/// The archives of ILSVRC 2012 in `root`; those of the validation images are not in the order of their names.
pub fn ilsvrc2012(root: &Path) {
    let class = |class: usize| (format!("{}.tar", SYNSETS[class].1), tar(images_of(class)));
    write(root.join("ILSVRC2012_img_train.tar"), tar([1, 0, 2].map(class)));
    write(root.join("ILSVRC2012_img_val.tar"), tar(validation(2012).into_iter().rev()));
    write(root.join("ILSVRC2012_devkit_t12.tar.gz"), devkit("ILSVRC2012_devkit_t12", 2012, true, &TRUTH));
}

/// The same images as class folders.
pub fn folders(root: &Path) {
    for (class, (_, wnid, _)) in SYNSETS.iter().enumerate() {
        for (name, bytes) in images_of(class) {
            write(root.join("train").join(wnid).join(name), bytes);
        }
    }
    for (wnid, (name, bytes)) in TRUTH.iter().zip(validation(2012)) {
        write(root.join("val").join(wnid).join(name), bytes);
    }
}

/// The same images as shards of two or three samples, labels by number in `.cls`.
pub fn webdataset(root: &Path) {
    let number = |wnid: &str| SYNSETS.iter().position(|s| s.1 == wnid).unwrap();
    let train = (0..SYNSETS.len()).flat_map(|c| images_of(c).into_iter().map(move |image| (c, image)));
    let val = TRUTH.iter().map(|wnid| number(wnid)).zip(validation(2012));
    for (split, mut samples) in [("train", train.collect::<Vec<_>>()), ("val", val.collect())] {
        // Another order than the canonical one.
        samples.reverse();
        for (shard, samples) in samples.chunks(5).enumerate() {
            let files = samples.iter().flat_map(|(class, (name, bytes))| {
                let key = name.trim_end_matches(".JPEG");
                [(format!("{key}.png"), bytes.clone()), (format!("{key}.cls"), class.to_string().into_bytes())]
            });
            write(root.join(format!("{split}-{shard:03}.tar")), tar(files));
        }
    }
    write(root.join("classes.json"), serde_json::to_string(&SYNSETS.map(|s| s.1)).unwrap());
}
