/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table beside OpenSSL's objects, from an SSL or SSL_CTX to what the shim knows of it.
 *
 * ex_data would be the usual place, but programs exist that write to ex_data slots which they never allocated (TRAPS: the
 * RADIUS server), and a high slot costs every SSL. So entries live here, and ex_data is used only for its free callback,
 * which OpenSSL calls for every allocated index whatever its value.
 *
 * An entry lives as long as its object. Look-ups take a short lock; the entry itself may be used by the thread that uses
 * the object. Locks are taken around fork (tg_table_lock_all), never held across a call into the server.
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

/* The entry of `key`, made zeroed where there is none; NULL where memory ran out. */
void *tg_table_get(struct tg_table *table, const void *key);

/* Calls `visit` for the entry of `key`, if there is one, or for every entry, each in the lock of its shard. */
void tg_table_with(struct tg_table *table, const void *key, void (*visit)(struct tg_entry *, void *), void *arg);
void tg_table_each(struct tg_table *table, void (*visit)(struct tg_entry *, void *), void *arg);

/* Takes the entry out and returns it; the caller frees it. */
void *tg_table_take(struct tg_table *table, const void *key);

/* Around fork, in the forking thread. */
void tg_table_lock_all(struct tg_table *table);
void tg_table_unlock_all(struct tg_table *table);

#endif
