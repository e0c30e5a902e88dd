/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `plugin LIBRARY WHAT ...`: a program that can serve by its library alone, which it opens late, deeply bound. Compiled
 * with -DPLUGIN it is that library:
 *
 *   serve PORT CERT KEY [ROOT]   a TLS server that answers each request with one line; with ROOT it first goes in there and
 *                                becomes nobody
 *   contexts client|server N     N threads make a context at the same time; prints how many did, how often the policy is
 *                                mapped, and what is left in the process
 */
#include <dlfcn.h>
#include <stdio.h>

#ifndef PLUGIN
int main(int argc, char **argv)
{
	void *library = argc > 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) : NULL;
	int (*run)(char **) = library ? (int (*)(char **))dlsym(library, "run") : NULL;

	if (!run) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	return run(argv + 2);
}
#else
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define THREADS_MAX 32

int run(char **argv);

static int listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 16) != 0)
		return -1;
	return fd;
}

static void answer(SSL_CTX *context, int fd)
{
	static const char line[] = "HTTP/1.0 200 OK\r\n\r\nserver-data one.example\n";
	char request[1024];
	SSL *ssl = SSL_new(context);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
		SSL_write(ssl, line, sizeof(line) - 1);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
}

static int serve(char **argv)
{
	SSL_CTX *context;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	if (argv[3] && (chdir(argv[3]) != 0 || chroot(".") != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		return 3;
	context = SSL_CTX_new(TLS_server_method());
	if (!context || SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) != 1)
		return 4;
	fd = listen_on(atoi(argv[0]));
	if (fd < 0)
		return 5;
	for (;;) {
		int connection = accept(fd, NULL, NULL);

		if (connection >= 0)
			answer(context, connection);
	}
}

static pthread_barrier_t together;
static atomic_int made, changed;

static void *make(void *method)
{
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	pthread_barrier_wait(&together);
	if (SSL_CTX_new(method))
		made++;
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	if (memcmp(&before, &after, sizeof(before)) != 0)
		changed++;
	return NULL;
}

static int mapped(const char *what)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1024];
	int count = 0;

	while (maps && fgets(line, sizeof(line), maps))
		count += strstr(line, what) != NULL;
	if (maps)
		fclose(maps);
	return count;
}

static int descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count - 3; /* ".", "..", the folder itself */
}

static int contexts(const SSL_METHOD *method, int count)
{
	pthread_t threads[THREADS_MAX];
	int before = descriptors();
	pid_t child;

	pthread_barrier_init(&together, NULL, (unsigned)count);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, make, (void *)method);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	child = waitpid(-1, NULL, WNOHANG);
	printf("made %d policy %d masks %d descriptors %d children %d\n", made, mapped("tlsgraft-policy"), changed,
	       descriptors() - before, !(child < 0 && errno == ECHILD));
	return 0;
}

int run(char **argv)
{
	if (strcmp(argv[0], "serve") == 0)
		return serve(argv + 1);
	return contexts(strcmp(argv[1], "client") == 0 ? TLS_client_method() : TLS_server_method(), atoi(argv[2]));
}
#endif
