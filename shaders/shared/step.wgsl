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
    scale: u32,         // the loss's gradient is multiplied by 2 to this power, and the update divides by it
    unused: u32,
}

@group(0) @binding(7) var<uniform> step: Step;

// Exactly 2^exponent.
fn power_of_two(exponent: i32) -> f32 {
    return bitcast<f32>(u32(exponent + 127) << 23u);
}
