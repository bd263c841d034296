// For adapters where a subgroup is a vector register of a CPU: one workgroup is one subgroup of LANES lanes, there is
// no barrier and no workgroup memory. A lane holds a vec4; one operand is loaded LANES vec4s at once and handed round
// by shuffle, the other is loaded per lane. Operands are textures (a texel costs a third of a buffer's vec4), results
// go to buffers (a store to a texture costs four times one to a buffer).
//
// Every address is a sum of a part that is the same for all lanes and the lane's number, and so is every test.

// Place of vec4 `i` in a linear texture (src/gpu/tensor.rs).
fn at(i: u32) -> vec2<u32> {
    return vec2(i % 4096u, i / 4096u);
}
