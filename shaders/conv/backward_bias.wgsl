// db[o] = Σ_{q, n} dy[o, q, n]

#import map_sum
#import packed

@group(0) @binding(0) var<storage, read> dy: array<Packed>;           // [OUT, LEN] vec4s: output pixels × images
@group(0) @binding(1) var<storage, read_write> sum: array<f32>;       // [OUT]

fn term(i: u32) -> vec4<f32> {
    return unpack(dy[i]);
}
