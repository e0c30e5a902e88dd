/*
 * poll(2) and select(2) of a process that has streams. Where none of the descriptors is one, the call passes as it is; else
 * the kernel is asked for what the streams need, and asked again with the rest of the timeout as long as nothing of what it
 * answers is for the server.
 */
#ifndef TG_SHIM_DIRECT_POLL_H
#define TG_SHIM_DIRECT_POLL_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/select.h>
#include <time.h>

/* A call of the server's: the C library's function of the same kind is what waits. Cancellation points, both. */
struct tg_poll_call {
	struct pollfd *fds;
	nfds_t count;
	bool is_ppoll;
	int milliseconds;               /* of poll */
	const struct timespec *timeout; /* of ppoll; NULL: none */
	const sigset_t *mask;
};

/* True where one of them is a stream: else the C library's function does it, called as the last thing (hooks_socket.c). */
bool tg_poll_concerns(const struct pollfd *fds, nfds_t count);
int tg_poll(const struct tg_poll_call *call);

struct tg_select_call {
	int count;
	fd_set *sets[3]; /* to read, to write, exceptions; NULL: none */
	bool is_pselect;
	struct timeval *limit;          /* of select, which leaves the rest of it there; NULL: none */
	const struct timespec *timeout; /* of pselect; NULL: none */
	const sigset_t *mask;
};

bool tg_select_concerns(int count, const fd_set *read, const fd_set *write);
int tg_select(const struct tg_select_call *call);

#endif
