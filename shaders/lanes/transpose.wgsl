// turned[q, n, o] = dy[o, q, n]: maps innermost, padded with zeros to whole vec4s, in blocks.

#import each
#import inner
#import packed

@group(0) @binding(0) var<storage, read> dy: array<f32>;                  // [OUT, QN], QN = pixels × images
@group(0) @binding(1) var<storage, read_write> turned: array<Packed>;     // [Q, blocks]

fn value(o: u32, qn: u32) -> f32 {
    if o >= OUT { return 0.0; }
    return dy[o * QN + qn];
}

fn each(i: u32) {
    let inner = inner_at(i % (IMAGES * O4));
    let qn = i / (IMAGES * O4) * IMAGES + inner.image;
    let o = inner.o * 4u;
    turned[i] = pack(vec4(value(o, qn), value(o + 1u, qn), value(o + 2u, qn), value(o + 3u, qn)));
}
