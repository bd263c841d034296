// m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  w ← w - ε m / (√v + 1e-8). The rate ε makes up for how m and v began.

#import each
#import step
#import packed

@group(0) @binding(0) var<storage, read> dw: array<Packed>;
@group(0) @binding(1) var<storage, read_write> m: array<Packed>;
@group(0) @binding(2) var<storage, read_write> v: array<Packed>;
@group(0) @binding(3) var<storage, read_write> w: array<Packed>;

fn each(i: u32) {
    let g = unpack(dw[i]);
    let mean = BETA_1 * unpack(m[i]) + (1.0 - BETA_1) * g;
    let square = BETA_2 * unpack(v[i]) + (1.0 - BETA_2) * g * g;
    m[i] = pack(mean);
    v[i] = pack(square);
    w[i] = pack(unpack(w[i]) - step.rate * mean / (sqrt(square) + 1e-8));
}
