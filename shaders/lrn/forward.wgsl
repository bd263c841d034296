// y = x · s^-β, s = k + α · Σ x² over the window (§3.3).

#import each
#import neighbours

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;             // [C, H, W, N4]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;       // [C, H, W, N4]

fn term(j: u32) -> vec4<f32> {
    return x[j] * x[j];
}

fn each(i: u32) {
    y[i] = x[i] * power(K + ALPHA * over_window(i));
}
