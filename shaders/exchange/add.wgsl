// dx += what the other column computed for this column's maps.

#import each
#import packed

@group(0) @binding(0) var<storage, read> incoming: array<Packed>;
@group(0) @binding(1) var<storage, read_write> dx: array<Packed>;

fn each(i: u32) {
    dx[i] = pack(unpack(dx[i]) + unpack(incoming[i]));
}
