// sum[i] = Σ_s partial[s, i], in the order of the slices; added to what is there where ACCUMULATES and the step say so.

#import each
#import step

@group(0) @binding(0) var<storage, read> partial: array<f32>;         // [SLICES, ITEMS]
@group(0) @binding(1) var<storage, read_write> sum: array<f32>;       // [ITEMS]

fn each(i: u32) {
    var value = select(0.0, sum[i], ACCUMULATES * step.accumulate == 1u);
    for (var s = 0u; s < SLICES; s++) {
        value += partial[s * ITEMS + i];
    }
    sum[i] = value;
}
