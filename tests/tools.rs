//! `features`, `similar` and `show` as they are typed.

mod common;

use common::binary::{alexnet, done, fails, succeed};
use image::RgbImage;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard};
use tempfile::TempDir;

/// A folder with the data set `data` and the run `run`, used by one test at a time.
fn trained() -> (PathBuf, MutexGuard<'static, ()>) {
    static LOCK: Mutex<()> = Mutex::new(());
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        done(folder.path(), &["synth", "data", "--classes", "3", "--train", "12", "--val", "4"]);
        let train = ["train", "data", "--net", "tiny", "--batch", "8", "--steps", "12", "--run", "run"];
        done(folder.path(), &train);
        folder
    });
    let alone = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    (FOLDER.path().to_owned(), alone)
}

fn classes(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("data/train")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn image(folder: &Path, split: &str, class: usize, place: usize) -> String {
    let class = format!("data/{split}/{}", classes(folder)[class]);
    let mut names: Vec<_> =
        fs::read_dir(folder.join(&class)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    format!("{class}/{}", names[place])
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn picture(path: &Path) -> RgbImage {
    image::open(path).unwrap().to_rgb8()
}

#[test]
fn features_of_both_forms_are_the_same_and_neighbours_are_found_in_them() {
    let (folder, _alone) = trained();
    let said = done(&folder, &["features", "run", "data", "f.npy"]);
    assert_eq!(said, "f.npy: 36 images, 256 values each: fc7 of tiny\n");
    done(&folder, &["features", "run", "data", "f.safetensors", "--layer", "fc7", "--batch", "7", "--workers", "1"]);
    let (npy, safetensors) = (fs::read(folder.join("f.npy")).unwrap(), fs::read(folder.join("f.safetensors")).unwrap());
    let file = safetensors::SafeTensors::deserialize(&safetensors).unwrap();
    assert_eq!(file.tensor("features").unwrap().data(), &npy[128..]);
    let files: Vec<String> = serde_json::from_slice(file.tensor("files").unwrap().data()).unwrap();
    assert_eq!((files.len(), format!("data/{}", files[13])), (36, image(&folder, "train", 1, 1)));

    // An image of the set is its own nearest neighbour, and every way to look says the same.
    let queries = [image(&folder, "train", 1, 1), image(&folder, "train", 2, 5)];
    let similar = |within: &str| {
        done(&folder, &["similar", "run", &queries[0], &queries[1], "--in", within, "--k", "4", "--json"])
    };
    let found = similar("f.npy");
    assert_eq!((&found, &found), (&similar("f.safetensors"), &similar("data")));
    for (answer, query) in lines(&found).iter().zip(&queries) {
        assert_eq!(answer["image"], **query);
        let near = answer["neighbours"].as_array().unwrap();
        let distances: Vec<f64> = near.iter().map(|near| near["distance"].as_f64().unwrap()).collect();
        assert!(distances.len() == 4 && distances[0] < 1e-2 && distances.is_sorted(), "{distances:?}");
        assert!(near[0]["file"].as_str().unwrap().ends_with(query.as_str()), "{near:?}");
        assert_eq!(near[0]["class"], *query.split('/').nth(2).unwrap());
    }
    let words = done(&folder, &["similar", "run", &queries[0], "--in", "f.npy", "--png", "near.png"]);
    assert!(words.starts_with(&format!("{}:\n    1 ", queries[0])) && words.lines().count() == 7, "{words}");
    // Seven images of 130 units in a row, the first apart: query and nearest neighbour show the same.
    let near = picture(&folder.join("near.png"));
    let at = |x: u32| (0..100).map(|i| *near.get_pixel(x + i, 32 + 2 * i)).collect::<Vec<_>>();
    assert_eq!(at(32), at(32 + 260 + 68));
    assert_ne!(at(32), at(32 + 2 * 260 + 68 + 24));

    let of_codes = |words: &[&str]| done(&folder, &[&["similar", "run", &queries[0], "--in", "f.npy"], words].concat());
    let coded = of_codes(&["--codes", "16", "--k", "3"]);
    assert!(coded.starts_with("recall@3 ") && coded.contains("36 rows of the features"), "{coded}");
    assert_eq!(of_codes(&["--codes", "16", "--k", "3"]), coded);
    assert_eq!(lines(&of_codes(&["--codes", "16", "--json"]))[0]["recall"]["k"], 3);
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let (folder, _alone) = trained();
    let query = image(&folder, "val", 0, 0);
    fails(&folder, &["features", "run", "data", "f.txt"], 2, &[".safetensors or .npy"]);
    fails(&folder, &["features", "run", "data", "x.npy", "--layer", "fc9"], 2, &["no layer `fc9`", "conv1, relu1"]);
    fails(&folder, &["features", "run", "none", "x.npy"], 1, &["none"]);
    assert!(!folder.join("x.npy").exists() && !folder.join("x.json").exists());
    let similar = |within: &str, more: &[&str], code, parts: &[&str]| {
        fails(&folder, &[&["similar", "run", &query, "--in", within], more].concat(), code, parts);
    };
    done(&folder, &["features", "run", "data", "g.npy", "--split", "val", "--layer", "pool5"]);
    similar("g.npy", &["--layer", "fc7"], 2, &["--layer fc7", "are of pool5"]);
    similar("data", &["--codes", "16"], 2, &["--codes", "alexnet features"]);
    similar("g.npy", &["--codes", "12"], 2, &["multiple of 8"]);
    similar("none.npy", &[], 1, &["none.npy"]);
    fails(&folder, &["similar", "run", "none.png", "--in", "g.npy"], 1, &["none.png"]);
    let info: Value = serde_json::from_slice(&fs::read(folder.join("g.json")).unwrap()).unwrap();
    assert_eq!((&info["shape"], info["labels"].as_array().unwrap().len()), (&serde_json::json!([64, 3, 3]), 12));
    for (field, value, part) in [
        ("net", serde_json::json!("alexnet"), "of net `alexnet`"),
        ("classes", serde_json::json!(["a", "b", "c", "d"]), "of 4 other classes than the 3"),
        ("source", serde_json::json!("/elsewhere"), "of other weights"),
    ] {
        let mut other = info.clone();
        other[field] = value;
        other["weights"] = "sha256:00".into();
        fs::write(folder.join("g.json"), other.to_string()).unwrap();
        similar("g.npy", &[], 1, &["g.npy", part, "alexnet features"]);
    }
    // An image that cannot be read has no row, and is named.
    let copy = folder.join("bad/train");
    for class in classes(&folder).iter().take(2) {
        fs::create_dir_all(copy.join(class)).unwrap();
        fs::copy(folder.join(image(&folder, "train", 0, 0)), copy.join(class).join("b.jpg")).unwrap();
    }
    fs::write(copy.join(&classes(&folder)[0]).join("a.jpg"), "no picture").unwrap();
    let (out, notes) = succeed(alexnet(&folder, "features run bad b.npy"));
    assert_eq!(out, "b.npy: 2 images, 256 values each: fc7 of tiny\n");
    assert!(notes.contains("a.jpg"));
}

#[test]
fn pictures_show_predictions_maps_and_confusion() {
    let (folder, _alone) = trained();
    let images = [image(&folder, "val", 0, 0), image(&folder, "val", 1, 0)];
    done(&folder, &["show", "run", &images[0], &images[1], "p.png"]);
    let shown = picture(&folder.join("p.png"));
    // Two images of 200 units with a line of text and a bar for each of three classes, twice as many pixels.
    assert_eq!(shown.dimensions(), (2 * (2 * 16 + 2 * 200 + 12), 2 * (2 * 16 + 200 + 20 + 3 * 22 + 6)));
    let marked = |path: &str| {
        let pixels = picture(&folder.join(path));
        pixels.pixels().filter(|p| p.0 == [0xf0, 0xa0, 0x70]).count()
    };
    // The folder's name marks the right class; labels mark others; without either nothing is marked.
    assert!(marked("p.png") > 100);
    let names = classes(&folder);
    fs::write(folder.join("labels.txt"), format!("{}\n{}\n", names[2], names[2])).unwrap();
    done(&folder, &["show", "run", &images[0], &images[1], "q.png", "--labels", "labels.txt"]);
    assert!(
        marked("q.png") > 100 && fs::read(folder.join("p.png")).unwrap() != fs::read(folder.join("q.png")).unwrap()
    );
    fs::copy(folder.join(&images[0]), folder.join("free.jpg")).unwrap();
    done(&folder, &["show", "run", "free.jpg", "r.png"]);
    assert_eq!(marked("r.png"), 0);

    done(&folder, &["show", "run", &images[0], "m.png", "--layer", "conv1"]);
    let maps = picture(&folder.join("m.png"));
    assert!(maps.width() > 1800 && maps.pixels().any(|p| p.0 == [255; 3]), "{:?}", maps.dimensions());
    done(&folder, &["show", "run", &images[0], "l.svg", "--layer", "loss"]);
    assert!(fs::read_to_string(folder.join("l.svg")).unwrap().starts_with("<svg"));

    let said = done(&folder, &["show", "run", "data", "c.png", "--confusion", "--json"]);
    let (last, counts) = said.trim_end().rsplit_once('\n').map(|(counts, last)| (last, lines(counts))).unwrap();
    assert_eq!((last, counts.len()), ("c.png", 3));
    for (line, class) in counts.iter().zip(&names) {
        let found: u64 = line["found"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap()).sum();
        assert_eq!((&line["class"], line["images"].as_u64(), found), (&Value::from(class.as_str()), Some(4), 4));
    }
    assert!(picture(&folder.join("c.png")).width() > 300);

    let show = |words: &[&str], code, parts: &[&str]| fails(&folder, &[&["show", "run"], words].concat(), code, parts);
    show(&[&images[0], "p.gif"], 2, &["p.gif", ".png or .svg"]);
    show(&[&images[0]], 2, &["OUT.png"]);
    show(&[&images[0], &images[1], "x.png", "--layer", "conv1"], 2, &["--layer", "draws one, 2 were named"]);
    show(&[&images[0], "x.png", "--layer", "conv9"], 2, &["no layer `conv9`"]);
    show(&["none.png", "x.png"], 1, &["none.png"]);
    show(&[&images[0], "x.png", "--labels", "labels.txt"], 1, &["labels.txt", "2 lines", "1 images"]);
    fs::write(folder.join("labels.txt"), "nobody\n").unwrap();
    show(&[&images[0], "x.png", "--labels", "labels.txt"], 1, &["labels.txt", "`nobody` is none of the 3 classes"]);
    assert!(!folder.join("x.png").exists());
}
