// z[t, p, i] = (A dy Aᵀ)[p], dy the TILE × TILE gradients of tile t: the adjoint of the output transform
//
// i runs over images and output maps, maps innermost, as the product with the transformed input reads them.

#import each

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;            // [OUT_H, OUT_W, INNER4]
@group(0) @binding(1) var<storage, read_write> z: array<vec4<f32>>;       // [TILES_H, TILES_W, SIDE², INNER4]

struct Place { inner: u32, t: u32 }

fn load(place: Place, h: u32, w: u32) -> vec4<f32> {
    let y0 = place.t / TILES_W * TILE + h;
    let x0 = place.t % TILES_W * TILE + w;
    let inside = y0 < OUT_H && x0 < OUT_W;
    return select(vec4(0.0), dy[select(0u, y0 * OUT_W + x0, inside) * INNER4 + place.inner], inside);
}

fn store(place: Place, p: u32, q: u32, value: vec4<f32>) {
    z[(place.t * SIDE * SIDE + p * SIDE + q) * INNER4 + place.inner] = value;
}

fn each(i: u32) {
    a(Place(i % INNER4, i / INNER4));
}
