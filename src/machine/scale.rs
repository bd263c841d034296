//! The scale of the loss in mixed precision (Micikevicius et al., *Mixed Precision Training*, 2018, §3.2).
//!
//! Small gradients vanish in f16. So the gradient of the loss is multiplied by a power of two, and the update divides by
//! it. Where a gradient overflows, the step is skipped and the scale halved; after many steps without, it is doubled.
//!
//! A step may be begun before the one before it is finished, so the result of a step decides the scale from the
//! [`AHEAD`]th step after it on: the same whether or not that step waited, and after a resume.

use super::AHEAD;
use serde::{Deserialize, Serialize};

/// Exponent of the first scale.
const FIRST: u32 = 16;
/// Steps without an overflow after which the scale is doubled.
const CLEAN: u32 = 2000;
/// No scale passes this exponent: f16 itself has 5 bits of exponent.
const MOST: u32 = 24;

/// The scale of the steps to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Exponents of the scale of the next steps, as a power of two.
    exponents: [u32; AHEAD],
    /// Steps without an overflow since the scale last changed.
    clean: u32,
    /// Steps skipped so far.
    pub skipped: u64,
}

impl Default for Scale {
    fn default() -> Self {
        Self { exponents: [FIRST; AHEAD], clean: 0, skipped: 0 }
    }
}

impl Scale {
    /// Exponent of the scale of the step behind `ahead` others that are not finished.
    pub fn exponent(&self, ahead: usize) -> u32 {
        self.exponents[ahead]
    }

    /// Takes in the result of the next step.
    pub fn finish(&mut self, overflow: bool) {
        let (own, last) = (self.exponents[0], self.exponents[AHEAD - 1]);
        self.clean += 1;
        let mut next = last;
        if overflow {
            self.skipped += 1;
            self.clean = 0;
            // The steps between may have been begun at the same scale: they halve it no further.
            next = last.min(own.saturating_sub(1));
        } else if self.clean == CLEAN {
            self.clean = 0;
            next = (last + 1).min(MOST);
        }
        self.exponents.rotate_left(1);
        self.exponents[AHEAD - 1] = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflows_halve_once_and_clean_steps_double() {
        let mut scale = Scale::default();
        // Both steps in the queue overflow, then the halved scale does.
        for (overflow, expected) in [(true, [16, 15]), (true, [15, 15]), (true, [15, 14]), (false, [14, 14])] {
            scale.finish(overflow);
            assert_eq!(scale.exponents, expected);
        }
        assert_eq!(scale.skipped, 3);
        (1..CLEAN).for_each(|_| scale.finish(false));
        assert_eq!((scale.exponents, scale.clean), ([14, 15], 0));
        (0..20 * CLEAN).for_each(|_| scale.finish(false));
        assert_eq!(scale.exponents, [MOST; AHEAD]);
        (0..100).for_each(|_| scale.finish(true));
        assert_eq!(scale.exponents, [0; AHEAD]);
    }
}
