// du[p, c, o] = Σ_{t, n} v[t, p, c, n] · z[t, p, n, o]: a product for each p; added to what is there from the second part
// of the batch on (ADDS)
//
// Lanes lie along o; a workgroup computes TM rows c. v is loaded 4·LANES images at once and handed round, as x is in
// lanes/backward_weight.

#import lanes

@group(0) @binding(0) var v: texture_storage_2d<rgba32float, read>;       // [TILES, SIDE², ROWS, G4]
@group(0) @binding(1) var z: texture_storage_2d<rgba32float, read>;       // [TILES, SIDE², 4·G4, O4]
@group(0) @binding(2) var<storage, read_write> du: array<vec4<f32>>;      // [SIDE², ROWS, O4]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let o = group.x * LANES + lane;
    let row = group.y * TM;
    var sum: array<vec4<f32>, TM>;
    for (var tile = 0u; tile < TILES; tile++) {
        let t = tile * SIDE * SIDE + group.z;
        for (var n = 0u; n < G4; n += LANES) {
            var a: array<vec4<f32>, TM>;
            for (var i = 0u; i < TM; i++) {
                a[i] = textureLoad(v, at((t * ROWS + min(row + i, ROWS - 1u)) * G4 + n + lane));
            }
            for (var k = 0u; k < LANES; k++) {
                for (var e = 0u; e < 4u; e++) {
                    let value = textureLoad(z, at((t * G4 * 4u + (n + k) * 4u + e) * O4 + o));
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
                if ADDS == 1u { sum[i] += du[place]; }
                du[place] = sum[i];
            }
        }
    }
}
