// dx = (y - [c = label]) / images of the whole batch: the gradient of the mean log-loss, scaled. Zero for padding.

#import each
#import step

@group(0) @binding(0) var<storage, read> y: array<f32>;                   // [CLASSES, N]
@group(0) @binding(1) var<storage, read> labels: array<u32>;              // [N]
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;            // [CLASSES, N]

fn each(i: u32) {
    let n = i % N;
    if n >= step.valid {
        dx[i] = 0.0;
        return;
    }
    dx[i] = (y[i] - select(0.0, 1.0, i / N == labels[n])) / f32(step.total) * power_of_two(i32(step.scale));
}
