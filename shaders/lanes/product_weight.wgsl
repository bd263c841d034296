// du[p, c, o] = Σ_{t, n} v[t, p, c, n] · z[t, p, n, o]: a product for each p; added to what is there from the second part
// of the batch on (ADDS)
//
// Lanes lie along o; a workgroup computes TM rows c. v is loaded 4·LANES images at once and handed round, as x is in
// lanes/backward_weight.

#import lanes
#import inner
#import packed

@group(0) @binding(0) var v: texture_storage_2d<rgba32float, read>;       // [TILES, SIDE², ROWS, G4]
@group(0) @binding(1) var z: texture_storage_2d<rgba32float, read>;       // [TILES, SIDE², blocks]
@group(0) @binding(2) var<storage, read_write> du: array<Packed>;         // [SIDE², ROWS, O4]

// Rows past the last are not stored.
fn operand(t: u32, row: u32, n: u32) -> vec4<f32> {
    return textureLoad(v, at((t * ROWS + min(row, ROWS - 1u)) * G4 + n));
}

fn store(product: u32, row: u32, o: u32, sum: vec4<f32>) {
    if row >= ROWS { return; }
    let place = (product * ROWS + row) * O4 + o;
    var value = sum;
    if ADDS == 1u { value += unpack(du[place]); }
    du[place] = pack(value);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let o = group.x * LANES + lane;
    let row = group.y * TM;
    // A lane past the last map reads anything.
    let width = width_of(group.x);
    let block = group.x * (LANES * IMAGES) + lane;
    var sum: Rows;
    for (var tile = 0u; tile < TILES; tile++) {
        let t = tile * SIDE * SIDE + group.z;
        for (var n = 0u; n < G4; n += LANES) {
            var a: Rows;
            for (var i = 0u; i < PART; i++) { a.low[i] = operand(t, row + i, n + lane); }
            for (var i = 0u; i < PART; i++) { a.high[i] = operand(t, row + PART + i, n + lane); }
            for (var k = 0u; k < LANES; k++) {
                var x: array<vec4<f32>, 4>;
                for (var e = 0u; e < 4u; e++) {
                    x[e] = textureLoad(z, at(t * (IMAGES * O4) + block + ((n + k) * 4u + e) * width));
                }
                add(&sum, &a, k, &x, 4u);
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
