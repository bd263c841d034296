// x[c, h, w, n] = (crop[n, h, v, c] − mean[c, top + h, left + v] + noise[n, c]) · scale[n], with v = w or its mirror
// image; places behind the last valid image are zero.

#import each
#import step
#import packed

struct View {
    left: u32,   // of the mean
    top: u32,
    mirror: u32,
    scale: f32,
    noise: vec4<f32>,
}

@group(0) @binding(0) var<storage, read> crops: array<u32>;              // [N, WORDS], bytes of [SIDE, SIDE, 3] an image
@group(0) @binding(1) var<storage, read> views: array<View>;             // [N]
@group(0) @binding(2) var<storage, read> mean: array<f32>;               // [3, SIZE, SIZE]
@group(0) @binding(3) var<storage, read_write> x: array<Packed>;         // [3, SIDE, SIDE, N4]

fn pixel(n: u32, c: u32, h: u32, w: u32) -> f32 {
    if n >= step.valid { return 0.0; }
    let view = views[n];
    let v = select(w, SIDE - 1u - w, view.mirror == 1u);
    let byte = (h * SIDE + v) * 3u + c;
    let value = f32(extractBits(crops[n * WORDS + byte / 4u], byte % 4u * 8u, 8u));
    return (value - mean[(c * SIZE + view.top + h) * SIZE + view.left + v] + view.noise[c]) * view.scale;
}

fn each(i: u32) {
    let n = i % N4 * 4u;
    let p = i / N4;
    let w = p % SIDE;
    let h = p / SIDE % SIDE;
    let c = p / (SIDE * SIDE);
    x[i] = pack(vec4(pixel(n, c, h, w), pixel(n + 1u, c, h, w), pixel(n + 2u, c, h, w), pixel(n + 3u, c, h, w)));
}
