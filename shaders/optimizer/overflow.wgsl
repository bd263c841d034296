// Sets this column's flag where a gradient holds a NaN or infinity: in mixed precision before any column is updated.

#import each
#import step
#import nan
#import packed

@group(0) @binding(0) var<storage, read> dw: array<Packed>;
@group(0) @binding(1) var<storage, read_write> results: array<atomic<u32>>;   // [4 + 4 · column]: its flag

fn each(i: u32) {
    if any(is_bad(unpack(dw[i]))) { atomicOr(&results[4u + 4u * step.column], 1u); }
}
