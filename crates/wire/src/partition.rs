//! Which partition of `order-events` holds a product.
//!
//! Kafka's own rule for keyed records (murmur2, as Java clients and librdkafka's `murmur2_random` place
//! them), computed here so that an order's partition is known before it is sent: it is part of its id. A
//! record that some other tool writes with the product as key lands in the same partition.

use tolerancia_core::ProductId;

/// The partition of a product among `partitions` (at least 1).
#[must_use]
pub fn of_product(product: &ProductId, partitions: u16) -> u16 {
    let hash = murmur2(product.as_str().as_bytes()) & 0x7fff_ffff;
    let partition = hash % u32::from(partitions.max(1));
    u16::try_from(partition).expect("a remainder is smaller than its u16 divisor")
}

/// MurmurHash2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // Kafka's lengths are 32 bits wide; a product's name is far shorter.
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_kafkas() {
        // From Apache Kafka's UtilsTest.testMurmur2.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn every_product_has_a_partition() {
        for count in [0, 1, 2, 3, 7, u16::MAX] {
            for n in 0..100 {
                let product: ProductId = format!("PROD-{n:03}").parse().expect("valid");
                assert!(of_product(&product, count) < count.max(1));
            }
        }
    }
}
