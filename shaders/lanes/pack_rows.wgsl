// packed[o, c, u, v] = w[o, c, u, v], rows of the window padded with zeros to whole vec4s.

#import each
#import packed

@group(0) @binding(0) var<storage, read> w: array<f32>;                   // [OUT, C, KERNEL, KERNEL]
@group(0) @binding(1) var<storage, read_write> packed: array<Packed>;     // [OUT, C, KERNEL, V4]

const V4 = (KERNEL + 3u) / 4u;

fn weight(row: u32, v: u32) -> f32 {
    if v >= KERNEL { return 0.0; }
    return w[row * KERNEL + v];
}

fn each(i: u32) {
    let row = i / V4;
    let v = i % V4 * 4u;
    packed[i] = pack(vec4(weight(row, v), weight(row, v + 1u), weight(row, v + 2u), weight(row, v + 3u)));
}
