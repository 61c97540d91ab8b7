// Random numbers by counter: the same bits as src/sampling/rng.rs, where the choice is explained.

// What a texture of a batch has of its own. Seeds are (low, high) words of 64 bits.
struct Item {
    token_seed: vec2<u32>,
    latent_seed: vec2<u32>,
    guidance: f32,
    token_temperature: f32,
    latent_temperature: f32,
}

fn pcg4d(words: vec4<u32>) -> vec4<u32> {
    return mix_words(shift_words(mix_words(words * 1664525u + 1013904223u)));
}

fn shift_words(words: vec4<u32>) -> vec4<u32> {
    return words ^ (words >> vec4(16u));
}

// Each component reads the ones before it in their new state.
fn mix_words(words: vec4<u32>) -> vec4<u32> {
    var v = words;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

fn random_words(seed: vec2<u32>, stream: u32, position: u32, index: u32) -> vec4<u32> {
    return pcg4d(vec4(seed.x, seed.y ^ (stream << 24u), position, index));
}

// A number strictly between 0 and 1.
fn unit(bits: u32) -> f32 {
    return (f32(bits >> 9u) + 0.5) * (1.0 / 8388608.0);
}

fn gumbel(bits: u32) -> f32 {
    return -log(-log(unit(bits)));
}

fn normal(words: vec4<u32>) -> f32 {
    let halves = (words & vec4(0xffffu)) + (words >> vec4(16u));
    return (f32(halves.x + halves.y + halves.z + halves.w) - 262140.0) * NORMAL_SCALE;
}
