/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/stream/stream_bytes.h"

#include <stdlib.h>
#include <string.h>

void tg_bytes_free(struct tg_bytes *bytes)
{
	if (bytes->data != NULL && !bytes->is_public)
		explicit_bzero(bytes->data, bytes->size);
	free(bytes->data);
	*bytes = (struct tg_bytes){.is_public = bytes->is_public};
}

/* By hand, since realloc(3) would leave plaintext behind. */
static bool grow(struct tg_bytes *bytes, size_t room)
{
	unsigned char *data = malloc(room);
	size_t left = tg_bytes_left(bytes);

	if (data == NULL)
		return false;
	if (left > 0)
		memcpy(data, bytes->data + bytes->from, left);
	tg_bytes_free(bytes);
	*bytes = (struct tg_bytes){.data = data, .size = left, .room = room, .is_public = bytes->is_public};
	return true;
}

bool tg_bytes_reserve(struct tg_bytes *bytes, size_t size)
{
	size_t need = tg_bytes_left(bytes) + size;

	if (bytes->room - bytes->size >= size)
		return true;
	return grow(bytes, need > 2 * bytes->room ? need : 2 * bytes->room);
}

bool tg_bytes_add(struct tg_bytes *bytes, const void *data, size_t size)
{
	if (size == 0)
		return true;
	if (!tg_bytes_reserve(bytes, size))
		return false;
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
	return true;
}

size_t tg_bytes_copy(const struct tg_bytes *bytes, const struct iovec *vector, int count)
{
	size_t done = 0, left = tg_bytes_left(bytes);

	for (int i = 0; i < count && done < left; i++) {
		size_t here = vector[i].iov_len < left - done ? vector[i].iov_len : left - done;
		if (here > 0)
			memcpy(vector[i].iov_base, bytes->data + bytes->from + done, here);
		done += here;
	}
	return done;
}

void tg_bytes_use(struct tg_bytes *bytes, size_t size)
{
	bytes->from += size;
	if (bytes->from == bytes->size)
		tg_bytes_free(bytes);
}
