// y[c, q, n] = max over the window of x (§3.4), and the winner's place in the window: the first in scan order.
// A NaN wins.

#import each
#import nan
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(1) var<storage, read_write> y: array<Packed>;          // [C, OUT_H, OUT_W, N4]
@group(0) @binding(2) var<storage, read_write> winner: array<u32>;        // [C, OUT_H, OUT_W, N4]: a byte an image

const TALL = (OUT_H - 1u) * STRIDE + WINDOW > H;
const WIDE = (OUT_W - 1u) * STRIDE + WINDOW > W;

// A place past the border becomes the last one, which the window has seen already and which so cannot win again.
fn inside(place: u32, side: u32, overhangs: bool) -> u32 {
    return select(place, min(place, side - 1u), overhangs);
}

fn each(i: u32) {
    let n = i % N4;
    let q = i / N4 % (OUT_H * OUT_W);
    let c = i / (N4 * OUT_H * OUT_W);
    let h = q / OUT_W * STRIDE;
    let w = q % OUT_W * STRIDE;
    var best = unpack(x[((c * H + h) * W + w) * N4 + n]);
    var place = vec4(0u);
    for (var k = 1u; k < WINDOW * WINDOW; k++) {
        let value = unpack(x[((c * H + inside(h + k / WINDOW, H, TALL)) * W + inside(w + k % WINDOW, W, WIDE)) * N4 + n]);
        let wins = ((value > best) | is_nan(value)) & !is_nan(best);
        best = select(best, value, wins);
        place = select(place, vec4(k), wins);
    }
    y[i] = pack(best);
    winner[i] = place.x | (place.y << 8u) | (place.z << 16u) | (place.w << 24u);
}
