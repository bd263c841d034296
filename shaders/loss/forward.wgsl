// y = softmax(x); per image the log-loss -ln y[label] and the label's rank: how many classes come before it. One
// workgroup per image, sums in a fixed order.

#import step

@group(0) @binding(0) var<storage, read> x: array<f32>;                   // [CLASSES, N]
@group(0) @binding(1) var<storage, read> labels: array<u32>;              // [N]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;             // [CLASSES, N]
@group(0) @binding(3) var<storage, read_write> scores: array<vec2<f32>>;  // [N]: loss, rank

var<workgroup> shares: array<f32, THREADS>;

fn reduce_max(thread: u32, value: f32) -> f32 {
    shares[thread] = value;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half { shares[thread] = max(shares[thread], shares[thread + half]); }
        workgroupBarrier();
    }
    let all = shares[0];
    workgroupBarrier();
    return all;
}

fn reduce_sum(thread: u32, value: f32) -> f32 {
    shares[thread] = value;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if thread < half { shares[thread] += shares[thread + half]; }
        workgroupBarrier();
    }
    let all = shares[0];
    workgroupBarrier();
    return all;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let n = group.x;
    // Padding has no label; class 0 keeps its loads in bounds, and no sum reads its scores.
    let label = select(0u, labels[n], n < step.valid);
    let logit = x[label * N + n];
    var highest = x[n];
    var before = 0.0;
    for (var c = thread; c < CLASSES; c += THREADS) {
        let value = x[c * N + n];
        highest = max(highest, value);
        if value > logit || (value == logit && c < label) { before += 1.0; }
    }
    highest = reduce_max(thread, highest);
    let rank = reduce_sum(thread, before);
    var share = 0.0;
    for (var c = thread; c < CLASSES; c += THREADS) {
        share += exp(x[c * N + n] - highest);
    }
    let total = reduce_sum(thread, share);
    for (var c = thread; c < CLASSES; c += THREADS) {
        y[c * N + n] = exp(x[c * N + n] - highest) / total;
    }
    if thread == 0u {
        scores[n] = vec2(log(total) + highest - logit, rank);
    }
}
