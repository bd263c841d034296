// turned[q, n, o] = dy[o, q, n] for G of the N images: maps innermost, padded with zeros to whole vec4s.

#import each

@group(0) @binding(0) var<storage, read> dy: array<f32>;                  // [OUT, PIXELS, N], from the first image of the part on
@group(0) @binding(1) var<storage, read_write> turned: array<vec4<f32>>;  // [PIXELS, G, O4]

fn value(o: u32, q: u32, n: u32) -> f32 {
    if o >= OUT { return 0.0; }
    return dy[(o * PIXELS + q) * N + n];
}

fn each(i: u32) {
    let n = i / O4 % G;
    let q = i / (O4 * G);
    let o = i % O4 * 4u;
    turned[i] = vec4(value(o, q, n), value(o + 1u, q, n), value(o + 2u, q, n), value(o + 3u, q, n));
}
