// How buffers hold vec4s, in the form for CPU adapters with 64-bit integers: the same bytes as two numbers. Mesa's llvmpipe
// loads and stores number by number and lane by lane, with a test of the bounds each time, so that half as many take less.

alias Packed = vec2<u64>;

fn pack(value: vec4<f32>) -> Packed {
    let bits = bitcast<vec4<u32>>(value);
    return vec2<u64>(bits.xz) | (vec2<u64>(bits.yw) << vec2(32u));
}

fn unpack(value: Packed) -> vec4<f32> {
    let low = vec2<u32>(value);
    let high = vec2<u32>(value >> vec2(32u));
    return bitcast<vec4<f32>>(vec4(low.x, high.x, low.y, high.y));
}
