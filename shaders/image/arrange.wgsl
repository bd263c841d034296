// x[c, h, w, n] = pixels[n, c, h, w]; places behind the last valid image are zero.

#import each
#import step
#import packed

@group(0) @binding(0) var<storage, read> pixels: array<f32>;             // [N, LEN]
@group(0) @binding(1) var<storage, read_write> x: array<Packed>;         // [LEN, N4]

fn pixel(n: u32, p: u32) -> f32 {
    if n >= step.valid { return 0.0; }
    return pixels[n * LEN + p];
}

fn each(i: u32) {
    let p = i / N4;
    let n = i % N4 * 4u;
    x[i] = pack(vec4(pixel(n, p), pixel(n + 1u, p), pixel(n + 2u, p), pixel(n + 3u, p)));
}
