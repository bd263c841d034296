//! Nearest neighbours: exactly those of comparing every row in f64, and codes beside them.

mod common;

use alexnet::data::Split;
use alexnet::features::{self, Features, Form, Info, Rows};
use alexnet::gpu::Profile;
use alexnet::similar::codes::Codes;
use alexnet::similar::{Neighbour, Search, squared};
use common::seeded::uniform;
use std::path::{Path, PathBuf};

fn naive(queries: &[f32], rows: &[f32], width: usize, k: usize) -> Vec<Vec<Neighbour>> {
    let nearest = |query: &[f32]| {
        let mut all: Vec<_> = (rows.chunks(width).enumerate())
            .map(|(row, values)| Neighbour { row, squared: squared(query, values) })
            .collect();
        all.sort_by(|a, b| a.squared.total_cmp(&b.squared).then(a.row.cmp(&b.row)));
        all.truncate(k);
        all
    };
    queries.chunks(width).map(nearest).collect()
}

fn noise(salt: u32, len: usize, size: f32) -> Vec<f32> {
    (0..len as u32).map(|i| uniform(&[salt, i]) as f32 * size).collect()
}

fn write(folder: &Path, width: usize, rows: &[f32]) -> PathBuf {
    let path = folder.join("features.npy");
    let count = rows.len() / width;
    let files = (0..count).map(|row| format!("{row}.png")).collect();
    let rows_of = Rows { labels: vec![0; count], files };
    let info = Info {
        format: String::new(),
        net: "tiny".to_owned(),
        layer: "fc7".to_owned(),
        shape: [width, 1, 1],
        weights: String::new(),
        source: folder.to_owned(),
        split: Split::Train,
        classes: vec!["one".to_owned()],
        class_names: None,
        rows: Rows::default(),
    };
    features::write(&path, Form::Npy, &info, count, |sink| sink.push(rows).map(|()| rows_of)).unwrap();
    path
}

/// Odd widths and counts, equal rows, rows that differ in their last bits, sizes that overflow or vanish in f32.
#[test]
fn neighbours_are_those_of_a_naive_search() {
    let _alone = common::alone();
    let folder = tempfile::tempdir().unwrap();
    for device in common::devices() {
        for (case, (width, count, queries, k)) in
            [(37, 1003, 11, 5), (1, 7, 1, 9), (256, 2000, 8, 6), (4096, 1200, 3, 6), (3, 150_000, 2, 4)]
                .into_iter()
                .enumerate()
        {
            let salt = case as u32;
            let mut rows = noise(salt, width * count, 1.0);
            // Equal rows in many places, and a cluster far from zero whose rows differ in their last bits only.
            for copy in (1..count).step_by(13) {
                rows.copy_within(0..width, copy * width);
            }
            for row in (2..count).step_by(17) {
                let near = (0..width).map(|i| 1000.0 + 1e-4 * uniform(&[row as u32, i as u32]) as f32);
                rows.splice(row * width..(row + 1) * width, near);
            }
            let mut asked = noise(100 + salt, width * queries, 1.0);
            asked[..width].fill(1000.0);
            if queries > 2 {
                asked[width..2 * width].copy_from_slice(&rows[..width]);
            }
            let features = Features::open(&write(folder.path(), width, &rows)).unwrap();
            for scale in [1.0, 1e20, 1e-20] {
                let scaled: Vec<f32> = rows.iter().map(|v| v * scale).collect();
                let asked: Vec<f32> = asked.iter().map(|v| v * scale).collect();
                let expected = naive(&asked, &scaled, width, k);
                let found = if scale == 1.0 {
                    Search::among(&device, &features, &asked, k, |_| ()).unwrap()
                } else {
                    let mut search = Search::new(&device, &asked, width, k);
                    for block in scaled.chunks(search.rows() / 3 * width) {
                        search
                            .push(|values| {
                                values.clear();
                                values.extend_from_slice(block);
                                Ok(())
                            })
                            .unwrap();
                    }
                    search.finish().unwrap()
                };
                assert!(found == expected, "{width} × {count}, scale {scale:e} on {}", device.describe());
            }
        }
    }
}

/// More queries than one binding spans.
#[test]
fn queries_may_pass_a_binding() {
    let _alone = common::alone();
    for device in common::devices() {
        let device = device.with_profile(Profile { max_binding: 256 << 10, ..device.profile.clone() });
        let (rows, queries) = (noise(1, 1000 * 64, 1.0), noise(2, 1100 * 64, 1.0));
        let mut search = Search::new(&device, &queries, 64, 2);
        for block in rows.chunks(search.rows() * 64) {
            search
                .push(|values| {
                    *values = block.to_vec();
                    Ok(())
                })
                .unwrap();
        }
        assert!(search.finish().unwrap() == naive(&queries, &rows, 64, 2), "{}", device.describe());
    }
}

#[test]
fn a_row_that_is_not_finite_is_refused() {
    let _alone = common::alone();
    for device in common::devices() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut rows = noise(1, 20 * 5, 1.0);
            rows[13 * 5 + 2] = bad;
            let mut search = Search::new(&device, &noise(2, 5, 1.0), 5, 3);
            search
                .push(|values| {
                    *values = rows;
                    Ok(())
                })
                .unwrap();
            let message = search.finish().unwrap_err().to_string();
            assert!(message.contains("row 13") && message.contains("NaN"), "{message}");
        }
    }
}

/// Twelve clusters of rows: codes find a row's cluster far more often than chance, the same after they are read again, and
/// are made anew for other features.
#[test]
fn codes_find_what_belongs_together() {
    let _alone = common::alone();
    let folder = tempfile::tempdir().unwrap();
    let (width, count, clusters) = (50, 600, 12);
    let row = |salt: u32, row: usize| -> Vec<f32> {
        let cluster = (row % clusters) as u32;
        (0..width as u32).map(|i| (uniform(&[7, cluster, i]) + 0.5 * uniform(&[salt, row as u32, i])) as f32).collect()
    };
    let rows: Vec<f32> = (0..count).flat_map(|number| row(1, number)).collect();
    let path = write(folder.path(), width, &rows);
    for device in common::devices().into_iter().take(1) {
        let features = Features::open(&path).unwrap();
        assert!(Codes::open(&device, &features, 32).unwrap().is_none());
        let made = Codes::make(&device, &features, 32, 6, &mut ()).unwrap();
        // Chance is 6 of 600.
        assert!(made.recall.by_code > 0.15 && made.recall.recall > 0.8, "{:?}", made.recall);
        assert_eq!((made.recall.k, made.recall.queries), (6, 100));
        let queries: Vec<f32> = (0..clusters).flat_map(|number| row(2, number)).collect();
        let nearest = made.nearest(&features, &queries, 6).unwrap();
        let right = nearest
            .iter()
            .enumerate()
            .flat_map(|(cluster, near)| near.iter().map(move |n| n.row % clusters == cluster));
        assert!(right.filter(|&right| right).count() > 60, "{nearest:?}");
        let exact = naive(&queries, &rows, width, 600);
        for (near, exact) in nearest.iter().zip(&exact) {
            assert!(near.iter().all(|near| exact.contains(near)) && near.is_sorted_by(|a, b| a.squared <= b.squared));
        }
        let read = Codes::open(&device, &features, 32).unwrap().unwrap();
        assert_eq!((read.recall, read.nearest(&features, &queries, 6).unwrap()), (made.recall, nearest));
        let other = Features::open(&write(folder.path(), width, &rows[..width * 500])).unwrap();
        assert!(Codes::open(&device, &other, 32).unwrap().is_none());
        let file = Codes::beside(&path, 32);
        std::fs::write(&file, b"nothing of the kind").unwrap();
        let message = Codes::open(&device, &other, 32).err().unwrap().to_string();
        assert!(message.contains("codes-32.safetensors") && message.contains("delete it"), "{message}");
    }
}
