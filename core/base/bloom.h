/*
 * bloom.h - a set of hashes that may take one for a member that is none, but never the other way
 * round.
 *
 * A split block Bloom filter, as in Apache Parquet ("Parquet Bloom Filter", its specification): a
 * hash has one bit in each of the eight words of one block, so that a look-up touches one cache
 * line. With BLOOM_BITS for each hash about one stranger in 200 is taken for a member. Nothing can
 * be removed, and the size is fixed: more hashes than it was made for are taken for members more
 * often.
 */
#ifndef ZINGQ_BASE_BLOOM_H
#define ZINGQ_BASE_BLOOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOOM_BITS = 12 };

struct bloom;

/* What bloom_new takes for so many hashes. */
size_t bloom_bytes(uint64_t hashes);
/* Empty. NULL: out of memory, or more than 2^32 blocks. The caller frees it with free(). */
struct bloom *bloom_new(uint64_t hashes);
/* How many hashes it was made for. */
uint64_t bloom_hashes(const struct bloom *b);
/* All 64 bits of the hash must be random. */
void bloom_add(struct bloom *b, uint64_t hash);
/* False: the hash was never added. */
bool bloom_may_have(const struct bloom *b, uint64_t hash);

#endif
