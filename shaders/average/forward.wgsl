// y[c, q, n] = mean of x over the window, as far as it lies inside.

#import each
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(1) var<storage, read_write> y: array<Packed>;          // [C, OUT_H, OUT_W, N4]

fn each(i: u32) {
    let n = i % N4;
    let q = i / N4 % (OUT_H * OUT_W);
    let c = i / (N4 * OUT_H * OUT_W);
    let top = q / OUT_W * STRIDE;
    let left = q % OUT_W * STRIDE;
    let bottom = min(top + WINDOW, H);
    let right = min(left + WINDOW, W);
    var sum = vec4(0.0);
    for (var h = top; h < bottom; h++) {
        for (var w = left; w < right; w++) {
            sum += unpack(x[((c * H + h) * W + w) * N4 + n]);
        }
    }
    y[i] = pack(sum / f32((bottom - top) * (right - left)));
}
