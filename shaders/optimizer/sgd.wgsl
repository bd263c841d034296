// v ← μ v - λ ε w - ε g;  w ← w + v (§5). The rate ε multiplies inside v. Reports a NaN or infinity in g or w. Does
// nothing where a gradient of a column overflowed (FLAGS of them are heeded).

#import each
#import step
#import nan

@group(0) @binding(0) var<storage, read> dw: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> results: array<atomic<u32>>;   // [3]: 1 gradient, 2 weight; or-ed. [4 + 4 · column]: flags

fn each(i: u32) {
    for (var column = 0u; column < FLAGS; column++) {
        if atomicLoad(&results[4u + 4u * column]) != 0u { return; }
    }
    let rate = step.rate * RATE;
    let unscaled = rate * power_of_two(-i32(step.scale));
    let velocity = MOMENTUM * v[i] - DECAY * rate * w[i] - unscaled * dw[i];
    let weight = w[i] + velocity;
    v[i] = velocity;
    w[i] = weight;
    if any(is_bad(dw[i])) { atomicOr(&results[3], 1u); }
    if any(is_bad(weight)) { atomicOr(&results[3], 2u); }
}
