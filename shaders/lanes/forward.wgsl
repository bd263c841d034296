// y[o, q, n] = b[o] + Σ_{u, v, c} w[o, u, v, c] · x[c, STRIDE·q + (u, v) - PAD, n]
//
// Lanes lie along the images of one output pixel; a workgroup computes TM maps. Weights are loaded 4·LANES input maps
// at once and handed round. Windows outside the image cost nothing.

#import lanes
#import relu
#import packed

@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;       // [C, H, W, N4]
@group(0) @binding(1) var w: texture_storage_2d<rgba32float, read>;       // [OUT, KERNEL, KERNEL, C4]
@group(0) @binding(2) var<storage, read> b: array<f32>;                   // [OUT]
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;          // [OUT, OUT_H, OUT_W, N4]

// vec4s of a map's weights.
const MAP = KERNEL * KERNEL * C4;

fn store(o: u32, pixel: u32, images: u32, sum: vec4<f32>) {
    if o >= OUT { return; }
    var value = sum + vec4(b[o]);
    if RELU == 1u { value = relu(value); }
    y[(o * OUT_H * OUT_W + pixel) * N4 + images] = pack(value);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let images = group.x % (N4 / LANES) * LANES + lane;
    let pixel = group.x / (N4 / LANES);
    let y0 = i32(pixel / OUT_W * STRIDE) - i32(PAD);
    let x0 = i32(pixel % OUT_W * STRIDE) - i32(PAD);
    let row = group.y * TM;
    var sum: Rows;
    for (var u = 0u; u < KERNEL; u++) {
        let iy = y0 + i32(u);
        if iy >= 0 && iy < i32(H) {
            for (var v = 0u; v < KERNEL; v++) {
                let ix = x0 + i32(v);
                if ix >= 0 && ix < i32(W) {
                    let place = (u32(iy) * W + u32(ix)) * N4 + images;
                    for (var c = 0u; c < C4; c += LANES) {
                        var a: Rows;
                        let weights = ((row * KERNEL + u) * KERNEL + v) * C4 + c + lane;
                        for (var i = 0u; i < PART; i++) { a.low[i] = textureLoad(w, at(weights + i * MAP)); }
                        for (var i = 0u; i < PART; i++) { a.high[i] = textureLoad(w, at(weights + (PART + i) * MAP)); }
                        for (var k = 0u; k < min(LANES, C4 - c); k++) {
                            var values: array<vec4<f32>, 4>;
                            for (var e = 0u; e < 4u; e++) {
                                let map = (c + k) * 4u + e;
                                // Maps past C are padding of the weights only.
                                if C % 4u == 0u || map < C { values[e] = textureLoad(x, at(map * (H * W * N4) + place)); }
                            }
                            add(&sum, &a, k, &values, 4u);
                        }
                    }
                }
            }
        }
    }
    for (var i = 0u; i < PART; i++) {
        store(row + i, pixel, images, sum.low[i]);
        store(row + PART + i, pixel, images, sum.high[i]);
    }
}
