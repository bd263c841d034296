// u[p, r, s] = (G g Gᵀ)[p], g the weights from map s of the sum to map r of the result; s innermost, whole vec4s
//
// Forward: r an output map, s an input map, or a phase of one (winograd/input). For the data gradient r is an input map, s an
// output map, and the window is turned by half a turn (TURNED).

#import each
#import packed

@group(0) @binding(0) var<storage, read> w: array<f32>;                   // [OUT, C, KERNEL, KERNEL]
@group(0) @binding(1) var<storage, read_write> u: array<Packed>;          // [SIDE², RESULTS, SUM4]

struct Place { s: u32, r: u32 }

fn weight(place: Place, e: u32, row: u32, column: u32) -> f32 {
    let s = place.s * 4u + e;
    let u = row * STRIDE + s / STRIDE % STRIDE;
    let v = column * STRIDE + s % STRIDE;
    if s >= SUM || u >= KERNEL || v >= KERNEL { return 0.0; }
    let k = select(u * KERNEL + v, KERNEL * KERNEL - 1u - (u * KERNEL + v), TURNED == 1u);
    return w[(place.r * RESULT_STRIDE + s / (STRIDE * STRIDE) * SUM_STRIDE) * (KERNEL * KERNEL) + k];
}

fn load(place: Place, h: u32, w: u32) -> vec4<f32> {
    return vec4(weight(place, 0u, h, w), weight(place, 1u, h, w), weight(place, 2u, h, w), weight(place, 3u, h, w));
}

fn store(place: Place, p: u32, q: u32, value: vec4<f32>) {
    u[((p * SIDE + q) * RESULTS + place.r) * SUM4 + place.s] = pack(value);
}

fn each(i: u32) {
    g(Place(i % SUM4, i / SUM4));
}
