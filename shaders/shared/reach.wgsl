// First output whose window reaches `place`.
fn first(place: u32) -> u32 {
    return (max(place + STRIDE, WINDOW) - WINDOW) / STRIDE;
}
