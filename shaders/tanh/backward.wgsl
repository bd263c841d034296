// dx = dy · (1 - y²); in place.

#import each
#import packed

@group(0) @binding(0) var<storage, read> y: array<Packed>;
@group(0) @binding(1) var<storage, read_write> dy: array<Packed>;

fn each(i: u32) {
    let y = unpack(y[i]);
    dy[i] = pack(unpack(dy[i]) * (1.0 - y * y));
}
