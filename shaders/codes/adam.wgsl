// m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  w ← w - ε m / (√v + 1e-8). The rate ε makes up for how m and v began.

#import each
#import step

@group(0) @binding(0) var<storage, read> dw: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> w: array<vec4<f32>>;

fn each(i: u32) {
    let g = dw[i];
    let mean = BETA_1 * m[i] + (1.0 - BETA_1) * g;
    let square = BETA_2 * v[i] + (1.0 - BETA_2) * g * g;
    m[i] = mean;
    v[i] = square;
    w[i] -= step.rate * mean / (sqrt(square) + 1e-8);
}
