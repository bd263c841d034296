// The update by a gradient that was kept. Does nothing where a gradient of a column overflowed (FLAGS of them are heeded).

#import each
#import vec4s

@group(0) @binding(0) var<storage, read> gradient: array<Held>;

fn each(i: u32) {
    for (var column = 0u; column < FLAGS; column++) {
        if atomicLoad(&results[4u + 4u * column]) != 0u { return; }
    }
    settle(i, held(gradient[i]));
}
