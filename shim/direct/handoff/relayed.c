/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/direct/handoff/relayed.h"

#include "ipc/user.h"
#include "shim/binding/libc.h"
#include "shim/direct/handoff/handover.h"
#include "shim/process/environment.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define IN_VAIN_S 30    /* after a wait in vain, in which no other one begins */
#define TIMEOUT_MS 2000 /* for a relay that is being started again, or that everybody asks at once */

#define NUMBERS (1 << 20)
#define WORD_BITS ((int)(CHAR_BIT * sizeof(unsigned long)))

atomic_bool tg_relayed_seen;

/* Numbers that were a server's end when they were last looked at. What they are now the kernel says. */
static _Atomic unsigned long ends[NUMBERS / (CHAR_BIT * sizeof(unsigned long))];

static void note(int fd, bool is_end)
{
	const unsigned long bit = 1UL << (fd % WORD_BITS);

	if (fd >= NUMBERS)
		return;
	if (is_end)
		atomic_fetch_or_explicit(&ends[fd / WORD_BITS], bit, memory_order_relaxed);
	else
		atomic_fetch_and_explicit(&ends[fd / WORD_BITS], ~bit, memory_order_relaxed);
}

static bool was_end(int fd)
{
	return fd >= 0 && fd < NUMBERS &&
	       (atomic_load_explicit(&ends[fd / WORD_BITS], memory_order_relaxed) >> (fd % WORD_BITS) & 1) != 0;
}

/*
 * System calls without the C library's wrappers: those are hooks of ours, or cancellation points, which would leave
 * descriptors behind.
 */
static bool name_of(int fd, struct sockaddr_un *ret, socklen_t *ret_size)
{
	*ret_size = sizeof *ret;
	memset(ret, 0, sizeof *ret);
	return tg_libc.syscall(SYS_getsockname, fd, ret, ret_size) == 0;
}

static bool cookie_of(int fd, uint64_t *ret)
{
	socklen_t size = sizeof *ret;

	return tg_libc.syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, ret, &size) == 0 && size == sizeof *ret;
}

bool tg_relayed_end(int fd, struct tg_relay_end *ret, char ret_tree[TG_TREE_LENGTH + 1])
{
	const struct tg_policy_header *policy = tg_shim_is(TG_STATE_GOVERNED) ? tg_shim.policy : NULL;
	const char *tree = tg_environment_value(tg_environment.keeper);
	const int saved_errno = errno;
	struct sockaddr_un name;
	struct tg_relay_end end;
	socklen_t size;
	uint64_t cookie;
	bool is_one;

	/*
	 * The cookie keeps others from bearing a name that they have seen, the hash from making one of his own. A process
	 * that has no policy cannot know the hash: what it takes for a server's end it was given by its parent.
	 */
	is_one = name_of(fd, &name, &size) &&
		 tg_relay_name_read(&name, size, policy ? tree : NULL, policy ? policy->relay_key : NULL, &end, ret_tree) &&
		 cookie_of(fd, &cookie) && cookie == end.cookie;
	if (is_one) {
		*ret = end;
		note(fd, true);
		atomic_store_explicit(&tg_relayed_seen, true, memory_order_relaxed);
	}
	errno = saved_errno;
	return is_one;
}

bool tg_handover_is(int fd, struct sockaddr_storage *ret_local, struct sockaddr_storage *ret_peer)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;

	if (!tg_relayed_end(fd, &end, tree))
		return false;
	*ret_local = end.local;
	*ret_peer = end.peer;
	return true;
}

bool tg_relayed_is_over(int fd)
{
	static const struct timespec now;
	struct pollfd end = {.fd = fd};
	const int saved_errno = errno;
	const bool over = tg_libc.syscall(SYS_ppoll, &end, 1, &now, NULL, 0) == 1 && (end.revents & POLLHUP) != 0;

	errno = saved_errno;
	return over;
}

void tg_relayed_look(int fd)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;

	if (!tg_relayed_any())
		tg_relayed_end(fd, &end, tree);
}

bool tg_relayed_is(int fd)
{
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;

	return tg_relayed_end(fd, &end, tree);
}

ssize_t tg_relayed_discard(int fd, size_t size, int flags)
{
	unsigned char piece[4096];
	size_t done = 0;
	ssize_t got;

	do {
		const size_t wanted = size - done < sizeof piece ? size - done : sizeof piece;

		got = tg_libc.recv(fd, piece, wanted, (flags & ~MSG_TRUNC) | (done > 0 ? MSG_DONTWAIT : 0));
		if (got > 0)
			done += (size_t)got;
	} while (got == sizeof piece && done < size);
	return done > 0 ? (ssize_t)done : got;
}

bool tg_relayed_is_remote(int level, int option)
{
	if (level != SOL_SOCKET)
		return level == IPPROTO_TCP || level == IPPROTO_IP || level == IPPROTO_IPV6;
	switch (option) {
	case SO_ERROR:
	case SO_RCVLOWAT:
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return false;
	default:
		return true;
	}
}

static int check_peer(int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof peer;

	if (tg_libc.syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	return tg_user_trusted(peer.uid) ? 0 : -EPERM;
}

static int64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* The queue is full: everybody asks at once, or the relay is being started again. */
static int connect_with_timeout(int fd, const struct sockaddr_un *address, socklen_t size)
{
	/* Where it was in vain, nobody takes from that queue: whoever has the name now shall not hold up each connection.
	 */
	static _Atomic int64_t in_vain;
	const int64_t began = seconds();
	int result;

	if (began < atomic_load_explicit(&in_vain, memory_order_relaxed))
		return -ETIMEDOUT;
	tg_relayed_set_timeout(fd);
	do
		result = tg_libc.syscall(SYS_connect, fd, address, size) < 0 ? -errno : 0;
	while (result == -EINTR);
	if (result != -EAGAIN)
		return result;
	atomic_store_explicit(&in_vain, began + IN_VAIN_S, memory_order_relaxed);
	return -ETIMEDOUT;
}

void tg_relayed_set_timeout(int connection)
{
	static const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000, .tv_usec = TIMEOUT_MS % 1000 * 1000};

	/* the send timeout bounds connect(2), too */
	tg_libc.syscall(SYS_setsockopt, connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	tg_libc.syscall(SYS_fcntl, connection, F_SETFL, 0);
}

/* The keeper knows, and nobody else can say it: its socket is there all the same. */
static bool is_down(void)
{
	return tg_shim_is(TG_STATE_GOVERNED) &&
	       atomic_load_explicit(&tg_shim.policy->relay_is_down, memory_order_relaxed) != 0;
}

int tg_relayed_connect(const char *tree)
{
	struct sockaddr_un address;
	socklen_t size;
	int result = tree ? tg_relay_address(tree, &address, &size) : -EINVAL;
	int fd;

	if (result == 0 && is_down())
		result = -ECONNREFUSED;
	if (result < 0)
		return result;
	fd = (int)tg_libc.syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	result = tg_libc.syscall(SYS_connect, fd, &address, size) < 0 ? -errno : 0;
	if (result == -EAGAIN)
		result = connect_with_timeout(fd, &address, size);
	if (result == 0)
		result = check_peer(fd);
	if (result == 0)
		return fd;
	tg_libc.syscall(SYS_close, fd);
	return result;
}

int tg_relayed_send(int connection, const struct tg_relay_request *request, const int *fds, int fd_count)
{
	const size_t size = tg_relay_request_size((enum tg_relay_kind)request->kind);
	struct iovec part = {.iov_base = (void *)(uintptr_t)request, .iov_len = size};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int)),
	};
	long sent;

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, (size_t)fd_count * sizeof(int));
	do
		sent = tg_libc.syscall(SYS_sendmsg, connection, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return sent == (long)size ? 0 : -EPROTO;
}

static int hear_answer(int connection, struct tg_relay_answer *ret)
{
	const struct timespec timeout = {.tv_sec = TIMEOUT_MS / 1000, .tv_nsec = TIMEOUT_MS % 1000 * 1000000};
	struct pollfd answered = {.fd = connection, .events = POLLIN};
	long got;

	do {
		struct timespec left = timeout; /* the kernel counts it down */

		got = tg_libc.syscall(SYS_ppoll, &answered, 1, &left, NULL, 0);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -ETIMEDOUT;
	/* the relay sends it at once */
	got = tg_libc.syscall(SYS_recvfrom, connection, ret, sizeof *ret, MSG_DONTWAIT, NULL, NULL);
	if (got < 0)
		return -errno;
	return got == (long)sizeof *ret && ret->magic == TG_RELAY_MAGIC && ret->size <= sizeof ret->value ? ret->result
													  : -ECONNRESET;
}

static int send_request(int fd, const char *tree, const struct tg_relay_request *request, struct tg_relay_answer *ret)
{
	const int saved_errno = errno;
	const int connection = tg_relayed_connect(tree);
	int result = connection;

	if (connection >= 0) {
		result = tg_relayed_send(connection, request, &fd, 1);
		if (result == 0 && ret)
			result = hear_answer(connection, ret);
		tg_libc.syscall(SYS_close, connection);
	}
	errno = saved_errno;
	return result;
}

/*
 * The relay has let go of the connection, or is gone, and the connection with it. A TCP socket whose connection has ended
 * still knows its options, and programs rely on it (rsync takes itself for a daemon of its own where SO_TYPE fails): a new
 * one answers as it would.
 */
static int like_an_ended(const struct tg_relay_end *end)
{
	const int fd = (int)tg_libc.syscall(SYS_socket, end->local.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	return fd < 0 ? -errno : fd;
}

/* True where `result` is of the way to the relay, and not the kernel's word on the option. */
static bool is_ended(int result)
{
	switch (result) {
	case -ENOTCONN:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPIPE:
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static int get_from_relay(int fd, const char *tree, int level, int option, void *value, socklen_t *size)
{
	const struct tg_relay_request request = {
	    .magic = TG_RELAY_MAGIC,
	    .layout = TG_LAYOUT,
	    .kind = TG_RELAY_GET,
	    .size = *size < TG_RELAY_VALUE ? *size : TG_RELAY_VALUE,
	    .level = level,
	    .option = option,
	};
	struct tg_relay_answer answer = {0};
	const int result = send_request(fd, tree, &request, &answer);

	if (result < 0)
		return result;
	if (answer.size > request.size)
		return -EPROTO;
	memcpy(value, answer.value, answer.size);
	*size = answer.size;
	return 0;
}

/*
 * Options of a real socket that say when bytes leave: the relay sends all that it has at once, so they stay with the
 * server's end, whoever holds it, as options that mean nothing to a UNIX socket. nginx sets one twice for each answer. 0:
 * not such a one.
 */
static int place_of(int level, int option)
{
	if (level != IPPROTO_TCP)
		return 0;
	return option == TCP_NODELAY ? SO_BROADCAST : option == TCP_CORK ? SO_DONTROUTE : 0;
}

bool tg_relayed_keep(int fd, int level, int option, const void *value, socklen_t size)
{
	const int place = place_of(level, option);
	const int saved_errno = errno;
	char tree[TG_TREE_LENGTH + 1];
	struct tg_relay_end end;
	struct sockaddr_un name;
	socklen_t name_size;
	bool kept;

	if (place == 0 || !was_end(fd))
		return false;
	kept = name_of(fd, &name, &name_size) && tg_relay_name_read(&name, name_size, NULL, NULL, &end, tree);
	note(fd, kept);
	kept = kept && tg_libc.syscall(SYS_setsockopt, fd, SOL_SOCKET, place, value, size) == 0;
	errno = saved_errno;
	return kept;
}

void tg_relayed_inherit(int real, int end)
{
	int value = 0;
	socklen_t size = sizeof value;

	if (tg_libc.syscall(SYS_getsockopt, real, IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value != 0)
		tg_libc.syscall(SYS_setsockopt, end, SOL_SOCKET, place_of(IPPROTO_TCP, TCP_NODELAY), &value, sizeof value);
}

/*
 * Numbers that the kernel takes as they are: nobody waits for its word on them. Whoever asks later is answered later
 * (relay/requests.c).
 */
static bool is_sure(int level, int option, const void *value, socklen_t size)
{
	int number;

	if (size != sizeof number)
		return false;
	memcpy(&number, value, sizeof number);
	if (level == SOL_SOCKET)
		return option == SO_KEEPALIVE || option == SO_OOBINLINE || option == SO_REUSEADDR;
	if (level != IPPROTO_TCP)
		return false;
	switch (option) {
	case TCP_KEEPIDLE:
	case TCP_KEEPINTVL:
		return number >= 1 && number <= SHRT_MAX;
	case TCP_KEEPCNT:
		return number >= 1 && number <= SCHAR_MAX;
	default:
		return false;
	}
}

int tg_relayed_get(int fd, const struct tg_relay_end *end, const char *tree, int level, int option, void *value,
		   socklen_t *size)
{
	const int saved_errno = errno;
	const int place = place_of(level, option);
	int result;

	if (place != 0) {
		result = tg_libc.syscall(SYS_getsockopt, fd, SOL_SOCKET, place, value, size) < 0 ? -errno : 0;
		errno = saved_errno;
		return result;
	}
	result = get_from_relay(fd, tree, level, option, value, size);
	if (is_ended(result)) {
		const int other = like_an_ended(end);

		result = other;
		if (other >= 0) {
			result = tg_libc.syscall(SYS_getsockopt, other, level, option, value, size) < 0 ? -errno : 0;
			tg_libc.syscall(SYS_close, other);
		}
	}
	errno = saved_errno;
	return result;
}

int tg_relayed_set(int fd, const struct tg_relay_end *end, const char *tree, int level, int option, const void *value,
		   socklen_t size)
{
	struct tg_relay_request request = {
	    .magic = TG_RELAY_MAGIC,
	    .layout = TG_LAYOUT,
	    .kind = TG_RELAY_SET,
	    .size = size,
	    .level = level,
	    .option = option,
	};
	const int saved_errno = errno;
	const int place = place_of(level, option);
	struct tg_relay_answer answer;
	int result;

	if (place != 0) {
		result = tg_libc.syscall(SYS_setsockopt, fd, SOL_SOCKET, place, value, size) < 0 ? -errno : 0;
		errno = saved_errno;
		return result;
	}
	if (size > TG_RELAY_VALUE)
		return -EINVAL;
	if (value == NULL && size > 0)
		return -EFAULT;
	if (size > 0)
		memcpy(request.value, value, size);
	result = send_request(fd, tree, &request, is_sure(level, option, value, size) ? NULL : &answer);
	if (is_ended(result)) {
		const int other = like_an_ended(end);

		result = other;
		if (other >= 0) {
			result = tg_libc.syscall(SYS_setsockopt, other, level, option, value, size) < 0 ? -errno : 0;
			tg_libc.syscall(SYS_close, other);
		}
	}
	errno = saved_errno;
	return result;
}
