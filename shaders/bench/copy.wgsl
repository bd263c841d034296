// y = x: the most bytes a second this adapter reads and writes.

#import each
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;            // [ITEMS]
@group(0) @binding(1) var<storage, read_write> y: array<Packed>;      // [ITEMS]

fn each(i: u32) {
    y[i] = pack(unpack(x[i]));
}
