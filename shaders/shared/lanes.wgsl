// For adapters where a subgroup is a vector register of a CPU: one workgroup is one subgroup of LANES lanes, there is
// no barrier and no workgroup memory. A lane holds a vec4; one operand is loaded LANES vec4s at once and handed round
// by shuffle, the other is loaded per lane. Operands are textures (a texel costs a third of a buffer's vec4), results
// go to buffers (a store to a texture costs four times one to a buffer).
//
// A workgroup computes TM rows of the product. Four terms are loaded first and then added to one row after the other, so
// that a row's four sums are all that registers have to hold: sixteen rows at once do not fit. The rows lie in two arrays,
// because drivers unroll no longer loops than over half of them.
//
// Every address is a sum of a part that is the same for all lanes and the lane's number, and so is every test.

// Place of vec4 `i` in a linear texture (src/gpu/tensor.rs).
fn at(i: u32) -> vec2<u32> {
    return vec2(i % 4096u, i / 4096u);
}

const PART = TM / 2u;

// A vec4 for each row of the workgroup.
struct Rows {
    low: array<vec4<f32>, PART>,
    high: array<vec4<f32>, PART>,
}

// sum[i] += Σ_e a[i][e] · x[e], where lane k's a holds the factors of x: `terms` of them, at most four.
fn add(sum: ptr<function, Rows>, a: ptr<function, Rows>, k: u32, x: ptr<function, array<vec4<f32>, 4>>, terms: u32) {
    for (var i = 0u; i < PART; i++) {
        var value = (*sum).low[i];
        for (var e = 0u; e < terms; e++) {
            value = fma(vec4(subgroupShuffle((*a).low[i][e], k)), (*x)[e], value);
        }
        (*sum).low[i] = value;
    }
    for (var i = 0u; i < PART; i++) {
        var value = (*sum).high[i];
        for (var e = 0u; e < terms; e++) {
            value = fma(vec4(subgroupShuffle((*a).high[i][e], k)), (*x)[e], value);
        }
        (*sum).high[i] = value;
    }
}
