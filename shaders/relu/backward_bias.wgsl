// dy = 0 where y, after the ReLU, is not above 0, in place; and db[o] = Σ_{q, n} dy[o, q, n] of what is left

#import map_sum
#import nan

@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;         // [OUT, LEN] vec4s: output pixels × images
@group(0) @binding(1) var<storage, read_write> dy: array<vec4<f32>>;  // [OUT, LEN]
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;       // [OUT]

fn term(i: u32) -> vec4<f32> {
    let y = y[i];
    let value = select(vec4(0.0), dy[i], (y > vec4(0.0)) | is_nan(y));
    dy[i] = value;
    return value;
}
