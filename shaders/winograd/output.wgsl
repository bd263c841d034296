// y[o, q, n] = b[o] + (Aᵀ m A), the TILE × TILE outputs of tile t in map o

#import each
#import relu
#import packed

@group(0) @binding(0) var<storage, read> m: array<Packed>;                // [TILES, SIDE², OUT, G4]
@group(0) @binding(1) var<storage, read> b: array<f32>;                   // [OUT]
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;          // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(3) var<uniform> chunk: vec4<u32>;                      // first row of tiles, first vec4 of images

struct Place { m: u32, y: u32, y0: u32, x0: u32, bias: f32 }

fn load(place: Place, p: u32, q: u32) -> vec4<f32> {
    return unpack(m[place.m + (p * SIDE + q) * (OUT * G4)]);
}

fn store(place: Place, h: u32, w: u32, value: vec4<f32>) {
    let y0 = place.y0 + h;
    let x0 = place.x0 + w;
    if y0 < OUT_H && x0 < OUT_W {
        var sum = value + vec4(place.bias);
        if RELU == 1u { sum = relu(sum); }
        y[place.y + (y0 * OUT_W + x0) * N4] = pack(sum);
    }
}

fn each(i: u32) {
    let n = i % G4;
    let o = i / G4 % OUT;
    let t = i / (G4 * OUT);
    let source = (t * SIDE * SIDE * OUT + o) * G4 + n;
    let first = o * (OUT_H * OUT_W * N4) + chunk.y + n;
    var bias = 0.0;
    if BIAS == 1u { bias = b[o]; }
    a_t(Place(source, first, (chunk.x + t / TILES_W) * TILE, t % TILES_W * TILE, bias));
}
