// ratio = dy · y / s, which lrn_space/backward sums over the window.

#import each
#import places
#import power
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(1) var<storage, read> dy: array<Packed>;               // [C, H, W, N4]
@group(0) @binding(2) var<storage, read_write> ratio: array<Packed>;      // [C, H, W, N4]

fn term(j: u32) -> vec4<f32> {
    let x = unpack(x[j]);
    return x * x;
}

fn each(i: u32) {
    let s = K + ALPHA * over_window(i);
    ratio[i] = pack(unpack(dy[i]) * unpack(x[i]) * power(s) / s);
}
