//! Choosing variants by measurement: `alexnet tune` measures and writes a cache, everything else only reads it.
//!
//! For each row of a network and each product of it, every variant that fits is compared with the reference first and
//! then timed, on the row's own shapes and batch. What is compared: the f64 reference of the first and the last image of
//! the batch, beside the variant's y and dx of these images and its dw where all other images have dy = 0. A variant that
//! does not compile or differs by more than its tolerance is named, kept in the cache as such, and never chosen. A busy
//! machine can so make the choice a slow one, never a wrong one.

mod cache;
mod trial;

pub use cache::{Cache, Measured, Trial, folder};
pub use trial::Event;

use crate::cases::Case;
use crate::error::{Error, Result};
use crate::gpu::Device;
use crate::net::Net;
use crate::plan::Plan;
use crate::products::{Choices, Precision, Product, Window};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use trial::measure;

/// One row with products, as the plan runs it.
#[derive(Clone, Debug)]
pub struct Task {
    /// The row; as many images as the device holds.
    pub case: Case,
    /// Its extents.
    pub window: Window,
    /// The products it runs: the row that reads the image has no dx.
    pub products: Vec<Product>,
}

/// The rows of `net` whose products a batch of `batch` images (padding included) runs, each window once.
pub fn tasks(net: &Net, batch: usize) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for (i, row) in net.rows.iter().enumerate() {
        if !row.layer.has_products() {
            continue;
        }
        let window = Window::of(&row.layer, row.x, row.y, batch);
        let mut products = Product::ALL.to_vec();
        products.retain(|&product| i > 0 || product != Product::BackwardData);
        let case = Case { name: row.name.to_owned(), layer: row.layer, x: row.x, images: batch, relu: false };
        match tasks.iter_mut().find(|task| task.window == window) {
            Some(task) if task.products.len() < products.len() => task.products = products,
            Some(_) => {}
            None => tasks.push(Task { case, window, products }),
        }
    }
    tasks
}

/// How far [`tune`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is measured.
    Finished,
    /// Stopped, or out of time: this many rows have something left to measure.
    Left(usize),
}

/// Measures what `cache` does not hold yet, the rows with the most arithmetic first, and writes the cache after each
/// product. Stops at `deadline`, or once `stop` says so.
///
/// # Errors
/// The device was lost, or the cache cannot be written; what was measured before is kept.
pub fn tune(
    device: &Arc<Device>,
    tasks: &[Task],
    cache: &mut Cache,
    deadline: Instant,
    stop: &dyn Fn() -> bool,
    mut each: impl FnMut(&Task, Event),
) -> Result<End> {
    let mut open = left(tasks, cache);
    open.sort_by_key(|task| std::cmp::Reverse(task.window.multiply_adds()));
    let stops = || stop() || Instant::now() >= deadline;
    for task in &open {
        if stops() {
            break;
        }
        measure(device, task, &stops, &mut |event| each(task, event), |measured| cache.put(measured))?;
    }
    Ok(match left(tasks, cache).len() {
        0 => End::Finished,
        rows => End::Left(rows),
    })
}

/// The tasks with products that `cache` does not hold, and these products.
pub fn left(tasks: &[Task], cache: &Cache) -> Vec<Task> {
    let open = |task: &Task| {
        let mut task = task.clone();
        task.products.retain(|&product| cache.get(product, &task.window).is_none());
        (!task.products.is_empty()).then_some(task)
    };
    tasks.iter().filter_map(open).collect()
}

/// What decides the variants of a command that does not measure.
#[derive(Clone, Copy, Debug, Default)]
pub struct How<'a> {
    /// `--cache`.
    pub cache: Option<&'a Path>,
    /// `--exact`: only variants that compute the products as they are defined, in f32.
    pub exact: bool,
    /// `--precision`.
    pub precision: Precision,
    /// `--adapters`.
    pub adapters: Option<&'a str>,
}

/// The command that measures for a step of `images` images.
fn command(net: &Net, images: usize, accumulate: usize, how: How) -> String {
    let mut text = format!("alexnet tune --net {} --batch {images} --classes {}", net.table, net.classes);
    if accumulate > 1 {
        text += &format!(" --accumulate {accumulate}");
    }
    if how.precision == Precision::Mixed {
        text += " --precision mixed";
    }
    text += &how.adapters.map_or_else(String::new, |list| format!(" --adapters {list}"));
    text + &how.cache.map_or_else(String::new, |dir| format!(" --cache {}", dir.display()))
}

/// The devices in their precision, with the variants that were measured to be fastest on each; the shipped defaults where nothing was. Says
/// what it passes over, and how to measure what is missing for a step of `images` images.
///
/// # Errors
/// Those of [`Plan::new`]; an adapter without f16 where mixed precision is asked for, or exact kernels in it.
pub fn apply(
    net: &Net,
    devices: &[Arc<Device>],
    images: usize,
    accumulate: usize,
    how: How,
    mut note: impl FnMut(&str),
) -> Result<Vec<Arc<Device>>> {
    if how.exact && how.precision == Precision::Mixed {
        let why = "--exact allows only f32 throughout, --precision mixed rounds operands to f16; leave one of them out";
        return Err(Error::Usage(why.to_owned()));
    }
    let folder = folder(how.cache).ok();
    let mut said = Vec::new();
    let mut say = |text: String| {
        if !said.contains(&text) {
            note(&text);
            said.push(text);
        }
    };
    let mut tuned = Vec::with_capacity(devices.len());
    for device in devices {
        let device = &device.with_precision(how.precision)?;
        let mut choices = Choices { exact: how.exact, ..Choices::default() };
        if let Some(folder) = &folder {
            let (cache, passed_over) = Cache::open(folder, device);
            passed_over.into_iter().for_each(&mut say);
            choices = cache.choices(how.exact);
        }
        tuned.push(device.with_choices(choices));
    }
    let profiles: Vec<_> = tuned.iter().map(|device| &device.profile).collect();
    let plan = Plan::new(net, &profiles, images, accumulate)?;
    for device in &tuned {
        let (chosen, all) = count(device, &tasks(net, plan.batch));
        if chosen < all {
            say(format!(
                "note: {}: {} of {all} products run the shipped defaults; to measure: {}",
                device.describe(),
                all - chosen,
                command(net, images, accumulate, how)
            ));
        }
    }
    Ok(tuned)
}

/// (products of `tasks` with a variant chosen for them, all products).
pub fn count(device: &Device, tasks: &[Task]) -> (usize, usize) {
    let profile = &device.profile;
    let all = products(tasks);
    let chosen = all.iter().filter(|(product, window)| profile.choices.get(profile.family, *product, window).is_some());
    (chosen.count(), all.len())
}

/// Every variant `device` runs in `tasks`, the defaults among them: what a run records.
pub fn resolved(device: &Device, tasks: &[Task]) -> Choices {
    let mut choices = Choices { exact: device.profile.choices.exact, ..Choices::default() };
    for (product, window) in products(tasks) {
        choices.set(product, &window, device.profile.variant(product, &window));
    }
    choices
}

/// The first product in `tasks` for which the choices of `device` name a variant that it does not have: key and name.
pub fn unknown(device: &Device, tasks: &[Task]) -> Option<(String, String)> {
    let (family, choices) = (device.profile.family, &device.profile.choices);
    products(tasks).into_iter().find_map(|(product, window)| {
        let key = Choices::key(product, &window);
        let name = choices.variants.get(&key)?.clone();
        choices.get(family, product, &window).is_none().then_some((key, name))
    })
}

fn products(tasks: &[Task]) -> Vec<(Product, Window)> {
    tasks.iter().flat_map(|task| task.products.iter().map(|&product| (product, task.window))).collect()
}

/// What was measured for `tasks` and why each choice is as it is, a line a product.
pub fn show(device: &Device, cache: &Cache, tasks: &[Task]) -> String {
    let mut out = format!("{}\n{}\n", device.describe(), cache.path().display());
    let head = ["row", "product", "runs", "ms", "default", "others"];
    let mut line = |[row, product, runs, ms, default, others]: [&str; 6]| {
        let text = format!("{row:<7} {product:<15} {runs:<36} {ms:>9} {default:>8}  {others}");
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(head);
    for task in tasks {
        for &product in &task.products {
            let default = device.profile.family.variants(product, &task.window)[0].to_string();
            let Some(measured) = cache.get(product, &task.window) else {
                line([&task.case.name, &product.to_string(), &default, "", "", "not measured: the shipped default"]);
                continue;
            };
            let seconds = |name: &str| measured.trials.iter().find(|t| t.variant == name).and_then(Trial::seconds);
            let Some(best) = measured.best(false) else {
                line([&task.case.name, &product.to_string(), &default, "", "", "no variant is usable"]);
                continue;
            };
            let fastest = best.seconds().unwrap_or(f64::NAN);
            let ratio = |seconds: f64| format!("×{:.2}", seconds / fastest);
            let others: Vec<_> = measured
                .trials
                .iter()
                .filter(|t| t.variant != best.variant)
                .map(|trial| {
                    let verdict =
                        trial.fault.clone().unwrap_or_else(|| trial.seconds().map_or_else(String::new, ratio));
                    format!("{} {verdict}", trial.variant)
                })
                .collect();
            line([
                &task.case.name,
                &product.to_string(),
                &best.variant,
                &format!("{:.3}", fastest * 1e3),
                &seconds(&default).map_or_else(String::new, ratio),
                &others.join(", "),
            ]);
        }
    }
    out
}
