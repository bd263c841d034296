// y = max(x, 0), in place (§3.1). NaN is passed on.

#import each
#import nan

@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;

fn each(i: u32) {
    let x = y[i];
    y[i] = select(vec4(0.0), x, (x > vec4(0.0)) | is_nan(x));
}
