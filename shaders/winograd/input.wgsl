// v[t, p, c, n] = (Bᵀ d B)[p], d the SIDE × SIDE window of tile t in map c, zero outside the image
//
// Winograd's minimal filtering (Lavin and Gray 2016): tiles of TILE × TILE outputs, SIDE = TILE + KERNEL - 1.

#import each

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;             // [C, H, W, N4], from the first image of the part on
@group(0) @binding(1) var<storage, read_write> v: array<vec4<f32>>;       // [TILES_H, TILES_W, SIDE², C, G4]

struct Place { n: u32, t: u32, c: u32 }

fn load(place: Place, h: u32, w: u32) -> vec4<f32> {
    let y0 = i32(place.t / TILES_W * TILE + h) - i32(PAD);
    let x0 = i32(place.t % TILES_W * TILE + w) - i32(PAD);
    let inside = y0 >= 0 && y0 < i32(H) && x0 >= 0 && x0 < i32(W);
    let pixel = select(0u, u32(y0) * W + u32(x0), inside);
    return select(vec4(0.0), x[(place.c * H * W + pixel) * N4 + place.n], inside);
}

fn store(place: Place, p: u32, q: u32, value: vec4<f32>) {
    v[((place.t * SIDE * SIDE + p * SIDE + q) * C + place.c) * G4 + place.n] = value;
}

fn each(i: u32) {
    b_t(Place(i % G4, i / (G4 * C), i / G4 % C));
}
