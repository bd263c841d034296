// turned[q, n, o] = dy[o, q, n]: maps innermost, padded with zeros to whole vec4s.

#import each

@group(0) @binding(0) var<storage, read> dy: array<f32>;                  // [OUT, QN], QN = pixels × images
@group(0) @binding(1) var<storage, read_write> turned: array<vec4<f32>>;  // [QN, O4]

fn value(o: u32, qn: u32) -> f32 {
    if o >= OUT { return 0.0; }
    return dy[o * QN + qn];
}

fn each(i: u32) {
    let qn = i / O4;
    let o = i % O4 * 4u;
    turned[i] = vec4(value(o, qn), value(o + 1u, qn), value(o + 2u, qn), value(o + 3u, qn));
}
