// What changes from step to step. `StepUniform` in src/column.rs has the same fields in the same order.
struct Step {
    seed_low: u32,
    seed_high: u32,
    step: u32,          // counts from 1
    column: u32,
    valid: u32,         // images of this micro-batch; the places behind them are padding
    first: u32,         // place of its first image in the whole batch
    total: u32,         // images of the whole batch
    train: u32,         // 1 in training, 0 in use
    accumulate: u32,    // 1: gradients and sums are added to what is there
    rate: f32,          // learning rate ε
    unused_0: u32,
    unused_1: u32,
}

@group(0) @binding(7) var<uniform> step: Step;
