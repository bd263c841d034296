// dw[o, q, c, u, v] = Σ_n dy[o, q, n] · x[c, STRIDE·q + (u, v) - PAD, n]; added to what is there where the step
// accumulates. Four maps an item, which share x.

#import each
#import step
#import packed

@group(0) @binding(0) var<storage, read> dy: array<Packed>;               // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(1) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;            // [OUT, OUT_H, OUT_W, C, KERNEL, KERNEL]

const Q = OUT_H * OUT_W;
const ROWS = C * KERNEL * KERNEL;

fn put(place: u32, value: vec4<f32>) {
    dw[place] = select(0.0, dw[place], step.accumulate == 1u) + ((value.x + value.y) + (value.z + value.w));
}

fn each(i: u32) {
    let row = i % ROWS;
    let q = i / ROWS % Q;
    let first = i / (ROWS * Q) * 4u;
    // Maps past the last compute it once more, and are not stored.
    let o = min(vec4(first, first + 1u, first + 2u, first + 3u), vec4(OUT - 1u)) * Q + q;
    let h = q / OUT_W * STRIDE + row / KERNEL % KERNEL;
    let v = q % OUT_W * STRIDE + row % KERNEL;
    var dw0 = vec4(0.0);
    var dw1 = vec4(0.0);
    var dw2 = vec4(0.0);
    var dw3 = vec4(0.0);
    if h >= PAD && h < H + PAD && v >= PAD && v < W + PAD {
        let pixel = (row / (KERNEL * KERNEL) * H + h - PAD) * W + v - PAD;
        for (var n = 0u; n < N4; n++) {
            let value = unpack(x[pixel * N4 + n]);
            dw0 += unpack(dy[o.x * N4 + n]) * value;
            dw1 += unpack(dy[o.y * N4 + n]) * value;
            dw2 += unpack(dy[o.z * N4 + n]) * value;
            dw3 += unpack(dy[o.w * N4 + n]) * value;
        }
    }
    put(o.x * ROWS + row, dw0);
    if first + 1u < OUT { put(o.y * ROWS + row, dw1); }
    if first + 2u < OUT { put(o.z * ROWS + row, dw2); }
    if first + 3u < OUT { put(o.w * ROWS + row, dw3); }
}
