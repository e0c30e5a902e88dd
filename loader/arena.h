/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of one load. Pieces are allocated one by one, and erased and freed together, because most of them hold or
 * point to secrets. The arena remembers a failed allocation, so that a load checks tg_arena_failed only once, at its end.
 * Everything that these functions return belongs to the arena; NULL means that memory ran out. An arena is not thread-safe.
 */
#ifndef TG_LOADER_ARENA_H
#define TG_LOADER_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct tg_arena;

struct tg_arena *tg_arena_new(void);
void tg_arena_free(struct tg_arena *arena);
bool tg_arena_failed(const struct tg_arena *arena);

/* Remembers a failed allocation that was made elsewhere for the same load. */
void tg_arena_fail(struct tg_arena *arena);

/* Returns zeroed memory, aligned for any type. */
void *tg_arena_alloc(struct tg_arena *arena, size_t size);

/* Returns a copy of `size` bytes, followed by a NUL. */
void *tg_arena_copy(struct tg_arena *arena, const void *data, size_t size);
char *tg_arena_text(struct tg_arena *arena, const char *text);
char *tg_arena_format(struct tg_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Makes room for one more item after `count` items. `list` is the address of the pointer to the items. If the list has to
 * grow, the function moves it and updates that pointer and *capacity. Returns false, and changes nothing, if memory ran
 * out.
 */
bool tg_arena_room(struct tg_arena *arena, void *list, size_t count, size_t *capacity, size_t item_size);

#endif
