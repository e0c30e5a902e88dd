/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: decides what becomes of a connection that was just accepted. It is left alone, becomes a stream, goes to the
 * relay, or is closed.
 */
#include "ipc/match.h"
#include "ipc/read.h"
#include "ipc/report.h"
#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/connections/accepted.h"
#include "shim/direct/descriptors/descriptors.h"
#include "shim/direct/handoff/divided.h"
#include "shim/direct/handoff/handover.h"
#include "shim/direct/handoff/relayed.h"
#include "shim/direct/stream/claims.h"
#include "shim/policy/generation.h"
#include "shim/process/log.h"
#include "shim/process/plaintext_ports.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum fate { FATE_OTHER, FATE_STREAM, FATE_RELAY, FATE_CLOSED };

_Atomic bool tg_descriptors_wanted;

static _Atomic bool prepared, relay_only;
static _Atomic bool said;

void tg_descriptors_want(void)
{
	atomic_store_explicit(&tg_descriptors_wanted, true, memory_order_relaxed);
}

/*
 * Libraries that show that the direct engine cannot follow a program. liburing calls the kernel by itself, so what it wrote
 * would leave in clear text. Dovecot's processes pass a connection on after its login.
 */
static int note_library(struct dl_phdr_info *info, size_t size, void *data)
{
	static const char *const names[] = {"liburing.so", "libdovecot-login.so"};
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *base = slash == NULL ? info->dlpi_name : slash + 1;
	bool *found = data;
	(void)size;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		*found = *found || strncmp(base, names[i], strlen(names[i])) == 0;
	return *found;
}

static bool needs_relay(void)
{
	bool found = false;

	dl_iterate_phdr(note_library, &found);
	return found;
}

bool tg_descriptors_prepare(void)
{
	if (atomic_load_explicit(&prepared, memory_order_acquire))
		return true;
	if (!tg_shim_is(TG_STATE_GOVERNED) || !tg_claims_start() || !tg_stream_prepare())
		return false;
	atomic_store_explicit(&relay_only, needs_relay(), memory_order_relaxed);
	tg_shim_note_serving();
	tg_generation_prepare();
	/* Registered after libcrypto's own handler, and so called before it. */
	if (atexit(tg_descriptors_exit) != 0 || at_quick_exit(tg_descriptors_exit) != 0)
		return false;
	atomic_store_explicit(&prepared, true, memory_order_release);
	return true;
}

enum place { PLACE_OTHER, PLACE_KNOWN, PLACE_HIDDEN };

/* Hidden: a sandbox (seccomp(2)) does not let us ask for the address, and the socket may be a governed connection. */
static enum place local_address(int fd, struct tg_address *ret)
{
	struct sockaddr_storage storage;
	socklen_t size = sizeof(storage);
	int domain = AF_UNSPEC;

	if (tg_libc.getsockname(fd, (struct sockaddr *)&storage, &size) == 0)
		return tg_address_from(&storage, ret) ? PLACE_KNOWN : PLACE_OTHER;
	if (errno == ENOTSOCK || errno == EBADF)
		return PLACE_OTHER;
	size = sizeof(domain);
	if (tg_libc.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0)
		return domain == AF_INET || domain == AF_INET6 ? PLACE_HIDDEN : PLACE_OTHER;
	return errno == ENOTSOCK ? PLACE_OTHER : PLACE_HIDDEN;
}

/* NULL: no plaintext section governs this address. */
static const struct tg_route *speaking_route(const struct tg_document *document, const struct tg_address *local)
{
	const struct tg_route *route = tg_route_at(document, local);

	return route != NULL && route->plaintext.terminated && document->policies[route->policy].mode != TG_MODE_OFF ? route
														     : NULL;
}

/* For a process that cannot make streams: whether the document says that this address needs one. */
static bool is_governed(const struct tg_address *local)
{
	struct tg_document *document = NULL;
	unsigned char *bytes = NULL;
	uint64_t generation;
	size_t size = 0;
	bool governed = true;

	if (!tg_shim_is(TG_STATE_GOVERNED))
		return tg_plaintext_ports_has(local->port);
	if (tg_policy_copy(tg_shim.policy, tg_shim.policy_size, &bytes, &size, &generation) == 0 &&
	    tg_document_decode(bytes, size, &document) == 0)
		governed = speaking_route(document, local) != NULL;
	tg_document_free(document);
	tg_cleanse_free(bytes, size);
	return governed;
}

static enum fate make_stream(int fd, int flags, const struct tg_route *route, struct tg_section_slot *counters)
{
	struct tg_stream *stream = tg_stream_new(fd, route);

	if (stream != NULL && tg_descriptors_add(stream, fd, flags, route->plaintext.engine, counters))
		return FATE_STREAM;
	if (stream != NULL)
		tg_stream_free(stream);
	return FATE_CLOSED;
}

static bool wants_no_stream(void)
{
	return atomic_load(&tg_divided) || tg_process_is_vforked();
}

static bool wants_relay(int fd, const struct tg_route *route, const struct tg_section_slot *counters)
{
	switch (route->plaintext.engine) {
	case TG_ENGINE_DIRECT:
		return false;
	case TG_ENGINE_RELAY:
		return true;
	default:
		/* descriptors 0 to 2: see tg_duplicate_onto */
		return fd <= STDERR_FILENO || wants_no_stream() ||
		       atomic_load_explicit(&relay_only, memory_order_relaxed) ||
		       tg_report_has_moved(tg_shim.report, counters);
	}
}

static enum fate take_connection(int fd, int flags, const struct tg_route *route, struct tg_section_slot *counters,
				 bool fresh)
{
	static const enum tg_plaintext_event events[] = {
	    [FATE_STREAM] = TG_PLAINTEXT_DIRECT, [FATE_RELAY] = TG_PLAINTEXT_RELAYED, [FATE_CLOSED] = TG_PLAINTEXT_CLOSED};
	enum fate fate = FATE_CLOSED;

	if (fresh && wants_relay(fd, route, counters))
		fate = tg_handover(fd, NULL) == 0 ? FATE_RELAY : FATE_CLOSED;
	else if (fresh && !wants_no_stream())
		fate = make_stream(fd, flags, route, counters);
	tg_report_plaintext(tg_shim.report, counters, events[fate]);
	return fate;
}

/* `fresh`: nothing was read from it or written to it. */
static enum fate decide(int fd, int flags, const struct tg_address *local, bool fresh)
{
	struct tg_generation *generation = tg_descriptors_prepare() ? tg_generation_acquire() : NULL;
	enum fate fate = FATE_OTHER;

	if (generation == NULL)
		return is_governed(local) ? FATE_CLOSED : FATE_OTHER;
	const struct tg_route *route = speaking_route(generation->document, local);
	if (route != NULL)
		fate = take_connection(fd, flags, route, generation->counters[route->policy], fresh);
	tg_generation_unref(generation);
	return fate;
}

/*
 * A received descriptor has a number already, and the server learns it from the message. So the number stays, and becomes a
 * dead end. If no descriptor is left for one, the socket itself is disconnected, and its input discarded (connect(2) with
 * AF_UNSPEC).
 */
static void shut_for_good(int fd, int flags)
{
	static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	int end = tg_dead_end();

	if (end >= 0) {
		tg_libc.dup3(end, fd, (flags & SOCK_CLOEXEC) != 0 ? O_CLOEXEC : 0);
		tg_libc.close(end);
	} else if (connect(fd, &nobody, sizeof(nobody)) != 0) {
		tg_libc.close(fd);
	}
}

bool tg_descriptors_is_pending(int fd)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	struct tg_address local;
	int domain = AF_UNSPEC;

	switch (local_address(fd, &local)) {
	case PLACE_HIDDEN:
		return true;
	case PLACE_KNOWN: {
		struct tg_generation *generation = tg_generation_acquire();
		if (generation == NULL)
			return is_governed(&local);
		const bool governed = speaking_route(generation->document, &local) != NULL;
		tg_generation_unref(generation);
		return governed;
	}
	default:
		size = sizeof(domain);
		if (tg_libc.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX)
			return false;
		size = sizeof(peer);
		return tg_libc.getpeername(fd, (struct sockaddr *)&peer, &size) != 0 && errno == ENOTCONN;
	}
}

static void give_flags(int fd, int flags)
{
	if ((flags & SOCK_CLOEXEC) == 0)
		tg_libc.fcntl(fd, F_SETFD, 0);
}

int tg_descriptors_accepted(int fd, int flags)
{
	struct tg_address local;
	enum fate fate = FATE_OTHER;
	int saved = errno;

	/* Whatever the number was before was closed without a hook. */
	tg_descriptors_closed(fd);
	const enum place place = local_address(fd, &local);
	if (place == PLACE_KNOWN)
		fate = decide(fd, flags, &local, true);
	else if (place == PLACE_HIDDEN)
		fate = FATE_CLOSED;
	if (fate == FATE_CLOSED) {
		if (!atomic_exchange(&said, true))
			tg_shim_log("a connection was closed: no TLS can be spoken for this server, or no relay takes it "
				    "(tlsgraft status)");
		tg_libc.close(fd);
		errno = ECONNABORTED;
		return -1;
	}
	if (fate != FATE_STREAM)
		give_flags(fd, flags);
	if (fate == FATE_OTHER && tg_accepted_is_wanted())
		tg_accepted_begin(fd);
	errno = saved;
	return fd;
}

static bool is_of_internet(int fd)
{
	struct sockaddr_storage local = {0};
	socklen_t size = sizeof(local);

	return tg_libc.getsockname(fd, (struct sockaddr *)&local, &size) == 0 &&
	       (local.ss_family == AF_INET || local.ss_family == AF_INET6);
}

void tg_descriptors_listening(int fd)
{
	int saved = errno;

	if (is_of_internet(fd))
		tg_descriptors_prepare();
	errno = saved;
}

static bool is_listener(int fd)
{
	socklen_t size = sizeof(int);
	int listening = 0;

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

static bool is_stream_socket(int fd)
{
	socklen_t size = sizeof(int);
	int type = SOCK_STREAM;

	return tg_libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type == SOCK_STREAM;
}

/* Its address is an internet address, as far as that can be told. */
static bool is_connection(int fd)
{
	struct sockaddr_storage peer = {0};
	socklen_t size = sizeof(peer);

	return tg_libc.getpeername(fd, (struct sockaddr *)&peer, &size) == 0 || errno != ENOTCONN;
}

/* Nothing was sent, and everything that came is still in the socket (tcp(7)). An end that came may count as one byte. */
static bool is_fresh(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int waiting = 0;

	memset(&info, 0, sizeof(info));
	return tg_libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	       tg_libc.ioctl(fd, FIONREAD, &waiting) == 0 && info.tcpi_bytes_sent == 0 &&
	       info.tcpi_bytes_received <= (uint64_t)waiting + 1;
}

void tg_descriptors_received(int fd, int flags)
{
	struct tg_address local;
	int saved = errno;

	tg_descriptors_closed(fd);
	tg_relayed_look(fd);
	const enum place place = local_address(fd, &local);
	if (place == PLACE_HIDDEN) {
		shut_for_good(fd, flags);
	} else if (is_listener(fd)) {
		tg_descriptors_listening(fd);
	} else if (place == PLACE_KNOWN && is_stream_socket(fd) && is_connection(fd)) {
		int kept = tg_libc.fcntl(fd, F_GETFL);
		if (kept >= 0 && (kept & O_NONBLOCK) != 0)
			flags |= SOCK_NONBLOCK;
		tg_libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
		enum fate fate = decide(fd, flags, &local, is_fresh(fd));
		if (fate == FATE_CLOSED)
			shut_for_good(fd, flags);
		else if (fate != FATE_STREAM)
			give_flags(fd, flags);
		if (fate == FATE_OTHER && tg_accepted_is_wanted())
			tg_accepted_begin(fd);
	}
	errno = saved;
}
