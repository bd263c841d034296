// max(x, 0) (§3.1). NaN is passed on.

#import nan

fn relu(x: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), x, (x > vec4(0.0)) | is_nan(x));
}
