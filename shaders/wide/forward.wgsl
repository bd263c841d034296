// y[o, q, n] = b[o] + Σ_{c, u, v} w[o, c, u, v] · x[c, STRIDE·q + (u, v) - PAD, n]
//
// Implicit GEMM: M = OUT maps, N = output pixels × images, K = C·KERNEL². Four columns are four images of one pixel.

#import relu
#import wide

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;         // [C, H, W, N4]
@group(0) @binding(1) var<storage, read> w: array<f32>;               // [OUT, C, KERNEL, KERNEL]
@group(0) @binding(2) var<storage, read> b: array<f32>;               // [OUT]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;   // [slices, OUT, OUT_H, OUT_W, N4]

const N4 = BATCH / 4u;
const M = OUT;
const N = OUT_H * OUT_W * BATCH;
const K = C * KERNEL * KERNEL;
const A_ALONG_K = true;
const B_ALONG_K = false;

fn weight(m: u32, k: u32) -> f32 {
    if m >= M || k >= K { return 0.0; }
    return w[m * K + k];
}

fn weights(m: u32, k: u32) -> vec4<f32> {
    return vec4(weight(4u * m, k), weight(4u * m + 1u, k), weight(4u * m + 2u, k), weight(4u * m + 3u, k));
}

fn load_a(m: u32, k: u32) -> mat4x4<f32> {
    return mat4x4(weights(m, 4u * k), weights(m, 4u * k + 1u), weights(m, 4u * k + 2u), weights(m, 4u * k + 3u));
}

fn images(k: u32, n: u32) -> vec4<f32> {
    let q = n / N4;
    let c = k / (KERNEL * KERNEL);
    let h = i32(q / OUT_W * STRIDE + k / KERNEL % KERNEL) - i32(PAD);
    let v = i32(q % OUT_W * STRIDE + k % KERNEL) - i32(PAD);
    if k >= K || n >= N / 4u || h < 0 || h >= i32(H) || v < 0 || v >= i32(W) { return vec4(0.0); }
    return x[((c * H + u32(h)) * W + u32(v)) * N4 + n % N4];
}

fn load_b(k: u32, n: u32) -> mat4x4<f32> {
    return mat4x4(images(4u * k, n), images(4u * k + 1u, n), images(4u * k + 2u, n), images(4u * k + 3u, n));
}

fn store(slice: u32, row: u32, n: u32, value: vec4<f32>) {
    if row >= M || n >= N / 4u { return; }
    var sum = value + select(0.0, b[row], slice == 0u);
    if RELU == 1u && K_SLICE >= K { sum = relu(sum); }
    y[(slice * M + row) * (N / 4u) + n] = sum;
}
