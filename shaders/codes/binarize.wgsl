// y = 1 where x > 0, else -1

#import each
#import packed

@group(0) @binding(0) var<storage, read> x: array<Packed>;                 // [BITS, N4]
@group(0) @binding(1) var<storage, read_write> y: array<Packed>;           // [BITS, N4]

fn each(i: u32) {
    y[i] = pack(select(vec4(-1.0), vec4(1.0), unpack(x[i]) > vec4(0.0)));
}
