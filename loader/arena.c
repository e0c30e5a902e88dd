/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/arena.h"

#include <openssl/crypto.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	struct piece *next;
	size_t size;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct tg_arena {
	struct piece *pieces;
	bool failed;
};

struct tg_arena *tg_arena_new(void)
{
	return calloc(1, sizeof(struct tg_arena));
}

void tg_arena_free(struct tg_arena *arena)
{
	if (!arena)
		return;
	for (struct piece *piece = arena->pieces; piece;) {
		struct piece *next = piece->next;

		OPENSSL_cleanse(piece->bytes, piece->size);
		free(piece);
		piece = next;
	}
	free(arena);
}

bool tg_arena_failed(const struct tg_arena *arena)
{
	return arena->failed;
}

void tg_arena_fail(struct tg_arena *arena)
{
	arena->failed = true;
}

void *tg_arena_alloc(struct tg_arena *arena, size_t size)
{
	struct piece *piece = size < SIZE_MAX / 2 ? calloc(1, sizeof(*piece) + size) : NULL;

	if (!piece) {
		arena->failed = true;
		return NULL;
	}
	piece->size = size;
	piece->next = arena->pieces;
	arena->pieces = piece;
	return piece->bytes;
}

void *tg_arena_copy(struct tg_arena *arena, const void *data, size_t size)
{
	unsigned char *copy = tg_arena_alloc(arena, size + 1);

	if (copy && size > 0)
		memcpy(copy, data, size);
	return copy;
}

char *tg_arena_text(struct tg_arena *arena, const char *text)
{
	return tg_arena_copy(arena, text, strlen(text));
}

char *tg_arena_format(struct tg_arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return NULL;
	text = tg_arena_alloc(arena, (size_t)length + 1);
	if (!text)
		return NULL;
	va_start(arguments, format);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return text;
}

bool tg_arena_room(struct tg_arena *arena, void *list, size_t count, size_t *capacity, size_t item_size)
{
	size_t larger = *capacity > 0 ? *capacity * 2 : 4;
	void *items, *copy;

	if (count < *capacity)
		return true;
	copy = tg_arena_alloc(arena, larger * item_size);
	if (!copy)
		return false;
	/* Copied, since a pointer to any type is not a void pointer to write through. */
	memcpy(&items, list, sizeof(items));
	if (count > 0)
		memcpy(copy, items, count * item_size);
	memcpy(list, &copy, sizeof(copy));
	*capacity = larger;
	return true;
}
