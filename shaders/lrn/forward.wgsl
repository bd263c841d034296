// y_c = x_c · s_c^-β, s_c = k + α · Σ x² over the MAPS maps around c, clipped at the first and last (§3.3).
//
// A thread walks the maps of one place and carries the window along: every x is loaded once.

#import each
#import power

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;             // [C, PLANE], PLANE = places × vec4s of images
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;       // [C, PLANE]

const HALF = MAPS / 2u;

fn each(i: u32) {
    // x of maps c - HALF … c + HALF, zero outside.
    var window: array<vec4<f32>, MAPS>;
    for (var j = 0u; j < C + HALF; j++) {
        for (var k = 0u; k + 1u < MAPS; k++) { window[k] = window[k + 1u]; }
        window[MAPS - 1u] = vec4(0.0);
        if j < C { window[MAPS - 1u] = x[j * PLANE + i]; }
        if j >= HALF {
            var sum = vec4(0.0);
            for (var k = 0u; k < MAPS; k++) { sum += window[k] * window[k]; }
            y[(j - HALF) * PLANE + i] = window[HALF] * power(K + ALPHA * sum);
        }
    }
}
