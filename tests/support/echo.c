/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking server that sends back what it reads: echo PORT fork|thread, with a process or a thread for each connection.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int fd)
{
	char buffer[50021];
	const int on = 1;
	ssize_t got;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t sent = 0; sent < got;) {
			const ssize_t now = write(fd, buffer + sent, (size_t)(got - sent));

			if (now <= 0)
				return;
			sent += now;
		}
}

static void *serve_thread(void *argument)
{
	const int fd = (int)(intptr_t)argument;

	serve(fd);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (argc != 3)
		return 64;
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1024) < 0)
		return 71;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		const int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			continue;
		if (strcmp(argv[2], "fork") == 0) {
			if (fork() == 0) {
				close(listener);
				serve(fd);
				exit(0);
			}
			close(fd);
		} else if (pthread_create(&thread, NULL, serve_thread, (void *)(intptr_t)fd) == 0) {
			pthread_detach(thread);
		} else {
			close(fd);
		}
	}
}
