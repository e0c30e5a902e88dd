/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks on a socket's addresses and options: a server's end (direct/handoff/handover.h) answers as its real socket would.
 * Everything else passes, and a process that has never seen one pays a load or a comparison.
 */
#include "shim/binding/libc.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/readiness/readiness.h"
#include "shim/direct/transfer.h"
#include "shim/process/state.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* As the kernel hands out an address: cut to the room that there is, its true length told. */
static void hand_out(const struct sockaddr_storage *from, struct sockaddr *address, socklen_t room, socklen_t *size)
{
	const socklen_t length = tg_relay_address_size(from);

	memcpy(address, from, room < length ? room : length);
	*size = length;
}

TG_EXPORT int getsockname(int fd, __SOCKADDR_ARG address, socklen_t *restrict size)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;
	socklen_t room;

	tg_libc_bind();
	room = size ? *size : 0;
	if (tg_libc.getsockname(fd, address, size) < 0 || size == NULL)
		return -1;
	/* the length of such a name, and nobody else's */
	if (*size == offsetof(struct sockaddr_un, sun_path) + 1 + TG_RELAY_NAME_SIZE && tg_relayed_end(fd, &end, tree))
		hand_out(&end.local, address.__sockaddr__, room, size);
	return 0;
}

TG_EXPORT int getpeername(int fd, __SOCKADDR_ARG address, socklen_t *restrict size)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;
	socklen_t room;

	tg_libc_bind();
	room = size ? *size : 0;
	if (tg_libc.getpeername(fd, address, size) < 0 || size == NULL)
		return -1;
	/* the relay's end has no name */
	if (*size != sizeof(sa_family_t) || !tg_relayed_end(fd, &end, tree))
		return 0;
	if (tg_relayed_is_over(fd)) {
		errno = ENOTCONN;
		return -1;
	}
	hand_out(&end.peer, address.__sockaddr__, room, size);
	return 0;
}

/*
 * What a UNIX socket knows nothing of fails there, so only a failure needs to be looked at. Options of all sockets succeed
 * there, too: they have to be looked at before.
 */
static bool may_be_relayed(int level, int option)
{
	return tg_relayed_any() && level == SOL_SOCKET && tg_relayed_is_remote(level, option);
}

/* `saved`: errno before the attempt on the UNIX socket, which is none of the server's business. */
static int answered(int result, int saved)
{
	errno = result < 0 ? -result : saved;
	return result < 0 ? -1 : 0;
}

/* A stream collects by itself: two calls of the kernel less for each answer of a server that corks. */
static bool corks(int fd, int level, int option, const void *value, socklen_t size)
{
	struct tg_stream *stream;
	int corked;

	if (level != IPPROTO_TCP || option != TCP_CORK || size < sizeof(corked) || !value || tg_stream_is_inside())
		return false;
	stream = tg_descriptors_get(fd);
	if (stream == NULL)
		return false;
	memcpy(&corked, value, sizeof(corked));
	const enum tg_cork cork = corked == 0                          ? TG_CORK_OFF
				  : tg_descriptors_is_blocking(stream) ? TG_CORK_BELOW
								       : TG_CORK_HERE;
	const bool taken = tg_descriptors_claim(stream) && tg_stream_cork(stream, cork);
	tg_readiness_changed(stream);
	tg_descriptors_put(stream);
	return taken;
}

/* With a reference. NULL: another option, no stream, or a signal handler, which cannot wait for the call that it is in. */
static struct tg_stream *of_no_delay(int fd, int level, int option)
{
	return level == IPPROTO_TCP && option == TCP_NODELAY && tg_transfer_any() && !tg_stream_is_inside()
		   ? tg_descriptors_get(fd)
		   : NULL;
}

/*
 * SO_RCVLOWAT of a stream stays 1: the kernel would keep back parts of the handshake and of records, whose length the
 * server does not know.
 */
static bool is_low_water(int fd, int level, int option)
{
	return level == SOL_SOCKET && option == SO_RCVLOWAT && tg_transfer_is_one(fd);
}

static bool is_corked(int fd, int level, int option)
{
	struct tg_stream *stream =
	    level == IPPROTO_TCP && option == TCP_CORK && !tg_stream_is_inside() ? tg_descriptors_get(fd) : NULL;
	bool corked;

	if (stream == NULL)
		return false;
	corked = tg_stream_is_corked(stream);
	tg_descriptors_put(stream);
	return corked;
}

TG_EXPORT int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict size)
{
	char tree[TG_TREE_LENGTH + 1];
	const int saved = errno;
	struct tg_relay_end end;
	struct tg_stream *stream;

	tg_libc_bind();
	if (may_be_relayed(level, option) && value && size && *size <= INT_MAX && tg_relayed_end(fd, &end, tree))
		return answered(tg_relayed_get(fd, &end, tree, level, option, value, size), saved);
	if ((stream = of_no_delay(fd, level, option)) != NULL) {
		const int done = tg_stream_get_no_delay(stream, fd, value, size);
		tg_descriptors_put(stream);
		return done;
	}
	const int result = tg_libc.getsockopt(fd, level, option, value, size);
	if (result == 0 && value && size && *size == sizeof(int) && is_corked(fd, level, option))
		memcpy(value, &(const int){1}, sizeof(int));
	if (result < 0 && errno == EOPNOTSUPP && tg_relayed_is_remote(level, option) && tg_relayed_end(fd, &end, tree))
		return answered(tg_relayed_get(fd, &end, tree, level, option, value, size), saved);
	return result;
}

TG_EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	char tree[TG_TREE_LENGTH + 1];
	const int saved = errno;
	struct tg_relay_end end;
	struct tg_stream *stream;

	tg_libc_bind();
	if (may_be_relayed(level, option) && tg_relayed_end(fd, &end, tree))
		return answered(tg_relayed_set(fd, &end, tree, level, option, value, size), saved);
	if (is_low_water(fd, level, option) || corks(fd, level, option, value, size) ||
	    (tg_relayed_any() && tg_relayed_keep(fd, level, option, value, size)))
		return 0;
	if ((stream = of_no_delay(fd, level, option)) != NULL) {
		const int done = tg_stream_set_no_delay(stream, fd, value, size);
		tg_descriptors_put(stream);
		return done;
	}
	const int result = tg_libc.setsockopt(fd, level, option, value, size);
	if (result < 0 && errno == EOPNOTSUPP && tg_relayed_is_remote(level, option) && tg_relayed_end(fd, &end, tree))
		return answered(tg_relayed_set(fd, &end, tree, level, option, value, size), saved);
	return result;
}
