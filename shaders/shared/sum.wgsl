// Where a sum ends: stored, or added to what is there where ACCUMULATES and the step say so. The kernel that imports this
// file, or descent.wgsl instead, says what a Value is: f32 or a vec4 of them.

#import step

@group(0) @binding(3) var<storage, read_write> sum: array<Value>;

fn settle(i: u32, value: Value) {
    var total = value;
    // A branch, not a select: nothing is loaded where nothing is added.
    if ACCUMULATES * step.accumulate == 1u { total += sum[i]; }
    sum[i] = total;
}
