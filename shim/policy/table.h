/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps an SSL or SSL_CTX to what the shim knows of it.
 *
 * ex_data would be the usual place, but some programs write to ex_data slots that they never allocated (a RADIUS server
 * does), and a high slot costs memory in every SSL. So the entries are here. ex_data serves only for its free callback,
 * which OpenSSL calls for every allocated index whatever its value.
 *
 * An entry lives as long as its object. Look-ups take a short lock; the thread that uses the object uses the entry without
 * one. The locks are taken around fork (tg_table_lock_all) and never held across a call into the server.
 */
#ifndef TG_SHIM_POLICY_TABLE_H
#define TG_SHIM_POLICY_TABLE_H

#include "shim/binding/lock.h"

#include <stddef.h>

#define TG_TABLE_SHARDS 16

struct tg_entry {
	const void *key;
	struct tg_entry *next;
};

struct tg_shard {
	struct tg_lock lock;
	struct tg_entry **buckets;
	size_t bucket_count; /* a power of two, or 0 */
	size_t entry_count;
};

struct tg_table {
	size_t entry_size;
	struct tg_shard shards[TG_TABLE_SHARDS];
};

#define TG_SHARD_INITIALIZER(name)                                                                                         \
	{                                                                                                                  \
		TG_LOCK_INITIALIZER(name), NULL, 0, 0                                                                      \
	}
#define TG_SHARDS_4(name)                                                                                                  \
	TG_SHARD_INITIALIZER(name), TG_SHARD_INITIALIZER(name), TG_SHARD_INITIALIZER(name), TG_SHARD_INITIALIZER(name)
#define TG_TABLE_INITIALIZER(type, name)                                                                                   \
	{                                                                                                                  \
		sizeof(type),                                                                                              \
		{                                                                                                          \
			TG_SHARDS_4(name), TG_SHARDS_4(name), TG_SHARDS_4(name), TG_SHARDS_4(name)                         \
		}                                                                                                          \
	}

/* NULL: no entry. */
void *tg_table_find(struct tg_table *table, const void *key);

/* The entry of `key`; makes a zeroed one if there is none. NULL: no memory. */
void *tg_table_get(struct tg_table *table, const void *key);

/* Calls `visit` for the entry of `key`, if any, or for every entry. `visit` runs under the lock of the shard. */
void tg_table_with(struct tg_table *table, const void *key, void (*visit)(struct tg_entry *, void *), void *arg);
void tg_table_each(struct tg_table *table, void (*visit)(struct tg_entry *, void *), void *arg);

/* Removes the entry and returns it; the caller frees it. NULL: no entry. */
void *tg_table_take(struct tg_table *table, const void *key);

/* Around fork, in the forking thread. */
void tg_table_lock_all(struct tg_table *table);
void tg_table_unlock_all(struct tg_table *table);

#endif
