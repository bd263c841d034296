// dx = dy · (1 - y²); in place.

#import each

@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dy: array<vec4<f32>>;

fn each(i: u32) {
    dy[i] *= 1.0 - y[i] * y[i];
}
