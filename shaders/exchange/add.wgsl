// dx += what the other column computed for this column's maps.

#import each

@group(0) @binding(0) var<storage, read> incoming: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;

fn each(i: u32) {
    dx[i] += incoming[i];
}
