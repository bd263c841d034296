//! The card of a run: its results, how to reproduce it, and how it differs from the paper.

use super::Config;
use crate::data::{Augment, Mean, Order, Split};
use crate::metrics::EvaluationLine;
use crate::products::Precision;
use crate::recipe::{Figures, PAPER, Start};
use crate::schedule::Schedule;
use crate::variation::{Activation, Part, Talk, Variation};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The ILSVRC sets the paper trained on have 1,000 classes (§2).
const PAPER_CLASSES: usize = 1000;

/// The card after `step` steps, as Markdown. `evaluations` are all so far.
pub fn card(run: &Path, config: &Config, step: u64, evaluations: &[EvaluationLine]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_card(&mut text, run, config, step, evaluations);
    text
}

fn write_card(
    out: &mut String,
    run: &Path,
    config: &Config,
    step: u64,
    evaluations: &[EvaluationLine],
) -> std::fmt::Result {
    let name = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy();
    let Config { net, variation, batch, data, classes, .. } = config;
    writeln!(out, "# {name}\n")?;
    writeln!(
        out,
        "Net `{net}{variation}` on {} training images of {} classes, {step} of {} steps of {batch} images, by alexnet {}.\n",
        data.train_images,
        classes.len(),
        config.steps,
        config.version
    )?;
    writeln!(out, "## Results\n")?;
    results(out, config, evaluations)?;
    writeln!(out, "## Adapters\n")?;
    for device in &config.adapters.devices {
        writeln!(out, "- {device}")?;
    }
    writeln!(out, "\n## Reproduce\n\n```sh\n{}\n```\n", command(config))?;
    writeln!(
        out,
        "The same seed gives the same bytes on the same adapters and driver, with any number of workers and the variants of \
         kernels that `config.toml` names. Fingerprints of the images: train `{}`, val `{}`. Everything resolved is in `config.toml`, every step in `metrics.jsonl`.\n",
        data.train_fingerprint, data.val_fingerprint
    )?;
    writeln!(out, "## Differences from the paper\n")?;
    for difference in differences(config) {
        writeln!(out, "- {difference}")?;
    }
    Ok(())
}

fn results(out: &mut String, config: &Config, evaluations: &[EvaluationLine]) -> std::fmt::Result {
    let on = |split| evaluations.iter().filter(move |line| line.split == split);
    let lowest = on(Split::Val).min_by(|a, b| a.top1_error.total_cmp(&b.top1_error));
    let mut lines: Vec<_> = on(Split::Val).next_back().map(|last| ("last", last)).into_iter().collect();
    lines.extend(lowest.map(|lowest| ("lowest top-1 error", lowest)));
    let trained = on(Split::Train).next_back();
    lines.extend(trained.map(|last| ("last, on training images", last)));
    if lines.is_empty() {
        return writeln!(out, "Not evaluated yet.\n");
    }
    write!(out, "On the {} validation images, centre crop", config.data.val_images)?;
    if trained.is_some() {
        write!(out, ", and on {} training images in use", config.train_error.min(config.data.train_images))?;
    }
    writeln!(out, ":\n")?;
    writeln!(out, "| | step | pass | top-1 error | top-5 error | log-probability |\n|---|---|---|---|---|---|")?;
    for (label, e) in lines {
        writeln!(
            out,
            "| {label} | {} | {} | {:.2} % | {:.2} % | {:.4} |",
            e.step,
            e.epoch,
            100.0 * e.top1_error,
            100.0 * e.top5_error,
            -e.loss
        )?;
    }
    writeln!(out)
}

/// The command that runs `config` again.
pub fn command(config: &Config) -> String {
    let value = |v: &dyn std::fmt::Display| v.to_string();
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let length = match config.epochs {
        Some(epochs) => ("epochs", value(&epochs)),
        None => ("steps", value(&config.steps)),
    };
    let mut options = vec![
        ("net", format!("{}{}", config.net, config.variation)),
        length,
        ("batch", value(&config.batch)),
        ("accumulate", value(&config.accumulate)),
        ("lr", value(&config.lr)),
        ("momentum", value(&config.momentum)),
        ("decay", value(&config.decay)),
        ("dropout", value(&config.dropout)),
        ("schedule", value(&config.schedule)),
        ("seed", value(&config.seed)),
        ("precision", super::word(&config.precision)),
        ("recipe", super::word(&config.recipe)),
        ("init", super::word(&config.init)),
        ("augment", super::word(&config.augment)),
        ("order", super::word(&config.order)),
        ("exif", super::word(&config.exif)),
        ("eval-every", value(&config.eval_every)),
        ("checkpoint-every", value(&config.checkpoint_every)),
    ];
    options.extend((config.train_error > 0).then(|| ("train-error", value(&config.train_error))));
    options.extend(config.train_error_every.map(|steps| ("train-error-every", value(&steps))));
    options.extend(config.until_train_error.map(|error| ("until-train-error", value(&error))));
    let said = &config.data.options;
    options.extend(config.data.val.as_deref().map(|path| ("val", quoted(path))));
    options.extend(said.val_fraction.map(|fraction| ("val-fraction", value(&fraction))));
    options.extend(said.label_key.as_deref().map(|key| ("label-key", quoted(Path::new(key)))));
    options.extend(said.classes.as_deref().map(|path| ("classes", quoted(path))));
    options.extend(config.weights.as_deref().map(|path| ("weights", quoted(path))));
    let scales: Vec<_> = config.rates.iter().map(|(row, factor)| format!("{row}={factor}")).collect();
    options.extend((!scales.is_empty()).then(|| ("lr-scale", scales.join(","))));
    options.extend(config.adapters.option.as_ref().map(|adapters| ("adapters", format!("'{adapters}'"))));
    let mut options: Vec<_> = options.iter().map(|(name, value)| format!("--{name} {value}")).collect();
    if config.new_head {
        options.push("--new-head".to_owned());
    }
    if config.exact {
        options.push("--exact".to_owned());
    }
    format!("alexnet train {} {}", quoted(&config.data.path), options.join(" "))
}

/// How the run differs from what the paper describes, a sentence each.
pub fn differences(config: &Config) -> Vec<String> {
    let mut list = Vec::new();
    list.extend(net_difference(&config.net).map(str::to_owned));
    list.extend(variation_differences(&config.variation).into_iter().map(str::to_owned));
    list.extend(recipe_differences(config));
    list.extend(number_differences(config));
    list.extend(data_differences(config));
    list
}

fn net_difference(net: &str) -> Option<&'static str> {
    match net {
        "alexnet-2012" => Some(
            "Net: what the paper's source ran. conv1 is linear with its ReLU after pool1, α of the response \
             normalisation is divided by n, and one more normalisation within each map follows norm2.",
        ),
        "alexnet-6" => Some(
            "Net: with a sixth convolution after pool5, which reads both columns, as the pre-trained networks of §6 have it.",
        ),
        "half" => Some("Net: the one-GPU network of the comparison in §3.2, one column instead of two."),
        "tiny" => Some(
            "Net: `tiny`, the paper's network made small: fewer and smaller kernels on 64×64 crops of 72×72 images, \
             the same layers and crossings.",
        ),
        "tiny-6" => Some("Net: `tiny-6`, made small as `tiny` is, with a sixth convolution after pool5 (§6)."),
        "fig1" => Some("Net: the four-layer network of cuda-convnet's `18pct`, without its normalisations (Figure 1)."),
        "cifar-18pct" => Some("Net: cuda-convnet's `18pct` for CIFAR-10."),
        "cifar-13pct" => Some("Net: cuda-convnet's `conv-local-13pct` for CIFAR-10."),
        "cifar-11pct" => Some("Net: cuda-convnet's `conv-local-11pct` for CIFAR-10."),
        "tiny-half" => Some("Net: `tiny-half`, the one-GPU network of §3.2 made small as `tiny` is."),
        _ => None,
    }
}

fn variation_differences(variation: &Variation) -> Vec<&'static str> {
    let part = |part: &Part| match part {
        Part::Norm => "Net: without response normalisation (§3.3).",
        Part::Overlap => {
            "Net: pooling windows of 2×2 pixels that do not overlap, with conv2 padded by 1 and conv5 by 0, where §3.4 has \
             overlapping ones of 3×3."
        }
        Part::Conv3 => "Net: without conv3; the next layer reads what it read (§7).",
        Part::Conv4 => "Net: without conv4; the next layer reads what it read (§7).",
        Part::Conv5 => "Net: without conv5; the next layer reads what it read (§7).",
    };
    let talk = match variation.talk {
        Talk::Paper => None,
        Talk::Fc => Some("Net: columns talk at the fully connected layers alone, where Figure 2 has conv3 too."),
        Talk::Conv4 => Some("Net: columns talk at conv4, where Figure 2 has conv3."),
        Talk::None => Some("Net: columns do not talk before the last layer."),
        Talk::Wide => Some(
            "Net: columns do not talk before the last layer; conv2 is a quarter wider and the hidden fully connected \
             layers are twice as wide.",
        ),
        Talk::All => Some("Net: every layer but the first reads both columns."),
    };
    let tanh = (variation.activation == Activation::Tanh).then_some("Net: tanh where §3.1 has ReLU.");
    variation.without.iter().map(part).chain(talk).chain(tanh).collect()
}

fn recipe_differences(config: &Config) -> Vec<String> {
    let mut list = Vec::new();
    let table = crate::alexnet::table(&config.net);
    match config.net.as_str() {
        "cifar-18pct" => list.push("Decay: 250 times as strong in the last layer, as cuda-convnet has it.".to_owned()),
        "cifar-13pct" | "cifar-11pct" => {
            list.push("Decay: none in the convolutions, as cuda-convnet has it.".to_owned());
        }
        _ => {}
    }
    if let Some(weights) = &config.weights {
        let head = if config.new_head { " but their last layer" } else { "" };
        list.push(format!("Initialisation: began with the weights of `{}`{head}.", weights.display()));
    } else if !config.init.is_own() {
        let whose =
            if config.init == Start::Paper { "the paper's 0.01 everywhere" } else { "0.03 in conv3-5, else 0.01" };
        list.push(format!(
            "Initialisation: standard deviation {whose}, in other shapes what gives the same fan-in × σ²; biases 1 as in the \
             paper."
        ));
    } else if table.is_some_and(crate::recipe::is_cifar) {
        list.push(
            "Initialisation: cuda-convnet's standard deviations, 0.0001 in the first layer, 0.04 in locally connected ones \
             and 0.01 in the others, and biases 0."
                .to_owned(),
        );
    } else if table.is_some_and(crate::recipe::is_tiny) {
        list.push(
            "Initialisation: weights scaled by fan-in but in conv1 and fc8, and biases 0, where the paper has standard \
             deviation 0.01 and biases 1 in five layers."
                .to_owned(),
        );
    } else if config.recipe == Figures::Source {
        list.push(
            "Initialisation: standard deviation 0.03 in conv3-5 (the source's), where the paper says 0.01.".into(),
        );
    }
    if config.recipe == Figures::Source {
        list.push(
            "Update: biases learn at twice the rate and without decay (the source's), where the paper has one rate and \
             decay on all."
                .to_owned(),
        );
    }
    list
}

/// What `--freeze` and `--lr-scale` said.
fn rate_difference(rates: &BTreeMap<String, f64>) -> Option<String> {
    let of =
        |(row, rate): (&String, &f64)| if *rate == 0.0 { format!("{row} frozen") } else { format!("{row} ×{rate}") };
    let said: Vec<_> = rates.iter().map(of).collect();
    (!said.is_empty()).then(|| format!("Rates of layers: {}, where the paper has one for all.", said.join(", ")))
}

fn number_differences(config: &Config) -> Vec<String> {
    let numbers = [
        ("Batch", config.batch as f64, PAPER.batch as f64),
        ("First learning rate", config.lr, PAPER.lr),
        ("Momentum", config.momentum, PAPER.momentum),
        ("Weight decay", config.decay, PAPER.decay),
        ("Dropout", config.dropout, PAPER.dropout),
    ];
    let mixed = (config.precision == Precision::Mixed).then(|| {
        "Precision: operands of the convolutions and fully connected layers rounded to f16 and the loss scaled, where the \
         paper has f32."
            .to_owned()
    });
    let differs = numbers.into_iter().filter(|(_, own, paper)| own != paper);
    let mut list: Vec<_> = differs.map(|(what, own, paper)| format!("{what}: {own}, the paper's {paper}.")).collect();
    list.extend(mixed);
    list.extend(rate_difference(&config.rates));
    match config.epochs {
        Some(epochs) if epochs == PAPER.epochs => {}
        Some(epochs) => list.push(format!("Length: {epochs} passes, the paper's roughly {}.", PAPER.epochs)),
        None => list.push(format!("Length: {} steps, the paper's roughly {} passes.", config.steps, PAPER.epochs)),
    }
    list.push(match config.schedule {
        Schedule::Plateau { .. } => format!(
            "Schedule: `{}` divides the rate by rule, where the paper's was divided by hand on the same grounds.",
            config.schedule
        ),
        _ => format!("Schedule: `{}`, where the paper's rate was divided by hand, three times.", config.schedule),
    });
    list
}

fn data_differences(config: &Config) -> Vec<String> {
    let mut list = vec![format!(
        "Data: {} images of {} classes in `{}`{}; the shorter side is resampled with an antialiasing filter.",
        config.data.train_images,
        config.classes.len(),
        config.data.path.display(),
        if config.classes.len() == PAPER_CLASSES { "" } else { ", not ILSVRC's 1.2 million of 1,000" }
    )];
    list.push(match config.augment {
        Augment::Full => "Augmentation: crops from all (size − crop + 1)² places, drawn for each image on its own; colour \
                          noise in units of the standard deviation along each principal component, as the source has it, \
                          where the paper's text says eigenvalue."
            .to_owned(),
        other => format!("Augmentation: `{}` instead of crops, mirror images and colour.", super::word(&other)),
    });
    if config.augment == Augment::Full && (config.colour != 0.1 || config.colour_until.is_some()) {
        let until = config.colour_until.map_or_else(String::new, |passes| format!(" in the first {passes} passes"));
        list.push(format!("Colour: noise of {} standard deviations{until}, where the paper's is 0.1.", config.colour));
    }
    if config.mean != Mean::Image {
        list.push(format!("Mean: `{}` instead of the mean of each pixel.", super::word(&config.mean)));
    }
    if config.order == Order::Sequential {
        list.push("Order: images in the order of their folders instead of shuffled.".to_owned());
    }
    let columns = crate::alexnet::table(&config.net).map_or(1, |t| t.columns);
    if columns == 2 && config.adapters.devices.len() == 1 {
        list.push("Machine: both columns on one adapter, where the paper has one GPU a column.".to_owned());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_itself_differs_only_where_it_must() {
        let config = crate::run::config_for_tests("alexnet");
        let list = differences(&Config { recipe: Figures::Paper, ..config.clone() });
        let kinds: Vec<_> = list.iter().map(|d| d.split(':').next().unwrap()).collect();
        assert_eq!(kinds, ["Schedule", "Data", "Augmentation", "Machine"]);
        let source = differences(&config);
        assert!(source.iter().any(|d| d.contains("0.03")) && source.iter().any(|d| d.contains("twice the rate")));
    }

    #[test]
    fn tiny_names_its_net_batch_length_and_initialisation() {
        let list = differences(&crate::run::config_for_tests("tiny")).join("\n");
        for word in ["`tiny`", "Batch: 32", "fan-in", "12 passes", "steps:9,11"] {
            assert!(list.contains(word), "{word} in {list}");
        }
    }

    #[test]
    fn the_card_reads_without_an_evaluation() {
        let config = crate::run::config_for_tests("tiny");
        let text = card(Path::new("runs/tiny-1"), &config, 3, &[]);
        assert!(text.starts_with("# tiny-1\n") && text.contains("Not evaluated yet"));
        assert!(text.contains("--augment full --order shuffled") && text.contains("--recipe source"));
    }
}
