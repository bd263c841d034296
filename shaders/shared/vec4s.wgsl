// What ends in a sum (shared/sum) or an update (shared/descent) are vec4s.

#import packed

alias Value = vec4<f32>;
alias Held = Packed;

fn hold(value: Value) -> Held {
    return pack(value);
}

fn held(value: Held) -> Value {
    return unpack(value);
}
