// Counter-based random numbers: the same functions as src/random.rs.

fn mix(hash: u32, word: u32) -> u32 {
    var h = hash ^ (word * 0x9E3779B9u + 0x85EBCA6Bu);
    h ^= h >> 16u;
    h *= 0x85EBCA6Bu;
    h ^= h >> 13u;
    h *= 0xC2B2AE35u;
    return h ^ (h >> 16u);
}
