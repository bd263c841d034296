// dx[c, p, n] = Σ_{o, u, v} w[o, c, u, v] · dy[o, (p + PAD - (u, v)) / STRIDE, n], exact quotients only.
//
// Implicit GEMM: M = C, N = input pixels × images, K = OUT·KERNEL². Four columns are four images of one pixel.

#import wide

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;        // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(1) var<storage, read> w: array<f32>;               // [OUT, C, KERNEL, KERNEL]
@group(0) @binding(2) var<storage, read_write> dx: array<vec4<f32>>;  // [slices, C, H, W, N4], from slice FIRST on

const N4 = BATCH / 4u;
const M = C;
const N = H * W * BATCH;
const K = OUT * KERNEL * KERNEL;
const A_ALONG_K = KERNEL > 1u;
const B_ALONG_K = false;

fn weight(m: u32, k: u32) -> f32 {
    if m >= M || k >= K { return 0.0; }
    let o = k / (KERNEL * KERNEL);
    return w[(o * C + m) * KERNEL * KERNEL + k % (KERNEL * KERNEL)];
}

fn weights(m: u32, k: u32) -> vec4<f32> {
    return vec4(weight(4u * m, k), weight(4u * m + 1u, k), weight(4u * m + 2u, k), weight(4u * m + 3u, k));
}

fn load_a(m: u32, k: u32) -> mat4x4<f32> {
    return mat4x4(weights(m, 4u * k), weights(m, 4u * k + 1u), weights(m, 4u * k + 2u), weights(m, 4u * k + 3u));
}

fn gradients(k: u32, n: u32) -> vec4<f32> {
    let p = n / N4;
    let o = k / (KERNEL * KERNEL);
    let h = i32(p / W + PAD) - i32(k / KERNEL % KERNEL);
    let v = i32(p % W + PAD) - i32(k % KERNEL);
    let s = i32(STRIDE);
    if k >= K || n >= N / 4u || h < 0 || v < 0 || h % s != 0 || v % s != 0 { return vec4(0.0); }
    if h / s >= i32(OUT_H) || v / s >= i32(OUT_W) { return vec4(0.0); }
    return dy[((o * OUT_H + u32(h / s)) * OUT_W + u32(v / s)) * N4 + n % N4];
}

fn load_b(k: u32, n: u32) -> mat4x4<f32> {
    return mat4x4(
        gradients(4u * k, n),
        gradients(4u * k + 1u, n),
        gradients(4u * k + 2u, n),
        gradients(4u * k + 3u, n),
    );
}

fn store(slice: u32, row: u32, n: u32, value: vec4<f32>) {
    if row < M && n < N / 4u { dx[((FIRST + slice) * M + row) * (N / 4u) + n] = value; }
}
