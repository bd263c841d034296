// dw[r, o] = Σ_{q, n} x[c, STRIDE·q + (u, v) - PAD, n] · dy[q, n, o], r = (c, u, v)
//
// Lanes lie along the output maps, dy has them innermost; a workgroup computes TM rows r. x is loaded 4·LANES images at
// once and handed round. Output pixels are split into slices of Q_SLICE, added afterwards in a fixed order.
// A fully connected layer swaps the two operands, which gives [o, c]: the parameter's own layout.

#import lanes
#import step

@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;       // [C, H, W, N4]
@group(0) @binding(1) var dy: texture_storage_2d<rgba32float, read>;      // [OUT_H, OUT_W, 4·N4, O4]
@group(0) @binding(2) var<storage, read_write> dw: array<vec4<f32>>;      // [slices, ROWS, O4], from row ROW_0 on

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let o = group.x * LANES + lane;
    let row = group.y * TM;
    var sum: array<vec4<f32>, TM>;
    let q_end = min(OUT_H * OUT_W, (group.z + 1u) * Q_SLICE);
    for (var q = group.z * Q_SLICE; q < q_end; q++) {
        let y0 = q / OUT_W * STRIDE;
        let x0 = q % OUT_W * STRIDE;
        for (var n = 0u; n < N4; n += LANES) {
            var a: array<vec4<f32>, TM>;
            for (var i = 0u; i < TM; i++) {
                let r = min(ROW_0 + row + i, C * KERNEL * KERNEL - 1u);
                let iy = i32(y0 + r / KERNEL % KERNEL) - i32(PAD);
                let ix = i32(x0 + r % KERNEL) - i32(PAD);
                a[i] = vec4(0.0);
                if iy >= 0 && iy < i32(H) && ix >= 0 && ix < i32(W) {
                    let place = (r / (KERNEL * KERNEL) * H + u32(iy)) * W + u32(ix);
                    a[i] = textureLoad(x, at(place * N4 + n + lane));
                }
            }
            for (var k = 0u; k < LANES; k++) {
                for (var e = 0u; e < 4u; e++) {
                    let value = textureLoad(dy, at((q * N4 * 4u + (n + k) * 4u + e) * O4 + o));
                    for (var i = 0u; i < TM; i++) {
                        sum[i] = fma(vec4(subgroupShuffle(a[i][e], k)), value, sum[i]);
                    }
                }
            }
        }
    }
    if o < O4 {
        for (var i = 0u; i < TM; i++) {
            if row + i < ROWS {
                let place = (group.z * ROWS + row + i) * O4 + o;
                // A branch, not a select: nothing is loaded where nothing is added.
                if ACCUMULATES * step.accumulate == 1u { sum[i] += dw[place]; }
                dw[place] = sum[i];
            }
        }
    }
}
