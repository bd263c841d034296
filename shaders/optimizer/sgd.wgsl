// The update by a gradient that was kept. Does nothing where a gradient of a column overflowed (FLAGS of them are heeded).

#import each

alias Value = vec4<f32>;

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;

fn each(i: u32) {
    for (var column = 0u; column < FLAGS; column++) {
        if atomicLoad(&results[4u + 4u * column]) != 0u { return; }
    }
    settle(i, gradient[i]);
}
