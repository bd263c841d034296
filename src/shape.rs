//! Shape of one image's activations, and the layout every tensor on the device has.
//!
//! Activations are `[C, H, W, N]` with the images of the batch innermost: neighbouring threads take neighbouring
//! images, every window test is the same for all of them, and a column's half of the channels is one contiguous range.

use std::fmt;

/// Channels × height × width of one image's activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Channels.
    pub c: usize,
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
}

impl Shape {
    /// `c` channels of `h` × `w` values.
    pub const fn new(c: usize, h: usize, w: usize) -> Self {
        Self { c, h, w }
    }

    /// Values per image.
    pub const fn len(self) -> usize {
        self.c * self.h * self.w
    }

    /// Whether the shape holds no value.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.h == 1 && self.w == 1 {
            write!(f, "{}", self.c)
        } else {
            write!(f, "{}×{}×{}", self.h, self.w, self.c)
        }
    }
}
