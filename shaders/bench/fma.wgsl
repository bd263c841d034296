// A loop of fma over 24 sums, enough to hide its latency: the ceiling of kernels that loop.

@group(0) @binding(0) var<storage, read_write> y: array<f32>;         // [threads]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    // Not known when it is compiled; the sums settle at b / (1 - a).
    let a = 0.5 + 1e-7 * f32(id.x);
    let b = 0.5 - 1e-7 * f32(id.x);
    var s0 = a; var s1 = a; var s2 = a; var s3 = a; var s4 = a; var s5 = a; var s6 = a; var s7 = a;
    var s8 = b; var s9 = b; var s10 = b; var s11 = b; var s12 = b; var s13 = b; var s14 = b; var s15 = b;
    var s16 = 1.0; var s17 = 2.0; var s18 = 3.0; var s19 = 4.0; var s20 = 5.0; var s21 = 6.0; var s22 = 7.0; var s23 = 8.0;
    for (var i = 0u; i < ROUNDS; i++) {
        s0 = fma(s0, a, b); s1 = fma(s1, a, b); s2 = fma(s2, a, b); s3 = fma(s3, a, b);
        s4 = fma(s4, a, b); s5 = fma(s5, a, b); s6 = fma(s6, a, b); s7 = fma(s7, a, b);
        s8 = fma(s8, a, b); s9 = fma(s9, a, b); s10 = fma(s10, a, b); s11 = fma(s11, a, b);
        s12 = fma(s12, a, b); s13 = fma(s13, a, b); s14 = fma(s14, a, b); s15 = fma(s15, a, b);
        s16 = fma(s16, a, b); s17 = fma(s17, a, b); s18 = fma(s18, a, b); s19 = fma(s19, a, b);
        s20 = fma(s20, a, b); s21 = fma(s21, a, b); s22 = fma(s22, a, b); s23 = fma(s23, a, b);
    }
    y[id.x] = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11 + s12 + s13 + s14 + s15 + s16 + s17 + s18 + s19
        + s20 + s21 + s22 + s23;
}
