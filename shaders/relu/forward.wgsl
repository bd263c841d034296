// y = max(x, 0), in place (§3.1). A product takes in the ReLU above it and leaves nothing to this kernel.

#import each
#import relu
#import packed

@group(0) @binding(0) var<storage, read_write> y: array<Packed>;

fn each(i: u32) {
    y[i] = pack(relu(unpack(y[i])));
}
