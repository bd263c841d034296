// dx_c = dy_c · s_c^-β - 2αβ · x_c · Σ dy_m · x_m · s_m^(-β-1) over the MAPS maps m around c. In place: dx replaces dy.
//
// A thread walks the maps of BLOCK places: while it loads map j it knows s of map m = j - HALF and finishes map
// c = m - HALF. Every x and dy is loaded once, and dy_c is read HALF maps before dx_c is written.

#import each
#import power
#import walk
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, PLANE], PLANE = places × vec4s of images
@group(0) @binding(1) var<storage, read_write> dy: array<Packed>;         // [C, PLANE]

const HALF = MAPS / 2u;

// Of one place.
struct Walk {
    window: array<vec4<f32>, MAPS>,             // x of maps m - HALF … m + HALF, zero outside
    ratios: array<vec4<f32>, MAPS>,             // dy · x · s^(-β-1) of maps c - HALF … c + HALF
    x: array<vec4<f32>, HALF + 1u>,             // of maps c … m
    dy: array<vec4<f32>, HALF + 1u>,
    power: array<vec4<f32>, HALF + 1u>,
}

fn each(i: u32) {
    var walks: array<Walk, BLOCK>;
    for (var j = 0u; j < C + 2u * HALF; j++) {
        for (var b = 0u; b < BLOCK; b++) {
            for (var k = 0u; k + 1u < MAPS; k++) {
                walks[b].window[k] = walks[b].window[k + 1u];
                walks[b].ratios[k] = walks[b].ratios[k + 1u];
            }
            for (var k = 0u; k < HALF; k++) {
                walks[b].x[k] = walks[b].x[k + 1u];
                walks[b].dy[k] = walks[b].dy[k + 1u];
                walks[b].power[k] = walks[b].power[k + 1u];
            }
            let place = min(place_in(i, b), PLANE - 1u);
            walks[b].window[MAPS - 1u] = vec4(0.0);
            if j < C { walks[b].window[MAPS - 1u] = unpack(x[j * PLANE + place]); }
            walks[b].ratios[MAPS - 1u] = vec4(0.0);
            if j >= HALF && j - HALF < C { walks[b].dy[HALF] = unpack(dy[(j - HALF) * PLANE + place]); }
        }
        for (var b = 0u; b < BLOCK; b++) {
            if j >= HALF && j - HALF < C {
                var sum = vec4(0.0);
                for (var k = 0u; k < MAPS; k++) { sum += walks[b].window[k] * walks[b].window[k]; }
                let s = K + ALPHA * sum;
                walks[b].x[HALF] = walks[b].window[HALF];
                walks[b].power[HALF] = power(s);
                walks[b].ratios[MAPS - 1u] = walks[b].dy[HALF] * walks[b].x[HALF] * walks[b].power[HALF] / s;
            }
            let place = place_in(i, b);
            if j >= 2u * HALF && place < PLANE {
                var sum = vec4(0.0);
                for (var k = 0u; k < MAPS; k++) { sum += walks[b].ratios[k]; }
                dy[(j - 2u * HALF) * PLANE + place] =
                    pack(walks[b].dy[0] * walks[b].power[0] - 2.0 * ALPHA * BETA * walks[b].x[0] * sum);
            }
        }
    }
}
