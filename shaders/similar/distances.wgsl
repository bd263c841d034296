// distances[q, r] = Σ_i (queries[q, i] - rows[r, i])²
//
// A workgroup takes TR rows and TQ queries. Neighbouring threads take neighbouring vec4s, each of a row for all queries
// and of a query for all rows; what they found is added up at the end, in the order of the threads.

#import packed

@group(0) @binding(0) var<storage, read> queries: array<Packed>;           // [queries, WIDTH4]
@group(0) @binding(1) var<storage, read> rows: array<Packed>;              // [ROWS, WIDTH4]
@group(0) @binding(2) var<storage, read_write> distances: array<f32>;      // [queries, ROWS]

var<workgroup> shares: array<f32, TQ * TR * THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x * TR;
    let query = group.y * TQ;
    var sum: array<f32, TQ * TR>;
    for (var i = thread; i < WIDTH4; i += THREADS) {
        var a: array<vec4<f32>, TR>;
        for (var r = 0u; r < TR; r++) {
            a[r] = unpack(rows[(row + r) * WIDTH4 + i]);
        }
        for (var q = 0u; q < TQ; q++) {
            let b = unpack(queries[(query + q) * WIDTH4 + i]);
            for (var r = 0u; r < TR; r++) {
                let d = a[r] - b;
                sum[q * TR + r] += dot(d, d);
            }
        }
    }
    for (var s = 0u; s < TQ * TR; s++) {
        shares[s * THREADS + thread] = sum[s];
    }
    workgroupBarrier();
    for (var s = thread; s < TQ * TR; s += THREADS) {
        var all = 0.0;
        for (var t = 0u; t < THREADS; t++) {
            all += shares[s * THREADS + t];
        }
        distances[(query + s / TR) * ROWS + row + s % TR] = all;
    }
}
