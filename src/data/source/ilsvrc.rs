//! ILSVRC as it is downloaded: archives read in place, 2012's and 2010's.
//!
//! `ILSVRC2012_img_train.tar` is a tar of 1,000 tars named by WordNet id (or those lie in a folder),
//! `ILSVRC2012_img_val.tar` 50,000 images in a row, whose classes the development kit tells. ILSVRC 2010 is the same with
//! a test set whose ground truth is a file of its own, and `patch_images.tar`, whose images replace bad ones.

use super::archive::{Member, Members};
use super::archived::{Archive, Archived, Image, file_name};
use super::content::{self, Content, Ilsvrc};
use super::devkit::{Devkit, is_wnid, names, year};
use super::{DataSet, Split, Watch, index, stem};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the parts are found, for messages.
const DOWNLOAD: &str = "image-net.org/download-images, after logging in";

/// The archives of a folder.
#[derive(Debug, Default)]
pub(super) struct Parts {
    root: PathBuf,
    /// One tar of tars, or a tar a class.
    train: Vec<PathBuf>,
    val: Vec<PathBuf>,
    test: Vec<PathBuf>,
    patch: Vec<PathBuf>,
    kits: Vec<PathBuf>,
}

impl Parts {
    /// What of ILSVRC lies in a folder, given its files; `None` where no archive is of it.
    pub fn find(root: &Path, files: &[(PathBuf, Content)]) -> Result<Option<Self>> {
        let mut parts = Self { root: root.to_owned(), ..Self::default() };
        parts.add(files);
        for inner in ["train", "ILSVRC2012_img_train", "ILSVRC2010_images_train"] {
            let folder = root.join(inner);
            // Thousands of loose images there are class folders, not archives: a look at the names is enough.
            let archives = || super::folder::entries(&folder).map(|e| e.iter().any(|p| is_class_archive(p)));
            if parts.train.is_empty() && folder.is_dir() && archives()? {
                parts.add(&content::files(&folder)?);
            }
        }
        parts.kits.extend(super::folder::entries(root)?.into_iter().filter(|p| p.join("data/meta.mat").is_file()));
        let none = parts.train.is_empty() && parts.val.is_empty() && parts.test.is_empty();
        Ok((!none).then_some(parts))
    }

    /// Whether a file is one of ILSVRC's archives.
    pub fn has(path: &Path, content: &Content) -> bool {
        match content.ilsvrc() {
            Some(Ilsvrc::Class) => is_class_archive(path),
            other => other.is_some() || content.is_devkit(),
        }
    }

    fn add(&mut self, files: &[(PathBuf, Content)]) {
        for (path, content) in files {
            match content.ilsvrc() {
                Some(Ilsvrc::Train) => self.train.push(path.clone()),
                Some(Ilsvrc::Class) if is_class_archive(path) => self.train.push(path.clone()),
                Some(Ilsvrc::Val) => self.val.push(path.clone()),
                Some(Ilsvrc::Test) => self.test.push(path.clone()),
                Some(Ilsvrc::Patch) => self.patch.push(path.clone()),
                _ if content.is_devkit() => self.kits.push(path.clone()),
                _ => {}
            }
        }
    }

    /// The images of one split.
    pub fn open(&self, split: Split, watch: &mut dyn Watch) -> Result<DataSet> {
        match split {
            Split::Train => self.open_train(watch),
            Split::Val => self.open_held_out(split, &self.val, watch),
            Split::Test => self.open_held_out(split, &self.test, watch),
        }
    }

    fn open_train(&self, watch: &mut dyn Watch) -> Result<DataSet> {
        if self.train.is_empty() {
            return Err(self.error(format!(
                "no training archive in it; expected ILSVRC2012_img_train.tar (138 GB, from {DOWNLOAD}) or the tars that \
                 it holds"
            )));
        }
        let mut store = Archived::default();
        for path in &self.train {
            store.add(path, indexed(path, watch)?);
        }
        let mut classes = BTreeSet::new();
        for archive in &store.archives {
            for member in archive.members.iter() {
                let class = class_in(archive, member);
                if !is_wnid(class) {
                    let why = format!("{} in it; expected tars named by WordNet id, as n01440764.tar", member.name);
                    return Err(Error::Data { path: archive.path.clone(), why });
                }
                if !classes.contains(class) {
                    classes.insert(class.to_owned());
                }
            }
        }
        let classes: Vec<String> = classes.into_iter().collect();
        for image in &mut store.images {
            let archive = &store.archives[image.archive as usize];
            let class = class_in(archive, archive.members.get(image.member as usize));
            image.class = classes.binary_search_by(|c| c.as_str().cmp(class)).expect("every class is listed") as u32;
        }
        self.patch(&mut store, Split::Train, watch)?;
        let kit = self.kit(self.train.first())?;
        if let Some(kit) = &kit {
            kit.ensure_known(&classes, &self.train[0])?;
        }
        let class_names = kit.and_then(|kit| names(&classes, &kit.words));
        Ok(self.set(Split::Train, classes, class_names, store))
    }

    fn open_held_out(&self, split: Split, archives: &[PathBuf], watch: &mut dyn Watch) -> Result<DataSet> {
        let Some(path) = archives.first() else {
            return Err(self.error(format!(
                "no archive of {} images in it; expected ILSVRC2012_img_{}.tar, from {DOWNLOAD}",
                split.name(),
                split.name()
            )));
        };
        let kit = self.kit(Some(path))?.ok_or_else(|| {
            self.error(format!(
                "no development kit in it, which says what class each {} image has; expected ILSVRC2012_devkit_t12.tar.gz \
                 (2.5 MB), \"Development kit (Task 1 & 2)\" at {DOWNLOAD}",
                split.name()
            ))
        })?;
        let mut store = Archived::default();
        store.add(path, indexed(path, watch)?);
        let truth = match split {
            Split::Test => kit.ground_truth(&self.test_truth(path)?, store.images.len())?,
            _ => kit.validation(store.images.len())?,
        };
        let classes = kit.classes();
        for place in 0..store.images.len() {
            let class =
                class_of(store.member(place).name, &truth).map_err(|why| Error::Data { path: path.clone(), why })?;
            let class = classes.binary_search_by(|c| c.as_str().cmp(class)).expect("a leaf is a class");
            store.images[place].class = class as u32;
        }
        self.patch(&mut store, split, watch)?;
        Ok(self.set(split, classes, Some(kit.class_names()), store))
    }

    fn set(&self, split: Split, classes: Vec<String>, names: Option<Vec<String>>, store: Archived) -> DataSet {
        let year = self.train.iter().chain(&self.val).chain(&self.test).find_map(|p| year(&p.to_string_lossy()));
        let kind = year.map_or("ILSVRC archives".to_owned(), |year| format!("ILSVRC {year} archives"));
        let set = DataSet::new(&self.root, split, &kind, classes, Arc::new(store));
        DataSet { class_names: names, ..set }
    }

    /// The development kit, that of the archive's year where there are several.
    fn kit(&self, archive: Option<&PathBuf>) -> Result<Option<Devkit>> {
        let wanted = archive.and_then(|path| year(&path.file_name()?.to_string_lossy()));
        let mut kits = self.kits.iter().map(|path| Devkit::open(path)).collect::<Result<Vec<_>>>()?;
        if let Some(place) = kits.iter().position(|kit| wanted.is_none_or(|year| kit.year == year)) {
            return Ok(Some(kits.swap_remove(place)));
        }
        match (kits.first(), wanted) {
            (Some(kit), Some(wanted)) => Err(Error::Data {
                path: kit.path.clone(),
                why: format!(
                    "the development kit of {}, but the images are of {wanted}; put that year's kit there, from {DOWNLOAD}",
                    kit.year
                ),
            }),
            _ => Ok(None),
        }
    }

    fn test_truth(&self, archive: &Path) -> Result<PathBuf> {
        let found = super::folder::entries(&self.root)?.into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.contains("test_ground_truth") && name.ends_with(".txt")
        });
        found.ok_or_else(|| Error::Data {
            path: archive.to_owned(),
            why: format!(
                "the classes of its images are not known; expected ILSVRC2010_test_ground_truth.txt beside it, from \
                 {DOWNLOAD} (other years' are not published)"
            ),
        })
    }

    /// Puts the images of `patch_images.tar` in the place of those of the same name.
    fn patch(&self, store: &mut Archived, split: Split, watch: &mut dyn Watch) -> Result<()> {
        for path in &self.patch {
            let members = indexed(path, watch)?;
            let mut patches = HashMap::new();
            for (place, member) in members.iter().enumerate() {
                let mut folders = member.name.rsplit('/');
                let name = folders.next().unwrap_or_default();
                if folders.next() == Some(split.name()) {
                    patches.insert(name, place as u32);
                }
            }
            let archive = store.archives.len() as u32;
            let mut replaced = 0;
            for place in 0..store.images.len() {
                if let Some(member) = patches.remove(file_name(store.member(place).name)) {
                    store.images[place] = Image { class: store.images[place].class, archive, member };
                    replaced += 1;
                }
            }
            store.archives.push(Archive { path: path.clone(), members });
            watch.note(&format!("{}: replaces {replaced} {} images", path.display(), split.name()));
        }
        Ok(())
    }

    fn error(&self, why: String) -> Error {
        Error::Data { path: self.root.clone(), why }
    }
}

/// The files of an archive through its index; what was passed over is told.
pub(super) fn indexed(path: &Path, watch: &mut dyn Watch) -> Result<Members> {
    let index = index::open(path, watch)?;
    for (kind, count) in &index.odd {
        watch.note(&format!("{}: passed over {count} {kind}", path.display()));
    }
    Ok(index.members)
}

/// The class of a training image: the name of its archive, or of the archive within it.
fn class_in<'a>(archive: &'a Archive, member: Member<'a>) -> &'a str {
    let own = archive.path.file_stem().and_then(|stem| stem.to_str());
    own.filter(|own| is_wnid(own)).unwrap_or_else(|| member.name.split('/').next().unwrap_or_default())
}

/// The class of a held-out image, whose name ends with its number from 1.
pub(super) fn class_of<'a>(name: &str, truth: &[&'a str]) -> Result<&'a str, String> {
    let own = String::from_utf8_lossy(stem(file_name(name).as_bytes())).into_owned();
    let number = own.rsplit('_').next().and_then(|digits| digits.parse::<usize>().ok());
    let class = number.and_then(|number| truth.get(number.checked_sub(1)?));
    class.copied().ok_or_else(|| {
        format!(
            "{name}: expected a name that ends with a number from 1 to {}, as ILSVRC2012_val_00000001.JPEG",
            truth.len()
        )
    })
}

/// Whether a file is named as the tar of one class is.
fn is_class_archive(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "tar") && is_wnid(&path.file_stem().unwrap_or_default().to_string_lossy())
}
