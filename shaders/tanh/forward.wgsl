// y = tanh(x), in place. NaN is passed on.
//
// Not WGSL's own: an adapter may compute that from exponentials that overflow, or lose a small x to cancellation.

#import each
#import nan
#import packed

@group(0) @binding(0) var<storage, read_write> y: array<Packed>;

fn each(i: u32) {
    let x = unpack(y[i]);
    let a = abs(x);
    let t = exp(-2.0 * a);
    let s = x * x;
    // The series errs by less than 1e-7 of y below 0.25.
    let small = x * (1.0 + s * (-1.0 / 3.0 + s * (2.0 / 15.0 + s * (-17.0 / 315.0 + s * (62.0 / 2835.0)))));
    let large = sign(x) * (1.0 - t) / (1.0 + t);
    y[i] = pack(select(select(large, small, a < vec4(0.25)), x, is_nan(x)));
}
