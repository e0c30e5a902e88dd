/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/table.h"

#include <stdint.h>
#include <stdlib.h>

static uint64_t hash(const void *key)
{
	uint64_t x = (uint64_t)(uintptr_t)key;

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdu;
	return x ^ x >> 29;
}

static struct tg_shard *shard_of(struct tg_table *table, uint64_t hashed)
{
	return &table->shards[hashed >> 60 & (TG_TABLE_SHARDS - 1)];
}

static struct tg_entry **find_link(struct tg_shard *shard, const void *key, uint64_t hashed)
{
	if (shard->bucket_count == 0)
		return NULL;
	struct tg_entry **place = &shard->buckets[hashed & (shard->bucket_count - 1)];
	while (*place != NULL && (*place)->key != key)
		place = &(*place)->next;
	return *place == NULL ? NULL : place;
}

/* Twice the buckets. Without memory the old ones go on, only slower. */
static void grow(struct tg_shard *shard)
{
	size_t count = shard->bucket_count == 0 ? 16 : shard->bucket_count * 2;
	struct tg_entry **buckets = calloc(count, sizeof(struct tg_entry *));
	if (buckets == NULL)
		return;
	for (size_t i = 0; i < shard->bucket_count; i++) {
		for (struct tg_entry *entry = shard->buckets[i], *next; entry != NULL; entry = next) {
			next = entry->next;
			struct tg_entry **place = &buckets[hash(entry->key) & (count - 1)];
			entry->next = *place;
			*place = entry;
		}
	}
	free(shard->buckets);
	shard->buckets = buckets;
	shard->bucket_count = count;
}

void *tg_table_find(struct tg_table *table, const void *key)
{
	uint64_t hashed = hash(key);
	struct tg_shard *shard = shard_of(table, hashed);

	tg_lock_take(&shard->lock);
	struct tg_entry **place = find_link(shard, key, hashed);
	struct tg_entry *entry = place == NULL ? NULL : *place;
	tg_lock_release(&shard->lock);
	return entry;
}

void *tg_table_get(struct tg_table *table, const void *key)
{
	uint64_t hashed = hash(key);
	struct tg_shard *shard = shard_of(table, hashed);
	struct tg_entry *entry = NULL;

	tg_lock_take(&shard->lock);
	struct tg_entry **place = find_link(shard, key, hashed);
	if (place != NULL) {
		entry = *place;
		goto out;
	}
	if (shard->entry_count >= shard->bucket_count)
		grow(shard);
	if (shard->bucket_count == 0)
		goto out;
	entry = calloc(1, table->entry_size);
	if (entry == NULL)
		goto out;
	place = &shard->buckets[hashed & (shard->bucket_count - 1)];
	entry->key = key;
	entry->next = *place;
	*place = entry;
	shard->entry_count++;
out:
	tg_lock_release(&shard->lock);
	return entry;
}

void *tg_table_take(struct tg_table *table, const void *key)
{
	uint64_t hashed = hash(key);
	struct tg_shard *shard = shard_of(table, hashed);

	tg_lock_take(&shard->lock);
	struct tg_entry **place = find_link(shard, key, hashed);
	struct tg_entry *entry = NULL;
	if (place != NULL) {
		entry = *place;
		*place = entry->next;
		shard->entry_count--;
	}
	tg_lock_release(&shard->lock);
	return entry;
}

void tg_table_with(struct tg_table *table, const void *key, void (*visit)(struct tg_entry *, void *), void *arg)
{
	uint64_t hashed = hash(key);
	struct tg_shard *shard = shard_of(table, hashed);

	tg_lock_take(&shard->lock);
	struct tg_entry **place = find_link(shard, key, hashed);
	if (place != NULL)
		visit(*place, arg);
	tg_lock_release(&shard->lock);
}

void tg_table_each(struct tg_table *table, void (*visit)(struct tg_entry *, void *), void *arg)
{
	for (size_t i = 0; i < TG_TABLE_SHARDS; i++) {
		struct tg_shard *shard = &table->shards[i];

		tg_lock_take(&shard->lock);
		for (size_t k = 0; k < shard->bucket_count; k++)
			for (struct tg_entry *entry = shard->buckets[k]; entry != NULL; entry = entry->next)
				visit(entry, arg);
		tg_lock_release(&shard->lock);
	}
}

void tg_table_lock_all(struct tg_table *table)
{
	for (size_t i = 0; i < TG_TABLE_SHARDS; i++)
		tg_lock_take_next(&table->shards[i].lock);
}

void tg_table_unlock_all(struct tg_table *table)
{
	for (size_t i = TG_TABLE_SHARDS; i > 0; i--)
		tg_lock_release(&table->shards[i - 1].lock);
}
