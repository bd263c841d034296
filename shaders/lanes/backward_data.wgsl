// dx[c, p, n] = Σ_{u, v, o} w[o, u, v, c] · dy[o, (p + PAD - (u, v)) / STRIDE, n], exact quotients only.
//
// Lanes lie along the images of one input pixel; a workgroup computes TM input maps. It reads the weights as packed for
// the forward product: lane l holds the TM inputs of output map o + l and hands them round.

#import lanes

@group(0) @binding(0) var dy: texture_storage_2d<rgba32float, read>;      // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(1) var w: texture_storage_2d<rgba32float, read>;       // [OUT, KERNEL, KERNEL, C4]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;      // [C, H, W, N4]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let images = group.x % (N4 / LANES) * LANES + lane;
    let pixel = group.x / (N4 / LANES);
    let y0 = pixel / W + PAD;
    let x0 = pixel % W + PAD;
    let row = group.y * TM;
    var sum: array<vec4<f32>, TM>;
    for (var u = 0u; u < KERNEL; u++) {
        if y0 >= u && (y0 - u) % STRIDE == 0u && (y0 - u) / STRIDE < OUT_H {
            for (var v = 0u; v < KERNEL; v++) {
                if x0 >= v && (x0 - v) % STRIDE == 0u && (x0 - v) / STRIDE < OUT_W {
                    let place = ((y0 - u) / STRIDE * OUT_W + (x0 - v) / STRIDE) * N4 + images;
                    for (var o = 0u; o < OUT; o += LANES) {
                        var a: array<vec4<f32>, TM / 4u>;
                        for (var j = 0u; j < TM / 4u; j++) {
                            a[j] = textureLoad(w, at((((o + lane) * KERNEL + u) * KERNEL + v) * C4 + row / 4u + j));
                        }
                        for (var k = 0u; k < LANES; k++) {
                            if OUT % LANES == 0u || o + k < OUT {
                                let value = textureLoad(dy, at((o + k) * (OUT_H * OUT_W * N4) + place));
                                for (var j = 0u; j < TM / 4u; j++) {
                                    for (var e = 0u; e < 4u; e++) {
                                        let i = j * 4u + e;
                                        sum[i] = fma(vec4(subgroupShuffle(a[j][e], k)), value, sum[i]);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    for (var i = 0u; i < TM; i++) {
        if row + i < C {
            dx[((row + i) * H * W + pixel) * N4 + images] = sum[i];
        }
    }
}
