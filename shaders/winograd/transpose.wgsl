// turned[q, n, o] = dy[o, q, n] for the pixels and images of a chunk: maps innermost, padded with zeros to whole vec4s,
// in blocks.

#import each
#import inner
#import packed

@group(0) @binding(0) var<storage, read> dy: array<f32>;                  // [OUT, OUT_H, OUT_W, 4·N4]
@group(0) @binding(1) var<storage, read_write> turned: array<Packed>;     // [ROWS · TILE, OUT_W, blocks]
@group(0) @binding(2) var<uniform> chunk: vec4<u32>;                      // first row of tiles, first vec4 of images

fn value(o: u32, place: u32) -> f32 {
    if o >= OUT { return 0.0; }
    return dy[o * (OUT_H * OUT_W * N4 * 4u) + place];
}

fn each(i: u32) {
    let inner = inner_at(i % (IMAGES * O4));
    let q = i / (IMAGES * O4) + chunk.x * (TILE * OUT_W);
    let o = inner.o * 4u;
    // The last row of tiles reaches past the image.
    if q >= OUT_H * OUT_W {
        turned[i] = pack(vec4(0.0));
        return;
    }
    let place = (q * N4 + chunk.y) * 4u + inner.image;
    turned[i] = pack(vec4(value(o, place), value(o + 1u, place), value(o + 2u, place), value(o + 3u, place)));
}
