/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay takes from whoever connects, and the names by which a relayed connection is known. The first byte of an
 * input says whether the rest is a request, a name from nowhere, or a name that was made here with changes to it.
 *
 * The key is another one for each input, drawn from all of it: no input can have been made with its own key, though the
 * fuzzer sees what the hashes are compared with.
 */
#include "ipc/relay.h"
#include "ipc/siphash.h"
#include "ipc/tree.h"
#include "relay/options.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TREE "0123456789abcdef"
#define OTHER_TREE "0123456789abcde0"
#define NAME_SIZE (offsetof(struct sockaddr_un, sun_path) + 1 + TG_RELAY_NAME_SIZE)
#define SENTINEL 0xa5

enum subject { SUBJECT_REQUEST, SUBJECT_FOREIGN_NAME, SUBJECT_CHANGED_NAME, SUBJECT_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void draw_key(const uint8_t *data, size_t size, unsigned char ret[TG_RELAY_KEY_SIZE])
{
	static const unsigned char first[TG_SIPHASH_KEY_SIZE] = "the first half",
				   second[TG_SIPHASH_KEY_SIZE] = "the second";
	const uint64_t halves[] = {tg_siphash(first, data, size), tg_siphash(second, data, size)};

	memcpy(ret, halves, TG_RELAY_KEY_SIZE);
}

/* A copy in memory of just that size, so that a look beyond it is seen; never less than `least`. */
static void *copy_of(const uint8_t *data, size_t size, size_t least)
{
	unsigned char *const copy = calloc(1, size > least ? size : least);

	require(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

static bool needs_key(const struct tg_relay_request *request)
{
	return request->kind == TG_RELAY_CARRY || request->kind == TG_RELAY_UNSENT_TAIL;
}

/* What was taken can be done as it says: with what came, and no more than there is room for. */
static void try_taken(const struct tg_relay_request *request, size_t size, int fd_count)
{
	switch (request->kind) {
	case TG_RELAY_CARRY:
		require(fd_count == 2);
		break;
	case TG_RELAY_UNSENT_TAIL:
		require(fd_count == 1 && request->size > 0 && request->size <= TG_RELAY_TAIL_MAX);
		break;
	case TG_RELAY_GET:
		require(fd_count == 1 && request->size <= sizeof(((struct tg_relay_answer *)NULL)->value));
		break;
	case TG_RELAY_SET:
		require(fd_count == 1 && request->size <= size - offsetof(struct tg_relay_request, value));
		break;
	default:
		abort();
	}
	if (!needs_key(request))
		require(!tg_option_may_set(request->level, request->option) ||
			tg_option_may_get(request->level, request->option));
}

/* One byte for the descriptors, one for whether its sender has the key; then the request. */
static void try_request(const uint8_t *data, size_t size, unsigned char key[TG_RELAY_KEY_SIZE])
{
	if (size < 2)
		return;
	const int fd_count = data[0] % 3;
	const bool knows_key = data[1] & 1;
	data += 2, size -= 2;
	if (size > sizeof(struct tg_relay_request)) /* of a longer message no more is received */
		size = sizeof(struct tg_relay_request);
	struct tg_relay_request *const request = copy_of(data, size, 1);

	if (knows_key && size >= offsetof(struct tg_relay_request, value))
		memcpy(request->key, key, TG_RELAY_KEY_SIZE);
	if (tg_relay_request_valid(request, size, fd_count, key)) {
		try_taken(request, size, fd_count);
		require(knows_key || !needs_key(request));
		require(!tg_relay_request_valid(request, size - 1, fd_count, key));
		for (size_t i = 0; i < TG_RELAY_KEY_SIZE; i++) {
			key[i] ^= 0x10;
			require(tg_relay_request_valid(request, size, fd_count, key) == !needs_key(request));
			key[i] ^= 0x10;
		}
	}
	free(request);
}

static bool is_address(const struct sockaddr_storage *address)
{
	return tg_relay_address_size(address) == sizeof(struct sockaddr_in) ||
	       tg_relay_address_size(address) == sizeof(struct sockaddr_in6);
}

/* Returns what the reader says; where it says no, it has left its outputs alone. */
static bool read_name(const struct sockaddr_un *name, socklen_t size, const char *tree, const unsigned char *key,
		      struct tg_relay_end *ret)
{
	char named[TG_TREE_LENGTH + 1];
	unsigned char untouched[sizeof(*ret)];

	memset(untouched, SENTINEL, sizeof untouched);
	memset(ret, SENTINEL, sizeof *ret);
	memset(named, SENTINEL, sizeof named);
	if (!tg_relay_name_read(name, size, tree, key, ret, named)) {
		require(memcmp(ret, untouched, sizeof *ret) == 0 && memcmp(named, untouched, sizeof named) == 0);
		return false;
	}
	require(is_address(&ret->local) && is_address(&ret->peer) && tg_tree_valid(named));
	require(!tree || strcmp(tree, named) == 0);
	return true;
}

/* A whole sockaddr_un but for what of sun_path its size leaves out. */
static void try_foreign_name(const uint8_t *data, size_t size, const unsigned char key[TG_RELAY_KEY_SIZE])
{
	if (size > sizeof(struct sockaddr_un))
		size = sizeof(struct sockaddr_un);
	struct sockaddr_un *const name = copy_of(data, size, sizeof(sa_family_t));
	struct tg_relay_end end, again;

	require(!read_name(name, (socklen_t)size, TREE, key, &end));
	require(!read_name(name, (socklen_t)size, NULL, key, &end));
	/* Its form is another matter: whoever has no policy compares the cookie that it names. */
	if (read_name(name, (socklen_t)size, NULL, NULL, &end)) {
		struct sockaddr_un made;
		socklen_t made_size = 0;

		require(size == NAME_SIZE);
		require(tg_relay_name(TREE, &end, key, &made, &made_size) == 0 && made_size == NAME_SIZE);
		require(read_name(&made, made_size, TREE, key, &again) && memcmp(&again, &end, sizeof end) == 0);
	}
	free(name);
}

/* The bytes of an end; families as the two low bits of `families` say. */
static void take_end(uint8_t families, const uint8_t *bytes, struct tg_relay_end *ret)
{
	struct sockaddr_storage *const addresses[] = {&ret->local, &ret->peer};

	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; i < 2; i++, bytes += 18) {
		if (families >> i & 1) {
			struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

			memcpy(&in6.sin6_port, bytes, 2);
			memcpy(&in6.sin6_addr, bytes + 2, 16);
			memcpy(addresses[i], &in6, sizeof in6);
		} else {
			struct sockaddr_in in = {.sin_family = AF_INET};

			memcpy(&in.sin_port, bytes, 2);
			memcpy(&in.sin_addr, bytes + 2, 4);
			memcpy(addresses[i], &in, sizeof in);
		}
	}
	memcpy(&ret->cookie, bytes, sizeof ret->cookie);
}

#define END_SIZE (2 * 18 + sizeof(uint64_t))

/* One byte for the families, the bytes of an end; then pairs of a place in its name and what is added to the byte there. */
static void try_changed_name(const uint8_t *data, size_t size, const unsigned char key[TG_RELAY_KEY_SIZE])
{
	struct tg_relay_end end, read;
	struct sockaddr_un made, *changed;
	socklen_t made_size = 0;

	if (size < 1 + END_SIZE)
		return;
	take_end(data[0], data + 1, &end);
	require(tg_relay_name(TREE, &end, key, &made, &made_size) == 0 && made_size == NAME_SIZE);
	require(read_name(&made, made_size, TREE, key, &read) && memcmp(&read, &end, sizeof end) == 0);
	require(!read_name(&made, made_size, OTHER_TREE, key, &read));
	changed = copy_of((const uint8_t *)&made, made_size, 1);
	for (size_t at = 1 + END_SIZE; at + 1 < size; at += 2)
		((unsigned char *)changed)[data[at] % made_size] += data[at + 1];
	const bool same = memcmp(changed, &made, made_size) == 0;
	require(read_name(changed, made_size, TREE, key, &read) == same);
	free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char key[TG_RELAY_KEY_SIZE];

	if (size == 0)
		return 0;
	draw_key(data, size, key);
	switch (data[0] % SUBJECT_COUNT) {
	case SUBJECT_REQUEST:
		try_request(data + 1, size - 1, key);
		break;
	case SUBJECT_FOREIGN_NAME:
		try_foreign_name(data + 1, size - 1, key);
		break;
	default:
		try_changed_name(data + 1, size - 1, key);
		break;
	}
	return 0;
}

/* A request, or a name made with another key, behind the bytes that say so. Returns its size. */
static size_t write_sample(unsigned int seed, uint8_t *data)
{
	static const unsigned char key[TG_RELAY_KEY_SIZE] = "another key";
	struct tg_relay_request request = {
	    .magic = TG_RELAY_MAGIC, .layout = TG_LAYOUT, .kind = 1 + seed % TG_RELAY_SET, .size = seed >> 8 & 0x1ff};
	const size_t request_size = tg_relay_request_size((enum tg_relay_kind)request.kind);
	struct sockaddr_un name;
	struct tg_relay_end end;
	socklen_t name_size = 0;
	uint8_t bytes[END_SIZE];

	if (seed & 0x40) {
		data[0] = SUBJECT_REQUEST;
		data[1] = request.kind == TG_RELAY_CARRY ? 2 : 1;
		data[2] = seed >> 7 & 1;
		memcpy(data + 3, &request, request_size);
		return 3 + request_size;
	}
	memset(bytes, (int)(seed & 0xff), sizeof bytes);
	take_end((uint8_t)(seed >> 8), bytes, &end);
	require(tg_relay_name(TREE, &end, key, &name, &name_size) == 0);
	data[0] = SUBJECT_FOREIGN_NAME;
	memcpy(data + 1, &name, name_size);
	return 1 + name_size;
}

/* Mutations of next to nothing, and now and then of anything, begin with something good. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned int seed)
{
	if ((size < 8 || seed % 64 == 0) && capacity >= 3 + sizeof(struct tg_relay_request))
		size = write_sample(seed / 64, data);
	return LLVMFuzzerMutate(data, size, capacity);
}
