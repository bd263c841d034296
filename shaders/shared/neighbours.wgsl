// Response normalisation's window: MAPS neighbouring maps × SIDE × SIDE places, clipped at the borders (§3.3).
// The kernel that imports this file supplies:
//   fn term(j: u32) -> vec4<f32>

fn first(place: u32, extent: u32) -> u32 {
    return place - min(place, extent / 2u);
}

// Σ over the window around vec4 `i` of term(j).
fn over_window(i: u32) -> vec4<f32> {
    let n = i % N4;
    let w = i / N4 % W;
    let h = i / (N4 * W) % H;
    let c = i / (N4 * W * H);
    var sum = vec4(0.0);
    for (var jc = first(c, MAPS); jc <= min(c + MAPS / 2u, C - 1u); jc++) {
        for (var jh = first(h, SIDE); jh <= min(h + SIDE / 2u, H - 1u); jh++) {
            for (var jw = first(w, SIDE); jw <= min(w + SIDE / 2u, W - 1u); jw++) {
                sum += term(((jc * H + jh) * W + jw) * N4 + n);
            }
        }
    }
    return sum;
}

// s^-BETA. Square roots are exact to the last bits where `pow` of a software adapter is not.
fn power(s: vec4<f32>) -> vec4<f32> {
    if BETA == 0.75 {
        let root = sqrt(s);
        return 1.0 / (root * sqrt(root));
    }
    return pow(s, vec4(-BETA));
}
