// dw[o, c] = Gᵀ du[:, c, o] G, the adjoint of the weights' transform, for each phase of c (winograd/input)

#import each
#import packed
#import scalars

@group(0) @binding(0) var<storage, read> du: array<Packed>;               // [SIDE², MAPS, O4]

const MAPS = C * STRIDE * STRIDE;

struct Place { o: u32, map: u32 }

fn load(place: Place, p: u32, q: u32) -> vec4<f32> {
    return unpack(du[((p * SIDE + q) * MAPS + place.map) * O4 + place.o]);
}

fn store(place: Place, h: u32, w: u32, value: vec4<f32>) {
    let u = h * STRIDE + place.map / STRIDE % STRIDE;
    let v = w * STRIDE + place.map % STRIDE;
    let c = place.map / (STRIDE * STRIDE);
    for (var e = 0u; e < 4u; e++) {
        let o = place.o * 4u + e;
        if o < OUT && u < KERNEL && v < KERNEL {
            settle(((o * C + c) * KERNEL + u) * KERNEL + v, value[e]);    // [OUT, C, KERNEL, KERNEL]
        }
    }
}

fn each(i: u32) {
    g_t(Place(i % O4, i / O4));
}
