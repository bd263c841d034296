// Training: x where the unit is kept, else 0; in use: x · (1 - p) (§4.2). In place, forward and backward alike: the mask
// is drawn again from (seed, step, row, unit, image), so nothing is stored.

#import each
#import step
#import random
#import packed

@group(0) @binding(0) var<storage, read_write> x: array<Packed>;          // [UNITS, N4]

fn keeps(unit: u32, image: u32) -> bool {
    var h = mix(0u, step.seed_low);
    h = mix(h, step.seed_high);
    h = mix(h, step.step);
    h = mix(h, ROW);
    h = mix(h, unit);
    h = mix(h, image);
    return h >= THRESHOLD;
}

fn each(i: u32) {
    if step.train == 0u {
        x[i] = pack(unpack(x[i]) * KEEP);
        return;
    }
    let unit = step.column * UNITS + i / N4;
    let image = step.first + i % N4 * 4u;
    let kept = vec4(keeps(unit, image), keeps(unit, image + 1u), keeps(unit, image + 2u), keeps(unit, image + 3u));
    x[i] = pack(select(vec4(0.0), unpack(x[i]), kept));
}
