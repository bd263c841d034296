// How buffers hold vec4s: as they are. shared/packed_64 is the other form.

alias Packed = vec4<f32>;

fn pack(value: vec4<f32>) -> Packed {
    return value;
}

fn unpack(value: Packed) -> vec4<f32> {
    return value;
}
