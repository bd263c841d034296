//! Stand-ins for modules that others write at the same time; this file goes when they are merged.
#![allow(missing_docs, unused_variables, clippy::all, clippy::todo, reason = "stand-ins")]

pub mod synth {
    use crate::error::{Error, Result};
    use std::path::Path;
    pub struct Synth {
        pub classes: usize,
        pub train: usize,
        pub val: usize,
        pub seed: u64,
    }
    pub fn generate(dir: &Path, settings: Synth, mut progress: impl FnMut(usize, usize)) -> Result<()> {
        if !(2..=10).contains(&settings.classes) {
            return Err(Error::Usage(format!("--classes {}: 2 to 10", settings.classes)));
        }
        for (split, count) in [("train", settings.train), ("val", settings.val)] {
            for class in 0..settings.classes {
                let folder = dir.join(split).join(format!("class{class}"));
                std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
                for i in 0..count {
                    let h = crate::random::hash(&[settings.seed as u32, class as u32, i as u32, count as u32]);
                    let image = image::RgbImage::from_fn(100 + h % 20, 90, |x, y| {
                        let noise = (crate::random::hash(&[h, x / 3, y / 3]) % 60) as u8;
                        let mut p = [noise; 3];
                        p[class % 3] = noise + 100 + (h % 50) as u8;
                        image::Rgb(p)
                    });
                    image.save(folder.join(format!("{i:04}.jpg"))).unwrap();
                    progress(i, count);
                }
            }
        }
        Ok(())
    }
}
