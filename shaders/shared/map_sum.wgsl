// sum[o] = Σ over the LEN vec4s of map o of term(i), one workgroup per map, in a fixed order; added to what is there where
// the step accumulates. The kernel that imports this file supplies `sum` and
//   fn term(i: u32) -> vec4<f32>

#import step

var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    var total = vec4(0.0);
    for (var i = thread; i < LEN; i += THREADS) {
        total += term(group.x * LEN + i);
    }
    sums[thread] = (total.x + total.y) + (total.z + total.w);
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half { sums[thread] += sums[thread + half]; }
        workgroupBarrier();
    }
    if thread == 0u {
        let before = select(0.0, sum[group.x], step.accumulate == 1u);
        sum[group.x] = before + sums[0];
    }
}
