// The window of a response normalisation within a map: SIDE × SIDE places, clipped at the borders.
// The kernel that imports this file supplies:
//   fn term(j: u32) -> vec4<f32>

fn first(place: u32) -> u32 {
    return place - min(place, SIDE / 2u);
}

// Σ over the window around vec4 `i` of term(j).
fn over_window(i: u32) -> vec4<f32> {
    let n = i % N4;
    let w = i / N4 % W;
    let h = i / (N4 * W) % H;
    let c = i / (N4 * W * H);
    var sum = vec4(0.0);
    for (var jh = first(h); jh <= min(h + SIDE / 2u, H - 1u); jh++) {
        for (var jw = first(w); jw <= min(w + SIDE / 2u, W - 1u); jw++) {
            sum += term(((c * H + jh) * W + jw) * N4 + n);
        }
    }
    return sum;
}
