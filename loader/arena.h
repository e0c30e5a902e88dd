/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one load: allocated piece by piece, erased and freed together, because most of it is or touches a secret.
 * A failed allocation is remembered: a load looks at tg_arena_failed once, at its end. Not for use by several threads.
 */
#ifndef TG_LOADER_ARENA_H
#define TG_LOADER_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct tg_arena;

struct tg_arena *tg_arena_new(void); /* NULL where memory ran out */
void tg_arena_free(struct tg_arena *arena);
bool tg_arena_failed(const struct tg_arena *arena);

/* Remembers a failed allocation that was made elsewhere for the same load. */
void tg_arena_fail(struct tg_arena *arena);

/* Zeroed, aligned for any type; NULL where memory ran out. */
void *tg_arena_alloc(struct tg_arena *arena, size_t size);

/* A copy with a NUL behind its `size` bytes. */
void *tg_arena_copy(struct tg_arena *arena, const void *data, size_t size);
char *tg_arena_text(struct tg_arena *arena, const char *text);
char *tg_arena_format(struct tg_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Makes room for one more item behind `count`. `list` is the address of the pointer to the items; it is changed, together
 * with *capacity, where a larger copy had to be made. False, and nothing changed, where memory ran out.
 */
bool tg_arena_room(struct tg_arena *arena, void *list, size_t count, size_t *capacity, size_t item_size);

#endif
