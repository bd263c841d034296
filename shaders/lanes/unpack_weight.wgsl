// dw[o, r] = Σ_s partial[s, r, o], r = (c, u, v), in the order of the slices

#import each
#import scalars

@group(0) @binding(0) var<storage, read> partial: array<f32>;             // [SLICES, ROWS, 4·O4]

fn each(i: u32) {
    let o = i / ROWS;
    let r = i % ROWS;
    var value = 0.0;
    for (var s = 0u; s < SLICES; s++) {
        value += partial[(s * ROWS + r) * O4 * 4u + o];
    }
    settle(i, value);                                                     // [OUT, ROWS]
}
