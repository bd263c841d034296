// dy = 0 where y, after the ReLU, is not above 0, in place; and db[o] = Σ_{q, n} dy[o, q, n] of what is left

#import map_sum
#import nan
#import packed

@group(0) @binding(0) var<storage, read> y: array<Packed>;            // [OUT, LEN] vec4s: output pixels × images
@group(0) @binding(1) var<storage, read_write> dy: array<Packed>;     // [OUT, LEN]
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;       // [OUT]

fn term(i: u32) -> vec4<f32> {
    let y = unpack(y[i]);
    let value = select(vec4(0.0), unpack(dy[i]), (y > vec4(0.0)) | is_nan(y));
    dy[i] = pack(value);
    return value;
}
