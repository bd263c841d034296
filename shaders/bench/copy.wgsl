// y = x: the most bytes a second this adapter reads and writes.

#import each

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;         // [ITEMS]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;   // [ITEMS]

fn each(i: u32) {
    y[i] = x[i];
}
