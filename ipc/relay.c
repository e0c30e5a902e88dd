/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/relay.h"

#include "ipc/siphash.h"
#include "ipc/tree.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define PREFIX_LENGTH (sizeof(TG_SOCKET_PREFIX) - 1)

/* What follows the tree in the name of a server's end: bytes alone, so that nothing needs to be aligned. */
struct packed_address {
	unsigned char family; /* 4 or 6 */
	unsigned char port[2];
	unsigned char address[16];
	unsigned char scope[4];
};

struct packed_end {
	unsigned char slash;
	struct packed_address local;
	struct packed_address peer;
	unsigned char cookie[8];
	unsigned char hash[8];
};

_Static_assert(TG_RELAY_NAME_SIZE == PREFIX_LENGTH + TG_TREE_LENGTH + sizeof(struct packed_end), "length of a name");
_Static_assert(TG_RELAY_NAME_SIZE < sizeof(((struct sockaddr_un *)NULL)->sun_path), "a name must fit");

size_t tg_relay_request_size(enum tg_relay_kind kind)
{
	return kind == TG_RELAY_SET ? sizeof(struct tg_relay_request) : offsetof(struct tg_relay_request, value);
}

/* Takes the same time for all wrong keys. */
static bool same_key(const unsigned char *a, const unsigned char *b)
{
	unsigned difference = 0;

	for (size_t i = 0; i < TG_RELAY_KEY_SIZE; i++)
		difference |= (unsigned)(a[i] ^ b[i]);
	return difference == 0;
}

bool tg_relay_request_valid(const struct tg_relay_request *request, size_t size, int fd_count,
			    const unsigned char key[TG_RELAY_KEY_SIZE])
{
	if (size < offsetof(struct tg_relay_request, value) || request->magic != TG_RELAY_MAGIC ||
	    request->layout != TG_LAYOUT)
		return false;
	switch (request->kind) {
	case TG_RELAY_CARRY:
		return size == tg_relay_request_size(TG_RELAY_CARRY) && fd_count == 2 && same_key(request->key, key);
	case TG_RELAY_UNSENT_TAIL:
		return size == tg_relay_request_size(TG_RELAY_UNSENT_TAIL) && fd_count == 1 && request->size > 0 &&
		       request->size <= TG_RELAY_TAIL_MAX && same_key(request->key, key);
	case TG_RELAY_GET:
		return size == tg_relay_request_size(TG_RELAY_GET) && fd_count == 1 && request->size <= TG_RELAY_VALUE;
	case TG_RELAY_SET:
		return size == tg_relay_request_size(TG_RELAY_SET) && fd_count == 1 && request->size <= TG_RELAY_VALUE;
	default:
		return false;
	}
}

/* "\0tlsgraft/<tree>"; returns the length of what is in sun_path, or -EINVAL. */
static int begin_address(const char *tree, struct sockaddr_un *ret)
{
	char name[TG_TREE_NAME_SIZE];
	const int length = tg_tree_name(TG_SOCKET_PREFIX, tree, name);

	if (length < 0)
		return length;
	memset(ret, 0, sizeof *ret);
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path + 1, name, (size_t)length);
	return 1 + length;
}

int tg_relay_address(const char *tree, struct sockaddr_un *ret, socklen_t *ret_size)
{
	static const char last[] = "/relay";
	const int length = begin_address(tree, ret);

	if (length < 0)
		return length;
	memcpy(ret->sun_path + length, last, sizeof last - 1);
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length + sizeof last - 1);
	return 0;
}

static int pack(const struct sockaddr_storage *from, struct packed_address *ret)
{
	memset(ret, 0, sizeof *ret);
	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, from, sizeof in);
		ret->family = 4;
		memcpy(ret->port, &in.sin_port, sizeof ret->port);
		memcpy(ret->address, &in.sin_addr, sizeof in.sin_addr);
		return 0;
	}
	if (from->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, from, sizeof in6);
		ret->family = 6;
		memcpy(ret->port, &in6.sin6_port, sizeof ret->port);
		memcpy(ret->address, &in6.sin6_addr, sizeof in6.sin6_addr);
		memcpy(ret->scope, &in6.sin6_scope_id, sizeof ret->scope);
		return 0;
	}
	return -EINVAL;
}

static bool unpack(const struct packed_address *from, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof *ret);
	if (from->family == 4) {
		struct sockaddr_in in = {.sin_family = AF_INET};

		memcpy(&in.sin_port, from->port, sizeof from->port);
		memcpy(&in.sin_addr, from->address, sizeof in.sin_addr);
		memcpy(ret, &in, sizeof in);
		return true;
	}
	if (from->family == 6) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

		memcpy(&in6.sin6_port, from->port, sizeof from->port);
		memcpy(&in6.sin6_addr, from->address, sizeof in6.sin6_addr);
		memcpy(&in6.sin6_scope_id, from->scope, sizeof from->scope);
		memcpy(ret, &in6, sizeof in6);
		return true;
	}
	return false;
}

static uint64_t hash_of(const struct packed_end *packed, const unsigned char *key)
{
	return tg_siphash(key, (const unsigned char *)packed, offsetof(struct packed_end, hash));
}

int tg_relay_name(const char *tree, const struct tg_relay_end *end, const unsigned char key[TG_RELAY_KEY_SIZE],
		  struct sockaddr_un *ret, socklen_t *ret_size)
{
	struct packed_end packed = {.slash = '/'};
	uint64_t hash;
	int length;

	if (pack(&end->local, &packed.local) < 0 || pack(&end->peer, &packed.peer) < 0)
		return -EINVAL;
	memcpy(packed.cookie, &end->cookie, sizeof packed.cookie);
	hash = hash_of(&packed, key);
	memcpy(packed.hash, &hash, sizeof packed.hash);
	length = begin_address(tree, ret);
	if (length < 0)
		return length;
	memcpy(ret->sun_path + length, &packed, sizeof packed);
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + TG_RELAY_NAME_SIZE);
	return 0;
}

bool tg_relay_name_read(const struct sockaddr_un *name, socklen_t size, const char *tree,
			const unsigned char key[TG_RELAY_KEY_SIZE], struct tg_relay_end *ret,
			char ret_tree[TG_TREE_LENGTH + 1])
{
	char named[TG_TREE_LENGTH + 1] = "";
	struct packed_end packed;
	struct tg_relay_end end;
	uint64_t hash;

	if (name->sun_family != AF_UNIX || size != offsetof(struct sockaddr_un, sun_path) + 1 + TG_RELAY_NAME_SIZE ||
	    name->sun_path[0] != '\0' || memcmp(name->sun_path + 1, TG_SOCKET_PREFIX, PREFIX_LENGTH) != 0)
		return false;
	memcpy(named, name->sun_path + 1 + PREFIX_LENGTH, TG_TREE_LENGTH);
	memcpy(&packed, name->sun_path + 1 + PREFIX_LENGTH + TG_TREE_LENGTH, sizeof packed);
	if (!tg_tree_valid(named) || packed.slash != '/' || !unpack(&packed.local, &end.local) ||
	    !unpack(&packed.peer, &end.peer))
		return false;
	memcpy(&end.cookie, packed.cookie, sizeof end.cookie);
	if (key) {
		memcpy(&hash, packed.hash, sizeof hash);
		if (!tree || strcmp(tree, named) != 0 || hash != hash_of(&packed, key))
			return false;
	}
	*ret = end;
	memcpy(ret_tree, named, sizeof named);
	return true;
}

socklen_t tg_relay_address_size(const struct sockaddr_storage *address)
{
	switch (address->ss_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	default:
		return 0;
	}
}
