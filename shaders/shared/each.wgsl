// Calls `each(i)` for every i below ITEMS, PER_THREAD times a thread, neighbouring threads on neighbouring items.
// The kernel that imports this file supplies:
//   fn each(i: u32)

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let start = (group.x + group.y * groups.x) * WORKGROUP * PER_THREAD + thread;
    for (var k = 0u; k < PER_THREAD; k++) {
        let i = start + k * WORKGROUP;
        if i < ITEMS { each(i); }
    }
}
