// v ← μ v - λ ε w - ε g;  w ← w + v (§5). The rate ε multiplies inside v. Reports a NaN or infinity in g or w.

#import each
#import step
#import nan

@group(0) @binding(0) var<storage, read> dw: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> results: array<atomic<u32>>;   // [3]: 1 gradient, 2 weight; or-ed

fn each(i: u32) {
    let rate = step.rate * RATE;
    let velocity = MOMENTUM * v[i] - DECAY * rate * w[i] - rate * dw[i];
    let weight = w[i] + velocity;
    v[i] = velocity;
    w[i] = weight;
    if any(is_bad(dw[i])) { atomicOr(&results[3], 1u); }
    if any(is_bad(weight)) { atomicOr(&results[3], 2u); }
}
