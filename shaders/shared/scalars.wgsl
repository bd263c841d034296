// What ends in a sum (shared/sum) or an update (shared/descent) are single f32s.

alias Value = f32;
alias Held = f32;

fn hold(value: Value) -> Held {
    return value;
}

fn held(value: Held) -> Value {
    return value;
}
