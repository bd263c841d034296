// dx = dy where y > 0, else 0; in place.

#import each
#import nan

@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dy: array<vec4<f32>>;

fn each(i: u32) {
    dy[i] = select(vec4(0.0), dy[i], (y[i] > vec4(0.0)) | is_nan(y[i]));
}
