//! What `watch` shows.

use super::{Stage, Watched};
use crate::draw::{number, render};
use crate::plot;
use crate::run::Config;
use indicatif::{FormattedDuration, HumanDuration};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{LineGauge, Paragraph};
use std::time::Duration;

/// Columns from which the charts are side by side.
const WIDE: u16 = 120;
/// The least rows of a chart.
const CHART: u16 = 8;

/// Draws what is known of the run, in whatever room there is.
pub fn draw(frame: &mut Frame, watched: &Watched) {
    let all = frame.area();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut about: Vec<_> =
        about(watched).iter().flat_map(|line| wrapped(line, usize::from(all.width))).map(Line::raw).collect();
    about[0] = about[0].clone().style(bold);
    let rows = u16::try_from(about.len()).unwrap_or(u16::MAX);
    let [head, gauge, rest, foot] =
        Layout::vertical([Constraint::Length(rows), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(all);
    frame.render_widget(Paragraph::new(about), head);
    if let (Some(config), Some(last)) = (&watched.config, watched.curves.steps.last()) {
        let share = (last.step as f64 / config.steps.max(1) as f64).min(1.0);
        let bar = LineGauge::default().ratio(share).filled_style(Style::new().fg(Color::Indexed(33)));
        frame.render_widget(bar.label(format!("{:.0} %", 100.0 * share)), gauge);
    }
    let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if !watched.curves.steps.is_empty() {
        let charts = plot::charts(std::slice::from_ref(&watched.curves), false);
        for (chart, place) in charts.iter().zip(places(rest)) {
            render(chart, place, frame.buffer_mut(), coloured);
        }
    }
    frame.render_widget(Line::styled("q leaves; the run goes on", Style::new().add_modifier(Modifier::DIM)), foot);
}

/// Side by side, one below the other, or the first alone.
fn places(area: Rect) -> Vec<Rect> {
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    if area.width >= WIDE {
        return Layout::horizontal(halves).spacing(2).areas::<2>(area).to_vec();
    }
    if area.height >= 2 * CHART {
        return Layout::vertical(halves).areas::<2>(area).to_vec();
    }
    vec![area]
}

/// `text` in lines of at most `width` letters, cut between words where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    lines
}

fn about(watched: &Watched) -> Vec<String> {
    let folder = watched.folder.display();
    let stage = match watched.stage() {
        Stage::Expected => return vec![format!("{folder}: there is no run yet; waiting for it")],
        Stage::Begun => "preparing: no step is done yet".to_owned(),
        Stage::Training => match watched.left() {
            Some(left) => format!("training, {} left", FormattedDuration(left)),
            None => "training".to_owned(),
        },
        Stage::Silent => {
            let since = HumanDuration(Duration::from_secs_f64(watched.silence));
            format!("no step for {since}: it evaluates, waits or was stopped")
        }
        Stage::Finished => "finished".to_owned(),
    };
    let mut lines = vec![format!("{folder}: {stage}")];
    let Some(config) = &watched.config else { return lines };
    lines.push(what(config));
    lines.extend(config.adapters.devices.iter().map(|device| format!("adapter: {device}")));
    if let Some(last) = watched.curves.steps.last() {
        lines.push(format!(
            "step {} of {}, pass {}, rate {}: {}",
            number(last.step as f64, 0),
            number(config.steps as f64, 0),
            last.epoch,
            last.lr,
            speed(watched)
        ));
    }
    if let (Some(loss), Some(error)) = (watched.recent(|l| l.loss), watched.recent(|l| l.top1_error)) {
        lines.push(format!("training: loss {loss:.4}, top-1 error {:.1} %", 100.0 * error));
    }
    if let Some(last) = watched.curves.evaluations.last() {
        lines.push(format!(
            "validation at step {}: loss {:.4}, top-1 error {:.2} %, top-5 error {:.2} %",
            number(last.step as f64, 0),
            last.loss,
            100.0 * last.top1_error,
            100.0 * last.top5_error
        ));
    }
    lines
}

fn what(config: &Config) -> String {
    format!(
        "{}{}: {} training images of {} classes, {} a step, {}",
        config.net,
        config.variation,
        number(config.data.train_images as f64, 0),
        number(config.classes.len() as f64, 0),
        config.batch,
        config.data.path.display()
    )
}

fn speed(watched: &Watched) -> String {
    let mean = |value: fn(&crate::metrics::StepLine) -> f64| watched.recent(value).unwrap_or(0.0);
    let seconds = mean(|l| l.seconds).max(f64::MIN_POSITIVE);
    let share = |part: f64| 100.0 * part / seconds;
    format!(
        "{:.1} images/s, {:.3} s a step, of it {:.0} % waiting for images and {:.0} % carrying between adapters",
        mean(|l| l.images_per_second),
        seconds,
        share(mean(|l| l.data_wait)),
        share(mean(|l| l.exchange))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Run, config_for_tests};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::fs;

    fn shown(watched: &mut Watched, width: u16, height: u16) -> String {
        watched.look().unwrap();
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, watched)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn every_stage_of_a_run_is_told_in_any_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let mut watched = Watched::new(&path);
        assert!(shown(&mut watched, 100, 20).contains("there is no run yet"));
        fs::create_dir(&path).unwrap();
        assert!(shown(&mut watched, 100, 20).contains("there is no run yet"));
        let run = Run::create(Some(&path), config_for_tests("tiny")).unwrap();
        assert!(shown(&mut watched, 100, 20).contains("no step is done yet"));

        let step = |step: u64| {
            format!(
                "{{\"step\":{step},\"epoch\":1,\"loss\":2.5,\"top1_error\":0.5,\"top5_error\":0.1,\"lr\":0.01,\
                 \"images_per_second\":64.0,\"seconds\":0.5,\"data_wait\":0.1,\"exchange\":0.0}}\n"
            )
        };
        let half: String = (1..=50).map(step).collect();
        fs::write(run.metrics(), &half).unwrap();
        let text = shown(&mut watched, 100, 24);
        for part in [
            "training, 00:00:25 left",
            "1,000 training images",
            "adapter: one",
            "step 50 of 100",
            "64.0 images/s, 0.500 s a step",
            "20 % waiting for images",
            "50 %",
            "loss (nats)",
            "q leaves",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(shown(&mut watched, 160, 30).contains("top-1 error (%)"));
        // No room is too small to be drawn in.
        for (width, height) in [(1, 1), (19, 3), (30, 9), (100, 5)] {
            shown(&mut watched, width, height);
        }
        let evaluation =
            "{\"step\":100,\"epoch\":2,\"split\":\"val\",\"loss\":2.0,\"top1_error\":0.25,\"top5_error\":0.0}\n";
        let rest: String = (51..=100).map(step).collect();
        fs::write(run.metrics(), half + &rest + evaluation).unwrap();
        let text = shown(&mut watched, 100, 24);
        assert!(text.contains("run: finished") && text.contains("top-1 error 25.00 %"), "{text}");

        fs::remove_dir_all(&path).unwrap();
        assert!(shown(&mut watched, 100, 20).contains("there is no run yet"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("letter.txt"), "no run").unwrap();
        let error = watched.look().unwrap_err().to_string();
        assert!(error.contains("config.toml") && error.contains("expected the folder of a run"), "{error}");
    }
}
