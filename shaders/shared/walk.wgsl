// Places that a thread walks side by side: BLOCK of them, WORKGROUP apart, so that neighbouring threads stay on neighbouring
// places. On a software adapter each visit to a map then loads several lines of the cache at once, and waits once for all.

// Place `b` of thread `i`; there may be none, from PLANE on.
fn place_in(i: u32, b: u32) -> u32 {
    return (i / WORKGROUP * BLOCK + b) * WORKGROUP + i % WORKGROUP;
}
