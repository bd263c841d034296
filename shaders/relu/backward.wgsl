// dx = dy where y > 0, else 0; in place.

#import each
#import nan
#import packed

@group(0) @binding(0) var<storage, read> y: array<Packed>;
@group(0) @binding(1) var<storage, read_write> dy: array<Packed>;

fn each(i: u32) {
    let y = unpack(y[i]);
    dy[i] = pack(select(vec4(0.0), unpack(dy[i]), (y > vec4(0.0)) | is_nan(y)));
}
