// dx[c, p, n] = Σ_{u, v, o} w[o, u, v, c] · dy[o, (p + PAD - (u, v)) / STRIDE, n], exact quotients only.
//
// Lanes lie along the images of one input pixel; a workgroup computes TM input maps. It reads the weights as packed for
// the forward product: lane l holds the TM inputs of output map o + l and hands them round.

#import lanes
#import packed

@group(0) @binding(0) var dy: texture_storage_2d<rgba32float, read>;      // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(1) var w: texture_storage_2d<rgba32float, read>;       // [OUT, KERNEL, KERNEL, C4]
@group(0) @binding(2) var<storage, read_write> dx: array<Packed>;         // [C, H, W, N4]

// Weights of a lane's output map for the workgroup's inputs.
alias Inputs = array<vec4<f32>, TM / 4u>;

// sum[i] += Σ_e a[i] of lane k + e · x[e]: as `add`, with the factors the other way round.
fn add_maps(sum: ptr<function, Rows>, a: ptr<function, Inputs>, k: u32, x: ptr<function, array<vec4<f32>, 4>>) {
    for (var i = 0u; i < PART; i++) {
        var value = (*sum).low[i];
        for (var e = 0u; e < 4u; e++) {
            value = fma(vec4(subgroupShuffle((*a)[i / 4u][i % 4u], k + e)), (*x)[e], value);
        }
        (*sum).low[i] = value;
    }
    for (var i = 0u; i < PART; i++) {
        var value = (*sum).high[i];
        for (var e = 0u; e < 4u; e++) {
            value = fma(vec4(subgroupShuffle((*a)[(PART + i) / 4u][(PART + i) % 4u], k + e)), (*x)[e], value);
        }
        (*sum).high[i] = value;
    }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let images = group.x % (N4 / LANES) * LANES + lane;
    let pixel = group.x / (N4 / LANES);
    let y0 = pixel / W + PAD;
    let x0 = pixel % W + PAD;
    let row = group.y * TM;
    var sum: Rows;
    for (var u = 0u; u < KERNEL; u++) {
        if y0 >= u && (y0 - u) % STRIDE == 0u && (y0 - u) / STRIDE < OUT_H {
            for (var v = 0u; v < KERNEL; v++) {
                if x0 >= v && (x0 - v) % STRIDE == 0u && (x0 - v) / STRIDE < OUT_W {
                    let place = ((y0 - u) / STRIDE * OUT_W + (x0 - v) / STRIDE) * N4 + images;
                    for (var o = 0u; o < OUT; o += LANES) {
                        var a: Inputs;
                        let weights = (((o + lane) * KERNEL + u) * KERNEL + v) * C4 + row / 4u;
                        for (var j = 0u; j < TM / 4u; j++) {
                            // Behind the last map's weights lies anything.
                            if OUT % LANES == 0u || o + lane < OUT { a[j] = textureLoad(w, at(weights + j)); }
                        }
                        for (var k = 0u; k < LANES; k += 4u) {
                            var values: array<vec4<f32>, 4>;
                            for (var e = 0u; e < 4u; e++) {
                                let map = o + k + e;
                                if OUT % LANES == 0u || map < OUT {
                                    values[e] = textureLoad(dy, at(map * (OUT_H * OUT_W * N4) + place));
                                }
                            }
                            add_maps(&sum, &a, k, &values);
                        }
                    }
                }
            }
        }
    }
    for (var i = 0u; i < PART; i++) {
        let place = ((row + i) * H * W + pixel) * N4 + images;
        if row + i < C { dx[place] = pack(sum.low[i]); }
        if row + PART + i < C { dx[place + PART * H * W * N4] = pack(sum.high[i]); }
    }
}
