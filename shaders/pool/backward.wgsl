// dx[c, p, n] = Σ of dy over the windows whose winner is p, in scan order.

#import each
#import reach
#import packed

@group(0) @binding(0) var<storage, read> dy: array<Packed>;               // [C, OUT_H, OUT_W, N4]
@group(0) @binding(1) var<storage, read> winner: array<u32>;              // [C, OUT_H, OUT_W, N4]: a byte an image
@group(0) @binding(2) var<storage, read_write> dx: array<Packed>;         // [C, H, W, N4]

fn each(i: u32) {
    let n = i % N4;
    let w = i / N4 % W;
    let h = i / (N4 * W) % H;
    let c = i / (N4 * W * H);
    var sum = vec4(0.0);
    for (var qh = first(h); qh <= min(h / STRIDE, OUT_H - 1u); qh++) {
        for (var qw = first(w); qw <= min(w / STRIDE, OUT_W - 1u); qw++) {
            let q = ((c * OUT_H + qh) * OUT_W + qw) * N4 + n;
            let place = (h - qh * STRIDE) * WINDOW + (w - qw * STRIDE);
            let wins = ((vec4(winner[q]) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xFFu)) == vec4(place);
            sum += select(vec4(0.0), unpack(dy[q]), wins);
        }
    }
    dx[i] = pack(sum);
}
