// totals = Σ over the valid images of (loss, top-1 error, top-5 error), in order.

#import step

@group(0) @binding(0) var<storage, read> scores: array<vec2<f32>>;        // [N]: loss, rank
@group(0) @binding(1) var<storage, read_write> totals: array<f32>;        // [0..3]

@compute @workgroup_size(1)
fn main() {
    var sum = vec3(0.0);
    if step.accumulate == 1u { sum = vec3(totals[0], totals[1], totals[2]); }
    for (var n = 0u; n < step.valid; n++) {
        let score = scores[n];
        sum += vec3(score.x, select(0.0, 1.0, score.y >= 1.0), select(0.0, 1.0, score.y >= 5.0));
    }
    totals[0] = sum.x;
    totals[1] = sum.y;
    totals[2] = sum.z;
}
