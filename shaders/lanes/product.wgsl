// m[t, p, r, n] = Σ_s u[p, r, s] · v[t, p, s, n]: a product for each p, with the columns t, n
//
// Lanes lie along the images n; a workgroup computes TM rows. u is loaded 4·LANES terms of the sum at once and handed
// round, as the weights are in lanes/forward.

#import lanes
#import packed

@group(0) @binding(0) var v: texture_storage_2d<rgba32float, read>;       // [TILES, SIDE², SUM, G4]
@group(0) @binding(1) var u: texture_storage_2d<rgba32float, read>;       // [SIDE², ROWS, SUM4]
@group(0) @binding(2) var<storage, read_write> m: array<Packed>;          // [TILES, SIDE², ROWS, G4]

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let images = group.x % (G4 / LANES) * LANES + lane;
    let tile = group.x / (G4 / LANES) * SIDE * SIDE + group.z;
    let row = group.y * TM;
    var sum: Rows;
    for (var s = 0u; s < SUM4; s += LANES) {
        var a: Rows;
        let place = (group.z * ROWS + row) * SUM4 + s + lane;
        for (var i = 0u; i < PART; i++) { a.low[i] = textureLoad(u, at(place + i * SUM4)); }
        for (var i = 0u; i < PART; i++) { a.high[i] = textureLoad(u, at(place + (PART + i) * SUM4)); }
        for (var k = 0u; k < min(LANES, SUM4 - s); k++) {
            var x: array<vec4<f32>, 4>;
            for (var e = 0u; e < 4u; e++) {
                let term = (s + k) * 4u + e;
                // Terms past SUM are padding of u only.
                if SUM % 4u == 0u || term < SUM { x[e] = textureLoad(v, at((tile * SUM + term) * G4 + images)); }
            }
            add(&sum, &a, k, &x, 4u);
        }
    }
    let place = (tile * ROWS + row) * G4 + images;
    for (var i = 0u; i < PART; i++) {
        if row + i < ROWS { m[place + i * G4] = pack(sum.low[i]); }
        if row + PART + i < ROWS { m[place + (PART + i) * G4] = pack(sum.high[i]); }
    }
}
