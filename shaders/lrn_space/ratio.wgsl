// ratio = dy · y / s, which lrn_space/backward sums over the window.

#import each
#import places
#import power

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;             // [C, H, W, N4]
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;            // [C, H, W, N4]
@group(0) @binding(2) var<storage, read_write> ratio: array<vec4<f32>>;   // [C, H, W, N4]

fn term(j: u32) -> vec4<f32> {
    return x[j] * x[j];
}

fn each(i: u32) {
    let s = K + ALPHA * over_window(i);
    ratio[i] = dy[i] * x[i] * power(s) / s;
}
