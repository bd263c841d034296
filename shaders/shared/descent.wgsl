// Where a gradient ends in an update: v ← μ v - λ ε w - ε g;  w ← w + v (§5). The rate ε multiplies inside v. Reports a NaN
// or infinity in g or w. The kernel that imports this file, or sum.wgsl instead, imports vec4s or scalars beside it.

#import step
#import nan

@group(0) @binding(3) var<storage, read_write> w: array<Held>;
@group(0) @binding(4) var<storage, read_write> v: array<Held>;
@group(0) @binding(5) var<storage, read_write> results: array<atomic<u32>>;   // [3]: 1 gradient, 2 weight; or-ed. [4 + 4 · column]: flags

fn settle(i: u32, gradient: Value) {
    let rate = step.rate * RATE;
    let unscaled = rate * power_of_two(-i32(step.scale));
    let before = held(w[i]);
    let velocity = MOMENTUM * held(v[i]) - DECAY * rate * before - unscaled * gradient;
    let weight = before + velocity;
    v[i] = hold(velocity);
    w[i] = hold(weight);
    if any(is_bad(vec4<f32>(gradient))) { atomicOr(&results[3], 1u); }
    if any(is_bad(vec4<f32>(weight))) { atomicOr(&results[3], 2u); }
}
