// dx[c, p, n] = Σ w[o, q, c, u, v] · dy[o, q, n] over the places q whose window holds p at (u, v). Four maps an item, which
// share dy.

#import each
#import packed

@group(0) @binding(0) var<storage, read> dy: array<Packed>;               // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(1) var<storage, read> w: array<f32>;                   // [OUT, OUT_H, OUT_W, C, KERNEL, KERNEL]
@group(0) @binding(2) var<storage, read_write> dx: array<Packed>;         // [C, H, W, N4]

// First output whose window reaches `place`, padding counted.
fn first(place: u32) -> u32 {
    return (max(place + STRIDE, KERNEL) - KERNEL) / STRIDE;
}

fn each(i: u32) {
    let n = i % N4;
    let p = i / N4 % (H * W);
    let map = i / (N4 * H * W) * 4u;
    // Maps past the last compute it once more, and are not stored.
    let c = min(vec4(map, map + 1u, map + 2u, map + 3u), vec4(C - 1u));
    let h = p / W + PAD;
    let v = p % W + PAD;
    var dx0 = vec4(0.0);
    var dx1 = vec4(0.0);
    var dx2 = vec4(0.0);
    var dx3 = vec4(0.0);
    for (var o = 0u; o < OUT; o++) {
        for (var qh = first(h); qh <= min(h / STRIDE, OUT_H - 1u); qh++) {
            for (var qv = first(v); qv <= min(v / STRIDE, OUT_W - 1u); qv++) {
                let q = (o * OUT_H + qh) * OUT_W + qv;
                let row = ((q * C + c) * KERNEL + (h - qh * STRIDE)) * KERNEL + (v - qv * STRIDE);
                let value = unpack(dy[q * N4 + n]);
                dx0 += w[row.x] * value;
                dx1 += w[row.y] * value;
                dx2 += w[row.z] * value;
                dx3 += w[row.w] * value;
            }
        }
    }
    let place = (c * H * W + p) * N4 + n;
    dx[place.x] = pack(dx0);
    if map + 1u < C { dx[place.y] = pack(dx1); }
    if map + 2u < C { dx[place.z] = pack(dx2); }
    if map + 3u < C { dx[place.w] = pack(dx3); }
}
