// packed[o, u, v, c] = w[o, c, u, v], input maps innermost and padded with zeros to whole vec4s.

#import each
#import packed

@group(0) @binding(0) var<storage, read> w: array<f32>;                   // [OUT, C, KERNEL, KERNEL]
@group(0) @binding(1) var<storage, read_write> packed: array<Packed>;     // [OUT, KERNEL, KERNEL, C4]

const KK = KERNEL * KERNEL;

fn weight(o: u32, c: u32, uv: u32) -> f32 {
    if c >= C { return 0.0; }
    return w[(o * C + c) * KK + uv];
}

fn each(i: u32) {
    let c = i % C4 * 4u;
    let uv = i / C4 % KK;
    let o = i / (C4 * KK);
    packed[i] = pack(vec4(weight(o, c, uv), weight(o, c + 1u, uv), weight(o, c + 2u, uv), weight(o, c + 3u, uv)));
}
