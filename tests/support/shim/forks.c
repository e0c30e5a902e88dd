/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server whose own fork handlers, registered before its first context, free connections and contexts before the fork,
 * in the parent and in the child; then the child makes a context and a connection of its own. Prints "done".
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 10

enum { BEFORE, PARENT, CHILD, WHEN_COUNT };

static SSL *connections[WHEN_COUNT];
static SSL_CTX *contexts[WHEN_COUNT];

static int agree(SSL *ssl, void *arg)
{
	(void)ssl, (void)arg;
	return 1;
}

static void fill(int when)
{
	contexts[when] = SSL_CTX_new(TLS_server_method());
	connections[when] = SSL_new(contexts[when]);
	SSL_set_cert_cb(connections[when], agree, NULL); /* from here on the shim knows it */
}

static void release(int when)
{
	SSL_free(connections[when]);
	SSL_CTX_free(contexts[when]);
}

static void before(void)
{
	release(BEFORE);
}

static void in_parent(void)
{
	release(PARENT);
}

static void in_child(void)
{
	release(CHILD);
}

int main(void)
{
	int status = 1;
	pid_t child;

	pthread_atfork(before, in_parent, in_child);
	for (int when = BEFORE; when < WHEN_COUNT; when++)
		fill(when);
	alarm(SECONDS);
	child = fork();
	if (child == 0) {
		alarm(SECONDS);
		fill(CHILD);
		release(CHILD);
		_exit(connections[CHILD] == NULL);
	}
	waitpid(child, &status, 0);
	if (status == 0)
		puts("done");
	return status != 0;
}
