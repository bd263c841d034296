// dy = (y - x) / N: the gradient of half the squared error, a mean over the batch

#import each
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                 // [WIDTH, N4]
@group(0) @binding(1) var<storage, read> y: array<Packed>;                 // [WIDTH, N4]
@group(0) @binding(2) var<storage, read_write> dy: array<Packed>;          // [WIDTH, N4]

fn each(i: u32) {
    dy[i] = pack((unpack(y[i]) - unpack(x[i])) / f32(4u * N4));
}
