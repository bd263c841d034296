// dx = dy · s^-β - 2αβ · x · Σ ratio over the window. In place: dx replaces dy.

#import each
#import places
#import power

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;             // [C, H, W, N4]
@group(0) @binding(1) var<storage, read> ratio: array<vec4<f32>>;         // [C, H, W, N4]
@group(0) @binding(2) var<storage, read_write> dy: array<vec4<f32>>;      // [C, H, W, N4]

var<private> squares: bool;

fn term(j: u32) -> vec4<f32> {
    if squares { return x[j] * x[j]; }
    return ratio[j];
}

fn each(i: u32) {
    squares = true;
    let s = K + ALPHA * over_window(i);
    squares = false;
    dy[i] = dy[i] * power(s) - 2.0 * ALPHA * BETA * x[i] * over_window(i);
}
