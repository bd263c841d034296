// u[p, r, s] = (G g Gᵀ)[p], g the weights from map s of the sum to map r of the result; s innermost, whole vec4s
//
// Forward: r an output map, s an input map. For the data gradient r is an input map, s an output map, and the window is
// turned by half a turn (TURNED).

#import each

@group(0) @binding(0) var<storage, read> w: array<f32>;                   // [OUT, C, KERNEL, KERNEL]
@group(0) @binding(1) var<storage, read_write> u: array<vec4<f32>>;       // [SIDE², RESULTS, SUM4]

struct Place { s: u32, r: u32 }

fn weight(place: Place, e: u32, k: u32) -> f32 {
    let s = place.s * 4u + e;
    if s >= SUM { return 0.0; }
    return w[(place.r * RESULT_STRIDE + s * SUM_STRIDE) * (KERNEL * KERNEL) + k];
}

fn load(place: Place, h: u32, w: u32) -> vec4<f32> {
    let k = select(h * KERNEL + w, KERNEL * KERNEL - 1u - (h * KERNEL + w), TURNED == 1u);
    return vec4(weight(place, 0u, k), weight(place, 1u, k), weight(place, 2u, k), weight(place, 3u, k));
}

fn store(place: Place, p: u32, q: u32, value: vec4<f32>) {
    u[((p * SIDE + q) * RESULTS + place.r) * SUM4 + place.s] = value;
}

fn each(i: u32) {
    g(Place(i % SUM4, i / SUM4));
}
