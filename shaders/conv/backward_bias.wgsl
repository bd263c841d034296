// db[o] = Σ_{q, n} dy[o, q, n], one workgroup per map, summed in a fixed order.

#import step

@group(0) @binding(0) var<storage, read> dy: array<vec4<f32>>;        // [OUT, LEN] vec4s: output pixels × images
@group(0) @binding(1) var<storage, read_write> db: array<f32>;        // [OUT]

var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var sum = vec4(0.0);
    for (var i = thread; i < LEN; i += THREADS) {
        sum += dy[group.x * LEN + i];
    }
    sums[thread] = (sum.x + sum.y) + (sum.z + sum.w);
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half { sums[thread] += sums[thread + half]; }
        workgroupBarrier();
    }
    if thread == 0u {
        let before = select(0.0, db[group.x], step.accumulate == 1u);
        db[group.x] = before + sums[0];
    }
}
