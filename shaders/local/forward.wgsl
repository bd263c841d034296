// y[o, q, n] = b[o, q] + Σ w[o, q, c, u, v] · x[c, STRIDE·q + (u, v) - PAD, n]: weights of its own at each place. Four maps
// an item, which share x.

#import each
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(1) var<storage, read> w: array<f32>;                   // [OUT, OUT_H, OUT_W, C, KERNEL, KERNEL]
@group(0) @binding(2) var<storage, read> b: array<f32>;                   // [OUT, OUT_H, OUT_W]
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;          // [OUT, OUT_H, OUT_W, N4]

const Q = OUT_H * OUT_W;
const ROWS = C * KERNEL * KERNEL;

fn each(i: u32) {
    let n = i % N4;
    let q = i / N4 % Q;
    let first = i / (N4 * Q) * 4u;
    // Maps past the last compute it once more, and are not stored.
    let o = min(vec4(first, first + 1u, first + 2u, first + 3u), vec4(OUT - 1u)) * Q + q;
    let h = q / OUT_W * STRIDE;
    let v = q % OUT_W * STRIDE;
    let bottom = min(KERNEL, max(H + PAD, h) - h);
    let right = min(KERNEL, max(W + PAD, v) - v);
    var y0 = vec4(b[o.x]);
    var y1 = vec4(b[o.y]);
    var y2 = vec4(b[o.z]);
    var y3 = vec4(b[o.w]);
    for (var c = 0u; c < C; c++) {
        for (var k = max(PAD, h) - h; k < bottom; k++) {
            for (var l = max(PAD, v) - v; l < right; l++) {
                let row = o * ROWS + (c * KERNEL + k) * KERNEL + l;
                let value = unpack(x[((c * H + h + k - PAD) * W + v + l - PAD) * N4 + n]);
                y0 += w[row.x] * value;
                y1 += w[row.y] * value;
                y2 += w[row.z] * value;
                y3 += w[row.w] * value;
            }
        }
    }
    y[o.x * N4 + n] = pack(y0);
    if first + 1u < OUT { y[o.y * N4 + n] = pack(y1); }
    if first + 2u < OUT { y[o.z * N4 + n] = pack(y2); }
    if first + 3u < OUT { y[o.w * N4 + n] = pack(y3); }
}
