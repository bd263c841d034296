// Where a sum ends: stored, or added to what is there where ACCUMULATES and the step say so. The kernel that imports this
// file, or descent.wgsl instead, imports vec4s or scalars beside it.

#import step

@group(0) @binding(3) var<storage, read_write> sum: array<Held>;

fn settle(i: u32, value: Value) {
    var total = value;
    // A branch, not a select: nothing is loaded where nothing is added.
    if ACCUMULATES * step.accumulate == 1u { total += held(sum[i]); }
    sum[i] = hold(total);
}
