// dw[r, o] = Σ_{q, n} x[c, STRIDE·q + (u, v) - PAD, n] · dy[q, n, o], r = (c, u, v)
//
// Lanes lie along the output maps, dy has them innermost; a workgroup computes TM rows r. x is loaded 4·LANES images at
// once and handed round. Output pixels are split into slices of Q_SLICE, added afterwards in a fixed order.
// A fully connected layer swaps the two operands, which gives [o, c]: the parameter's own layout.

#import lanes
#import inner
#import vec4s

@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;       // [C, H, W, N4]
@group(0) @binding(1) var dy: texture_storage_2d<rgba32float, read>;      // [OUT_H, OUT_W, blocks]

// x in row `row` of the window whose first pixel is (y0, x0), zero outside. Rows past the last are not stored.
fn pixel(row: u32, y0: u32, x0: u32, images: u32) -> vec4<f32> {
    let r = min(row, C * KERNEL * KERNEL - 1u);
    let iy = i32(y0 + r / KERNEL % KERNEL) - i32(PAD);
    let ix = i32(x0 + r % KERNEL) - i32(PAD);
    var value = vec4(0.0);
    if iy >= 0 && iy < i32(H) && ix >= 0 && ix < i32(W) {
        value = textureLoad(x, at(((r / (KERNEL * KERNEL) * H + u32(iy)) * W + u32(ix)) * N4 + images));
    }
    return value;
}

fn store(slice: u32, row: u32, o: u32, sum: vec4<f32>) {
    if row >= ROWS { return; }
    settle((slice * ROWS + row) * O4 + o, sum);      // [slices, ROWS, O4], from row ROW_0 on
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let o = group.x * LANES + lane;
    let row = group.y * TM;
    // A lane past the last map reads anything.
    let width = width_of(group.x);
    let block = group.x * (LANES * IMAGES) + lane;
    var sum: Rows;
    let q_end = min(OUT_H * OUT_W, (group.z + 1u) * Q_SLICE);
    for (var q = group.z * Q_SLICE; q < q_end; q++) {
        let y0 = q / OUT_W * STRIDE;
        let x0 = q % OUT_W * STRIDE;
        for (var n = 0u; n < N4; n += LANES) {
            var a: Rows;
            for (var i = 0u; i < PART; i++) { a.low[i] = pixel(ROW_0 + row + i, y0, x0, n + lane); }
            for (var i = 0u; i < PART; i++) { a.high[i] = pixel(ROW_0 + row + PART + i, y0, x0, n + lane); }
            for (var k = 0u; k < LANES; k++) {
                var values: array<vec4<f32>, 4>;
                for (var e = 0u; e < 4u; e++) {
                    values[e] = textureLoad(dy, at(q * (IMAGES * O4) + block + ((n + k) * 4u + e) * width));
                }
                add(&sum, &a, k, &values, 4u);
            }
        }
    }
    if o < O4 {
        for (var i = 0u; i < PART; i++) {
            store(group.z, row + i, o, sum.low[i]);
            store(group.z, row + PART + i, o, sum.high[i]);
        }
    }
}
