// z[t, p, i] = (A dy Aᵀ)[p], dy the TILE × TILE gradients of tile t: the adjoint of the output transform
//
// i runs over images and output maps, maps innermost, as the product with the transformed input reads them.

#import each
#import packed

@group(0) @binding(0) var<storage, read> dy: array<Packed>;               // [ROWS · TILE, OUT_W, INNER4]
@group(0) @binding(1) var<storage, read_write> z: array<Packed>;          // [TILES, SIDE², INNER4]

struct Place { z: u32, dy: u32, x0: u32 }

fn load(place: Place, h: u32, w: u32) -> vec4<f32> {
    let inside = place.x0 + w < OUT_W;
    let pixel = select(0u, h * OUT_W + w, inside);
    return select(vec4(0.0), unpack(dy[place.dy + pixel * INNER4]), inside);
}

fn store(place: Place, p: u32, q: u32, value: vec4<f32>) {
    z[place.z + (p * SIDE + q) * INNER4] = pack(value);
}

fn each(i: u32) {
    let inner = i % INNER4;
    let t = i / INNER4;
    let x0 = t % TILES_W * TILE;
    a(Place(t * (SIDE * SIDE * INNER4) + inner, (t / TILES_W * TILE * OUT_W + x0) * INNER4 + inner, x0));
}
