// m[t, p, r, n] = Σ_s u[p, r, s] · v[t, p, s, n]: a product for each p, with the columns t, n
//
// Lanes lie along the images n; a workgroup computes TM rows. u is loaded 4·CHUNK terms of the sum at once and handed
// round, as the weights are in lanes/forward.

#import lanes

@group(0) @binding(0) var v: texture_storage_2d<rgba32float, read>;       // [TILES, SIDE², SUM, G4]
@group(0) @binding(1) var u: texture_storage_2d<rgba32float, read>;       // [SIDE², ROWS, SUM4]
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;       // [TILES, SIDE², ROWS, G4]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let images = group.x % (G4 / LANES) * LANES + lane;
    let tile = group.x / (G4 / LANES) * SIDE * SIDE + group.z;
    let row = group.y * TM;
    var sum: array<vec4<f32>, TM>;
    for (var s = 0u; s < SUM4; s += CHUNK) {
        var a: array<vec4<f32>, TM>;
        for (var i = 0u; i < TM; i++) {
            a[i] = textureLoad(u, at((group.z * ROWS + row + i) * SUM4 + s + lane));
        }
        for (var k = 0u; k < CHUNK; k++) {
            for (var e = 0u; e < 4u; e++) {
                // Terms past SUM are padding of u only.
                if SUM % 4u == 0u || (s + k) * 4u + e < SUM {
                    let value = textureLoad(v, at((tile * SUM + (s + k) * 4u + e) * G4 + images));
                    for (var i = 0u; i < TM; i++) {
                        sum[i] = fma(vec4(subgroupShuffle(a[i][e], k)), value, sum[i]);
                    }
                }
            }
        }
    }
    for (var i = 0u; i < TM; i++) {
        if row + i < ROWS {
            m[(tile * ROWS + row + i) * G4 + images] = sum[i];
        }
    }
}
