// sum[i] = Σ_s partial[s, i], in the order of the slices

#import each
#import scalars

@group(0) @binding(0) var<storage, read> partial: array<f32>;         // [SLICES, ITEMS]

fn each(i: u32) {
    var value = 0.0;
    for (var s = 0u; s < SLICES; s++) {
        value += partial[s * ITEMS + i];
    }
    settle(i, value);
}
