// y[o, q, n] = b[o] + Σ_{c, u, v} w[o, c, u, v] · x[c, STRIDE·q + (u, v) - PAD, n], for few input maps
//
// As lanes/forward, but the weights of a row of the window lie together, padded to V4 vec4s, and one load brings as many
// rows as the lanes hold, where that kernel would bring input maps.

#import lanes
#import relu
#import packed

@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;       // [C, H, W, N4]
@group(0) @binding(1) var w: texture_storage_2d<rgba32float, read>;       // [OUT, C, KERNEL, V4]
@group(0) @binding(2) var<storage, read> b: array<f32>;                   // [OUT]
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;          // [OUT, OUT_H, OUT_W, N4]

const V4 = (KERNEL + 3u) / 4u;
// Weights of a row behind the whole vec4s.
const REST = KERNEL % 4u;
// vec4s of a map's weights.
const MAP = C * KERNEL * V4;
// Whether no window reaches past the image.
const INSIDE = PAD == 0u && (OUT_H - 1u) * STRIDE + KERNEL <= H && (OUT_W - 1u) * STRIDE + KERNEL <= W;

// x at place ix of a row, zero outside.
fn pixel_at(line: u32, ix: i32, images: u32) -> vec4<f32> {
    if INSIDE { return textureLoad(x, at((line + u32(ix)) * N4 + images)); }
    let inside = ix >= 0 && ix < i32(W);
    return select(vec4(0.0), textureLoad(x, at((line + select(0u, u32(ix), inside)) * N4 + images)), inside);
}

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
    for (var r = 0u; r < C * KERNEL; r++) {
        let iy = y0 + i32(r % KERNEL);
        if INSIDE || (iy >= 0 && iy < i32(H)) {
            var a: Rows;
            let weights = (row * C * KERNEL + r) * V4 + lane;
            for (var i = 0u; i < PART; i++) { a.low[i] = textureLoad(w, at(weights + i * MAP)); }
            for (var i = 0u; i < PART; i++) { a.high[i] = textureLoad(w, at(weights + (PART + i) * MAP)); }
            let line = (r / KERNEL * H + u32(iy)) * W;
            for (var k = 0u; k < KERNEL / 4u; k++) {
                var values: array<vec4<f32>, 4>;
                for (var e = 0u; e < 4u; e++) { values[e] = pixel_at(line, x0 + i32(k * 4u + e), images); }
                add(&sum, &a, k, &values, 4u);
            }
            var rest: array<vec4<f32>, 4>;
            for (var e = 0u; e < REST; e++) { rest[e] = pixel_at(line, x0 + i32(KERNEL - REST + e), images); }
            add(&sum, &a, KERNEL / 4u, &rest, REST);
        }
    }
    for (var i = 0u; i < PART; i++) {
        store(row + i, pixel, images, sum.low[i]);
        store(row + PART + i, pixel, images, sum.high[i]);
    }
}
