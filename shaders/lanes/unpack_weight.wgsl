// dw[o, r] = Σ_s partial[s, r, o], r = (c, u, v), in the order of the slices; added to what is there where the step
// accumulates.

#import each
#import step

@group(0) @binding(0) var<storage, read> partial: array<f32>;             // [SLICES, ROWS, 4·O4]
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;            // [OUT, ROWS]

fn each(i: u32) {
    let o = i / ROWS;
    let r = i % ROWS;
    var value = select(0.0, dw[i], step.accumulate == 1u);
    for (var s = 0u; s < SLICES; s++) {
        value += partial[(s * ROWS + r) * O4 * 4u + o];
    }
    dw[i] = value;
}
