//! Reports as one HTML file: pictures inside, nothing fetched.

use crate::draw::{self, Picture};
use crate::durable;
use crate::error::{Error, Result};
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use std::path::Path;

/// A report. In all its texts, what stands between backticks is shown as code.
#[derive(Clone, Debug, Default, PartialEq, Template)]
#[template(path = "page.html")]
pub struct Page {
    /// On top, and the window's.
    pub title: String,
    /// What it is about, below the title.
    pub lead: String,
    /// Its parts, each in the list of contents.
    pub sections: Vec<Section>,
}

/// A part with a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// What it holds, downwards.
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading within the section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Points.
    List(Vec<String>),
    /// Lines as they are, to be typed or read by a program.
    Code(String),
    /// Lines as they are, folded away behind a title.
    Folded(String, String),
    /// A table.
    Table(Table),
    /// A picture.
    Figure(Figure),
    /// Pieces side by side where the window is wide enough: a result, and the paper's beside it.
    Beside(Vec<Block>),
    /// Small pictures, as many in a row as fit.
    Gallery(Vec<Figure>),
}

/// Rows of cells. All but the first column stand to the right, as numbers do, unless `words`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Above it; empty: none.
    pub caption: String,
    /// Names of the columns; empty: none.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// Whether the cells are words, which stand to the left.
    pub words: bool,
}

/// A picture inside the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The picture itself, as a `data:` address.
    source: String,
    /// The widest it is shown, in CSS pixels.
    width: u32,
    /// Below it, and what a reader hears who cannot see it.
    caption: String,
}

impl Figure {
    /// A composed picture.
    pub fn new(picture: &Picture, caption: &str) -> Result<Self> {
        let svg = picture.svg()?;
        let source = format!("data:image/svg+xml;base64,{}", STANDARD.encode(&svg));
        Ok(Self { source, width: picture.width(), caption: caption.to_owned() })
    }

    /// An image, a CSS pixel for each of its own.
    pub fn of_image(image: &RgbImage, caption: &str) -> Result<Self> {
        let source = format!("data:image/png;base64,{}", STANDARD.encode(draw::png(image)?));
        Ok(Self { source, width: image.width(), caption: caption.to_owned() })
    }
}

impl Page {
    /// Writes the page, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let html = self.render().map_err(|e| Error::io(path)(std::io::Error::other(e)))?;
        durable::write(path, html.as_bytes())
    }
}

/// `text` in pieces, and of each whether it stood between backticks.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    text.split('`').enumerate().map(|(place, piece)| (place % 2 == 1, piece)).filter(|(_, p)| !p.is_empty()).collect()
}

/// The block's own template: blocks hold blocks.
#[derive(Template)]
#[template(path = "block.html")]
struct Shown<'a> {
    block: &'a Block,
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let html = Shown { block: self }.render().map_err(|_| std::fmt::Error)?;
        f.write_str(&html)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Canvas;

    #[test]
    fn a_page_holds_everything_and_fetches_nothing() {
        let picture = Canvas::new(30.0, 20.0).finish();
        let table = Table {
            caption: "Errors".to_owned(),
            head: vec!["net".to_owned(), "top-1".to_owned()],
            rows: vec![vec!["a <b>".to_owned(), "3.8 %".to_owned()]],
            words: false,
        };
        let figure = Figure::new(&picture, "An empty \"picture\"").unwrap();
        let blocks = vec![
            Block::Text("see `--net <NAME>` & more".to_owned()),
            Block::Beside(vec![Block::Figure(figure), Block::Table(table)]),
            Block::Folded("all of it".to_owned(), "x = 1".to_owned()),
        ];
        let page = Page {
            title: "A & B".to_owned(),
            lead: String::new(),
            sections: vec![Section { title: "One".to_owned(), blocks }],
        };
        let html = page.render().unwrap();
        for part in [
            "<title>A &#38; B</title>",
            "<code>--net &#60;NAME&#62;</code> &#38; more",
            "data:image/svg+xml;base64,",
            "alt=\"An empty &#34;picture&#34;\"",
            "<td>a &#60;b&#62;</td>",
            "<summary>all of it</summary>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("http") && !html.contains("src=\"/"), "{html}");
    }
}
