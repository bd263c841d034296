// Order of an operand with maps innermost: blocks of LANES vec4s of maps, each with all IMAGES images, so that what a workgroup
// reads lies together. The last block may be narrower.

const REST = O4 % LANES;

struct Inner { image: u32, o: u32 }

// Image and vec4 of maps at place `i` below IMAGES · O4.
fn inner_at(i: u32) -> Inner {
    let block = i / (IMAGES * LANES);
    let place = i % (IMAGES * LANES);
    if REST != 0u && block == O4 / LANES {
        return Inner(place / max(REST, 1u), block * LANES + place % max(REST, 1u));
    }
    return Inner(place / LANES, block * LANES + place % LANES);
}

// vec4s of maps of block `block`.
fn width_of(block: u32) -> u32 {
    return min(LANES, O4 - block * LANES);
}
