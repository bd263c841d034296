// v[t, p, c, n] = (Bᵀ d B)[p], d the SIDE × SIDE window of tile t in map c, zero outside the image
//
// Winograd's minimal filtering (Lavin and Gray 2016): tiles of TILE × TILE outputs. A convolution of stride s is one of
// stride 1 over s² times as many maps: map c, phase (i, j) holds the pixels (s·h + i, s·w + j) of map c.

#import each
#import lanes
#import packed

@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;       // [C, H, W, N4]
@group(0) @binding(1) var<storage, read_write> v: array<Packed>;          // [TILES, SIDE², MAPS, G4]
@group(0) @binding(2) var<uniform> chunk: vec4<u32>;                      // first row of tiles, first vec4 of images

const MAPS = C * STRIDE * STRIDE;

struct Place { n: u32, t: u32, map: u32, x: u32, y0: i32, x0: i32 }

fn load(place: Place, h: u32, w: u32) -> vec4<f32> {
    let y0 = place.y0 + i32(h * STRIDE);
    let x0 = place.x0 + i32(w * STRIDE);
    let inside = y0 >= 0 && y0 < i32(H) && x0 >= 0 && x0 < i32(W);
    let pixel = select(0u, u32(y0) * W + u32(x0), inside);
    return select(vec4(0.0), textureLoad(x, at(place.x + pixel * N4)), inside);
}

fn store(place: Place, p: u32, q: u32, value: vec4<f32>) {
    v[((place.t * SIDE * SIDE + p * SIDE + q) * MAPS + place.map) * G4 + place.n] = pack(value);
}

fn each(i: u32) {
    let n = i % G4;
    let map = i / G4 % MAPS;
    let t = i / (G4 * MAPS);
    let y0 = i32((chunk.x + t / TILES_W) * (TILE * STRIDE) + map / STRIDE % STRIDE) - i32(PAD);
    let x0 = i32(t % TILES_W * (TILE * STRIDE) + map % STRIDE) - i32(PAD);
    b_t(Place(n, t, map, map / (STRIDE * STRIDE) * (H * W * N4) + chunk.y + n, y0, x0));
}
