// y = x · s^-β, s = k + α · Σ x² over SIDE × SIDE places of the same map (the 2012 source).

#import each
#import places
#import power
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(1) var<storage, read_write> y: array<Packed>;          // [C, H, W, N4]

fn term(j: u32) -> vec4<f32> {
    let x = unpack(x[j]);
    return x * x;
}

fn each(i: u32) {
    y[i] = pack(unpack(x[i]) * power(K + ALPHA * over_window(i)));
}
