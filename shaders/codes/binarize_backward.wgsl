// dy ← dy · (1 - tanh(x)²): backward as if the forward pass had given tanh(x)

#import each
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                 // [BITS, N4]
@group(0) @binding(1) var<storage, read_write> dy: array<Packed>;          // [BITS, N4]

fn each(i: u32) {
    // tanh of what is large may be computed as ∞ / ∞.
    let t = tanh(clamp(unpack(x[i]), vec4(-10.0), vec4(10.0)));
    dy[i] = pack(unpack(dy[i]) * (1.0 - t * t));
}
