//! What several tests share.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod archives;
pub mod binary;
pub mod golden;
pub mod seeded;

use alexnet::gpu::{self, AdapterRow, Device};
use std::sync::{Arc, Mutex, MutexGuard};

/// Held by a test while it uses adapters: they share memory, cores and, for GL, one context.
pub fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Every adapter here. None is a failure where `ALEXNET_TEST_ADAPTERS=required` (as `make test` sets), else said.
pub fn adapters() -> &'static [AdapterRow] {
    let rows = gpu::list();
    if rows.is_empty() {
        let required = std::env::var("ALEXNET_TEST_ADAPTERS").is_ok_and(|value| value == "required");
        assert!(!required, "no adapter: install a Vulkan driver, for example Mesa's (`make test` does)");
        eprintln!("NOT TESTED: there is no adapter; `make test` installs one");
    }
    rows
}

/// A device on every adapter.
pub fn devices() -> Vec<Arc<Device>> {
    adapters().iter().flat_map(|row| open(&row.index.to_string(), 1)).collect()
}

/// The devices `--adapters placement` opens for a network of `columns` columns.
pub fn open(placement: &str, columns: usize) -> Vec<Arc<Device>> {
    gpu::select(Some(placement), columns).unwrap_or_else(|e| panic!("--adapters {placement}: {e}"))
}
