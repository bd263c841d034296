// y[o, q, n] = b[o] + (Aᵀ m A), the TILE × TILE outputs of tile t in map o

#import each

@group(0) @binding(0) var<storage, read> m: array<vec4<f32>>;             // [TILES_H, TILES_W, SIDE², OUT, G4]
@group(0) @binding(1) var<storage, read> b: array<f32>;                   // [OUT]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;       // [OUT, OUT_H, OUT_W, N4], from the first image of the part on

struct Place { n: u32, t: u32, o: u32, bias: f32 }

fn load(place: Place, p: u32, q: u32) -> vec4<f32> {
    return m[((place.t * SIDE * SIDE + p * SIDE + q) * OUT + place.o) * G4 + place.n];
}

fn store(place: Place, h: u32, w: u32, value: vec4<f32>) {
    let y0 = place.t / TILES_W * TILE + h;
    let x0 = place.t % TILES_W * TILE + w;
    if y0 < OUT_H && x0 < OUT_W {
        y[((place.o * OUT_H + y0) * OUT_W + x0) * N4 + place.n] = value + vec4(place.bias);
    }
}

fn each(i: u32) {
    let o = i / G4 % OUT;
    a_t(Place(i % G4, i / (G4 * OUT), o, BIAS * b[o]));
}
