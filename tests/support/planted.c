/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library to be preloaded: a data race in whatever process asks for a socket's own name, so that ThreadSanitizer has
 * something to report there. Shims do it when they accept, relays when they are given a connection.
 */
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int planted;

static void *other(void *unused)
{
	planted++;
	return unused;
}

int getsockname(int fd, __SOCKADDR_ARG address, socklen_t *restrict size)
{
	static int is_planted;
	pthread_t thread;

	if (!is_planted && pthread_create(&thread, NULL, other, NULL) == 0) {
		is_planted = 1;
		planted++;
		pthread_join(thread, NULL);
	}
	return (int)syscall(SYS_getsockname, fd, *(void **)(void *)&address, size);
}
