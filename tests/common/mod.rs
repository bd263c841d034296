//! What several tests share.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod golden;
pub mod seeded;
