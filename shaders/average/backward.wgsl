// dx[c, p, n] = Σ over the windows that hold p of dy / places of the window inside.

#import each
#import reach
#import packed

@group(0) @binding(0) var<storage, read> dy: array<Packed>;               // [C, OUT_H, OUT_W, N4]
@group(0) @binding(1) var<storage, read_write> dx: array<Packed>;         // [C, H, W, N4]

// Places of window `q` inside a side.
fn extent(q: u32, side: u32) -> u32 {
    return min(WINDOW, side - q * STRIDE);
}

fn each(i: u32) {
    let n = i % N4;
    let w = i / N4 % W;
    let h = i / (N4 * W) % H;
    let c = i / (N4 * W * H);
    var sum = vec4(0.0);
    for (var qh = first(h); qh <= min(h / STRIDE, OUT_H - 1u); qh++) {
        for (var qw = first(w); qw <= min(w / STRIDE, OUT_W - 1u); qw++) {
            sum += unpack(dy[((c * OUT_H + qh) * OUT_W + qw) * N4 + n]) / f32(extent(qh, H) * extent(qw, W));
        }
    }
    dx[i] = pack(sum);
}
