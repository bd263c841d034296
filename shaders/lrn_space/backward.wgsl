// dx = dy · s^-β - 2αβ · x · Σ ratio over the window. In place: dx replaces dy.

#import each
#import places
#import power
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                // [C, H, W, N4]
@group(0) @binding(1) var<storage, read> ratio: array<Packed>;            // [C, H, W, N4]
@group(0) @binding(2) var<storage, read_write> dy: array<Packed>;         // [C, H, W, N4]

var<private> squares: bool;

fn term(j: u32) -> vec4<f32> {
    if squares {
        let x = unpack(x[j]);
        return x * x;
    }
    return unpack(ratio[j]);
}

fn each(i: u32) {
    squares = true;
    let s = K + ALPHA * over_window(i);
    squares = false;
    dy[i] = pack(unpack(dy[i]) * power(s) - 2.0 * ALPHA * BETA * unpack(x[i]) * over_window(i));
}
