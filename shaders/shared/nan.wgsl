// Tests by exponent bits: a compiler may assume that no NaN occurs and fold `x != x`.

fn is_nan(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4(0x7FFFFFFFu)) > vec4(0x7F800000u);
}

// NaN or infinite.
fn is_bad(x: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(x) & vec4(0x7F800000u)) == vec4(0x7F800000u);
}
