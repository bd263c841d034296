// D[m, n] = Σ_k A[m, k] · B[k, n], one tile of BM×BN outputs per workgroup.
//
// The kernel that imports this file supplies the three index maps:
//   fn load_a(m: u32, k: u32) -> f32
//   fn load_b(k: u32, n: u32) -> f32
//   fn store(slice: u32, m: u32, n: u32, value: f32)
// and the extents M, N, K. The tile is the adapter's: TM, TN (registers), WM, WN (threads), TK (depth staged at a
// time). K_SLICE < K splits a long sum over workgroups in z; the slices are added afterwards in a fixed order, so
// results do not depend on timing. A grid is numbered in x, y where x alone would pass a limit.

const BM = TM * WM;
const BN = TN * WN;
const THREADS = WM * WN;
const TILES_N = (N + BN - 1u) / BN;
const TILES_M = (M + BM - 1u) / BM;
const_assert K_SLICE % TK == 0u;

var<workgroup> a_tile: array<f32, BM * TK>;
var<workgroup> b_tile: array<f32, TK * BN>;

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
    let row = thread / WN * TM;
    let col = thread % WN * TN;
    var acc: array<array<f32, TN>, TM>;

    let k_end = min(K, (group.z + 1u) * K_SLICE);
    for (var k0 = group.z * K_SLICE; k0 < k_end; k0 += TK) {
        for (var i = thread; i < BM * TK; i += THREADS) {
            a_tile[i] = load_a(m0 + i / TK, k0 + i % TK);
        }
        for (var i = thread; i < TK * BN; i += THREADS) {
            b_tile[i] = load_b(k0 + i / BN, n0 + i % BN);
        }
        workgroupBarrier();
        for (var k = 0u; k < TK; k++) {
            for (var i = 0u; i < TM; i++) {
                let a = a_tile[(row + i) * TK + k];
                for (var j = 0u; j < TN; j++) {
                    acc[i][j] += a * b_tile[k * BN + col + j];
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < TM; i++) {
        for (var j = 0u; j < TN; j++) {
            store(group.z, m0 + row + i, n0 + col + j, acc[i][j]);
        }
    }
}
