// D[m, n] = Σ_k A[m, k] · B[k, n], one tile of outputs per workgroup, as in gemm.wgsl, but every step in vec4s: m, n and
// k count fours of rows, columns and terms. Both operands lie in workgroup memory with k outermost, twice: while a tile
// is multiplied the next one is fetched into registers, and then stored beside it, so that one barrier a tile is enough.
//
// The kernel that imports this file supplies
//   fn load_a(m: u32, k: u32) -> mat4x4<f32>                       column j: A[4m..4m + 4, 4k + j]
//   fn load_b(k: u32, n: u32) -> mat4x4<f32>                       column j: B[4k + j, 4n..4n + 4]
//   fn store(slice: u32, row: u32, n: u32, value: vec4<f32>)       D[row, 4n..4n + 4]
//   A_ALONG_K, B_ALONG_K: whether neighbouring k, not m or n, are neighbours in memory
// and the extents M, N, K. Operand is the type of both operands in workgroup memory; sums are f32 always. The tile, slices
// of a long sum and the numbering of a grid are gemm.wgsl's.

const BM = TM * WM / 4u;
const BN = TN * WN / 4u;
const BK = TK / 4u;
const THREADS = WM * WN;
const TILES_N = (N + 4u * BN - 1u) / (4u * BN);
const TILES_M = (M + 4u * BM - 1u) / (4u * BM);
const ITEMS_A = BM * BK;
const ITEMS = (BM + BN) * BK;
const LOADS = (ITEMS + THREADS - 1u) / THREADS;
const BLOCKS_M = TM / 4u;
const BLOCKS_N = TN / 4u;
const_assert K_SLICE % TK == 0u && TK % 4u == 0u && TM % 4u == 0u && TN % 4u == 0u;

var<workgroup> a_tile: array<vec4<Operand>, 2u * TK * BM>;
var<workgroup> b_tile: array<vec4<Operand>, 2u * TK * BN>;
// This thread's part of the next tile.
var<private> next: array<mat4x4<f32>, LOADS>;

// What f16 cannot hold is infinite, whichever way the adapter rounds.
fn operand(value: vec4<f32>) -> vec4<Operand> {
    if HALF == 1u {
        return vec4<Operand>(value * select(vec4(1.0), vec4(3e38), abs(value) > vec4(65504.0)));
    }
    return vec4<Operand>(value);
}

// (m, k) of an item of A within a tile.
fn item_a(item: u32) -> vec2<u32> {
    return select(vec2(item % BM, item / BM), vec2(item / BK, item % BK), A_ALONG_K);
}

// (n, k) of an item of B within a tile.
fn item_b(item: u32) -> vec2<u32> {
    return select(vec2(item % BN, item / BN), vec2(item / BK, item % BK), B_ALONG_K);
}

fn fetch(m0: u32, n0: u32, k0: u32, thread: u32) {
    for (var i = 0u; i < LOADS; i++) {
        let item = thread + i * THREADS;
        if item < ITEMS_A {
            let at = item_a(item);
            next[i] = load_a(m0 + at.x, k0 + at.y);
        } else if item < ITEMS {
            let at = item_b(item - ITEMS_A);
            next[i] = load_b(k0 + at.y, n0 + at.x);
        }
    }
}

fn stage(buffer: u32, thread: u32) {
    for (var i = 0u; i < LOADS; i++) {
        let item = thread + i * THREADS;
        if item < ITEMS_A {
            let at = item_a(item);
            for (var j = 0u; j < 4u; j++) {
                a_tile[(buffer * TK + 4u * at.y + j) * BM + at.x] = operand(next[i][j]);
            }
        } else if item < ITEMS {
            let at = item_b(item - ITEMS_A);
            for (var j = 0u; j < 4u; j++) {
                b_tile[(buffer * TK + 4u * at.y + j) * BN + at.x] = operand(next[i][j]);
            }
        }
    }
}

// sum + a bᵀ; column r of the sum is row r of the outputs.
fn add_outer(sum: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(
        fma(a.xxxx, b, sum[0]),
        fma(a.yyyy, b, sum[1]),
        fma(a.zzzz, b, sum[2]),
        fma(a.wwww, b, sum[3]),
    );
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = group.x + group.y * groups.x;
    // The same for a whole workgroup, so no barrier is skipped by a part of it.
    if tile >= TILES_M * TILES_N { return; }
    let m0 = tile / TILES_N * BM;
    let n0 = tile % TILES_N * BN;
    // A thread's blocks of 4×4 outputs lie WM and WN blocks apart: neighbouring threads read and write neighbouring vec4s.
    let row = thread / WN;
    let col = thread % WN;
    var acc: array<mat4x4<f32>, BLOCKS_M * BLOCKS_N>;

    let k_start = group.z * K_SLICE;
    let k_end = min(K, k_start + K_SLICE);
    var buffer = 0u;
    // Each round fetches one tile and multiplies the one before it; the first has none before it, the last none to fetch.
    for (var k0 = k_start; k0 < k_end + TK; k0 += TK) {
        if k0 < k_end { fetch(m0, n0, k0 / 4u, thread); }
        if k0 > k_start {
            for (var k = 0u; k < TK; k++) {
                let depth = (1u - buffer) * TK + k;
                var b: array<vec4<f32>, BLOCKS_N>;
                for (var j = 0u; j < BLOCKS_N; j++) {
                    b[j] = vec4<f32>(b_tile[depth * BN + col + j * WN]);
                }
                for (var i = 0u; i < BLOCKS_M; i++) {
                    let a = vec4<f32>(a_tile[depth * BM + row + i * WM]);
                    for (var j = 0u; j < BLOCKS_N; j++) {
                        acc[i * BLOCKS_N + j] = add_outer(acc[i * BLOCKS_N + j], a, b[j]);
                    }
                }
            }
        }
        if k0 < k_end { stage(buffer, thread); }
        workgroupBarrier();
        buffer = 1u - buffer;
    }
    for (var i = 0u; i < BLOCKS_M; i++) {
        for (var j = 0u; j < BLOCKS_N; j++) {
            for (var r = 0u; r < 4u; r++) {
                store(group.z, 4u * (m0 + row + i * WM) + r, n0 + col + j * WN, acc[i * BLOCKS_N + j][r]);
            }
        }
    }
}
