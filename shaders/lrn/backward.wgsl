// dx_c = dy_c · s_c^-β - 2αβ · x_c · Σ dy_m · x_m · s_m^(-β-1) over the MAPS maps m around c. In place: dx replaces dy.
//
// A thread walks the maps of one place: while it loads map j it knows s of map m = j - HALF and finishes map
// c = m - HALF. Every x and dy is loaded once, and dy_c is read HALF maps before dx_c is written.

#import each
#import power

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;             // [C, PLANE], PLANE = places × vec4s of images
@group(0) @binding(1) var<storage, read_write> dy: array<vec4<f32>>;      // [C, PLANE]

const HALF = MAPS / 2u;

fn each(i: u32) {
    var window: array<vec4<f32>, MAPS>;         // x of maps m - HALF … m + HALF, zero outside
    var ratios: array<vec4<f32>, MAPS>;         // dy · x · s^(-β-1) of maps c - HALF … c + HALF
    var late_x: array<vec4<f32>, HALF + 1u>;    // of maps c … m
    var late_dy: array<vec4<f32>, HALF + 1u>;
    var late_power: array<vec4<f32>, HALF + 1u>;
    for (var j = 0u; j < C + 2u * HALF; j++) {
        for (var k = 0u; k + 1u < MAPS; k++) {
            window[k] = window[k + 1u];
            ratios[k] = ratios[k + 1u];
        }
        for (var k = 0u; k < HALF; k++) {
            late_x[k] = late_x[k + 1u];
            late_dy[k] = late_dy[k + 1u];
            late_power[k] = late_power[k + 1u];
        }
        window[MAPS - 1u] = vec4(0.0);
        if j < C { window[MAPS - 1u] = x[j * PLANE + i]; }
        ratios[MAPS - 1u] = vec4(0.0);
        if j >= HALF && j - HALF < C {
            var sum = vec4(0.0);
            for (var k = 0u; k < MAPS; k++) { sum += window[k] * window[k]; }
            let s = K + ALPHA * sum;
            late_x[HALF] = window[HALF];
            late_dy[HALF] = dy[(j - HALF) * PLANE + i];
            late_power[HALF] = power(s);
            ratios[MAPS - 1u] = late_dy[HALF] * late_x[HALF] * late_power[HALF] / s;
        }
        if j >= 2u * HALF {
            var sum = vec4(0.0);
            for (var k = 0u; k < MAPS; k++) { sum += ratios[k]; }
            dy[(j - 2u * HALF) * PLANE + i] = late_dy[0] * late_power[0] - 2.0 * ALPHA * BETA * late_x[0] * sum;
        }
    }
}
