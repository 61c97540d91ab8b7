// Linear index of a thread. Large outputs need more workgroups than one axis allows, so hosts spread them over x and y.

fn workgroup_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

fn thread_index(group: vec3<u32>, groups: vec3<u32>, local: vec3<u32>) -> u32 {
    return workgroup_index(group, groups) * THREADS + local.x;
}
