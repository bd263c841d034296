// dw[o, c] = Gᵀ du[:, c, o] G, the adjoint of the weights' transform

#import each

alias Value = f32;

@group(0) @binding(0) var<storage, read> du: array<vec4<f32>>;            // [SIDE², C, O4]

struct Place { o: u32, c: u32 }

fn load(place: Place, p: u32, q: u32) -> vec4<f32> {
    return du[((p * SIDE + q) * C + place.c) * O4 + place.o];
}

fn store(place: Place, h: u32, w: u32, value: vec4<f32>) {
    for (var e = 0u; e < 4u; e++) {
        let o = place.o * 4u + e;
        if o < OUT {
            settle((o * C + place.c) * (KERNEL * KERNEL) + h * KERNEL + w, value[e]);    // [OUT, C, KERNEL, KERNEL]
        }
    }
}

fn each(i: u32) {
    g_t(Place(i % O4, i / O4));
}
