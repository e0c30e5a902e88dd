/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that wait, of a stream. */
#ifndef TG_SHIM_DIRECT_STREAM_BYTES_H
#define TG_SHIM_DIRECT_STREAM_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Those from `from` to `size` are still to be used. All zero: none. */
struct tg_bytes {
	unsigned char *data; /* malloc'ed; NULL: none */
	size_t from, size, room;
	bool is_public; /* ciphertext: no need to erase it */
};

/* False: no memory, nothing was added. */
bool tg_bytes_add(struct tg_bytes *bytes, const void *data, size_t size);
bool tg_bytes_reserve(struct tg_bytes *bytes, size_t size); /* room for as much more, at once */
void tg_bytes_free(struct tg_bytes *bytes);                 /* erases what is not public; empty afterwards */
static inline size_t tg_bytes_left(const struct tg_bytes *bytes)
{
	return bytes->size - bytes->from;
}
size_t tg_bytes_copy(const struct tg_bytes *bytes, const struct iovec *vector, int count);
void tg_bytes_use(struct tg_bytes *bytes, size_t size);

#endif
