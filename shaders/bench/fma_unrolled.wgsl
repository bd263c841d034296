// Nothing but fma, 96 in a row over 12 sums: what is left of the loop around them costs nothing, and the sums fit the
// vector registers of a CPU. The peak of the adapter, which no kernel with loads and a loop reaches.

@group(0) @binding(0) var<storage, read_write> y: array<f32>;         // [threads]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // Not known when it is compiled; the sums settle at b / (1 - a).
    let a = vec4(0.5 + 1e-7 * f32(id.x));
    let b = 1.0 - a;
    var s0 = a + vec4(0.0, 1.0, 2.0, 3.0);
    var s1 = s0 + 4.0;
    var s2 = s0 + 8.0;
    for (var i = 0u; i < ROUNDS; i++) {
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b);
    }
    let s = s0 + s1 + s2;
    y[id.x] = s.x + s.y + s.z + s.w;
}
