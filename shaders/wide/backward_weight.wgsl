// dw[o, c, u, v] = Σ_{q, n} dy[o, q, n] · x[c, STRIDE·q + (u, v) - PAD, n]
//
// Implicit GEMM: M = OUT, N = C·KERNEL², K = output pixels × images, split into slices. Four terms are four images of one
// pixel, so both operands are loaded along k and turned.

#import wide

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;        // [OUT, OUT_H, OUT_W, N4]
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;         // [C, H, W, N4]
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;   // [slices, OUT, C, KERNEL, KERNEL]

const N4 = BATCH / 4u;
const M = OUT;
const N = C * KERNEL * KERNEL;
const K = OUT_H * OUT_W * BATCH;
const A_ALONG_K = true;
const B_ALONG_K = true;

fn gradients(row: u32, k: u32) -> vec4<f32> {
    if row >= M || k >= K / 4u { return vec4(0.0); }
    return dy[row * (K / 4u) + k];
}

fn load_a(m: u32, k: u32) -> mat4x4<f32> {
    return transpose(mat4x4(
        gradients(4u * m, k),
        gradients(4u * m + 1u, k),
        gradients(4u * m + 2u, k),
        gradients(4u * m + 3u, k),
    ));
}

fn images(k: u32, column: u32) -> vec4<f32> {
    let q = k / N4;
    let c = column / (KERNEL * KERNEL);
    let h = i32(q / OUT_W * STRIDE + column / KERNEL % KERNEL) - i32(PAD);
    let v = i32(q % OUT_W * STRIDE + column % KERNEL) - i32(PAD);
    if k >= K / 4u || column >= N || h < 0 || h >= i32(H) || v < 0 || v >= i32(W) { return vec4(0.0); }
    return x[((c * H + u32(h)) * W + u32(v)) * N4 + k % N4];
}

fn load_b(k: u32, n: u32) -> mat4x4<f32> {
    return transpose(mat4x4(images(k, 4u * n), images(k, 4u * n + 1u), images(k, 4u * n + 2u), images(k, 4u * n + 3u)));
}

fn store(slice: u32, row: u32, n: u32, value: vec4<f32>) {
    for (var j = 0u; j < 4u; j++) {
        if row < M && 4u * n + j < N { partial[(slice * M + row) * N + 4u * n + j] = value[j]; }
    }
}
