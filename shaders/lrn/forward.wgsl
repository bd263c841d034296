// y_c = x_c · s_c^-β, s_c = k + α · Σ x² over the MAPS maps around c, clipped at the first and last (§3.3).
//
// A thread walks the maps of BLOCK places and carries their windows along: every x is loaded once.

#import each
#import power
#import walk
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, PLANE], PLANE = places × vec4s of images
@group(0) @binding(1) var<storage, read_write> y: array<Packed>;          // [C, PLANE]

const HALF = MAPS / 2u;

fn each(i: u32) {
    // x of maps c - HALF … c + HALF, zero outside.
    var windows: array<array<vec4<f32>, MAPS>, BLOCK>;
    for (var j = 0u; j < C + HALF; j++) {
        for (var b = 0u; b < BLOCK; b++) {
            for (var k = 0u; k + 1u < MAPS; k++) { windows[b][k] = windows[b][k + 1u]; }
            windows[b][MAPS - 1u] = vec4(0.0);
            if j < C { windows[b][MAPS - 1u] = unpack(x[j * PLANE + min(place_in(i, b), PLANE - 1u)]); }
        }
        if j >= HALF {
            for (var b = 0u; b < BLOCK; b++) {
                var sum = vec4(0.0);
                for (var k = 0u; k < MAPS; k++) { sum += windows[b][k] * windows[b][k]; }
                let place = place_in(i, b);
                if place < PLANE { y[(j - HALF) * PLANE + place] = pack(windows[b][HALF] * power(K + ALPHA * sum)); }
            }
        }
    }
}
