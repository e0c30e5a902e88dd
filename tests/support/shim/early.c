/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with a library whose constructor, which runs before the shim's, starts threads that make server contexts at
 * once. Prints whether the policy was there when main began. Compiled with -DEARLY it is that library.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void early(void);

#ifdef EARLY
#include <openssl/ssl.h>
#include <pthread.h>

#define THREADS 4

static pthread_t threads[THREADS];
static pthread_barrier_t together;

static void *make(void *arg)
{
	pthread_barrier_wait(&together);
	SSL_CTX_new(TLS_server_method());
	return arg;
}

void early(void)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

__attribute__((constructor)) static void start(void)
{
	pthread_barrier_init(&together, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, make, NULL);
	pthread_barrier_wait(&together);
}
#else
int main(int argc, char **argv)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1024];
	int count = 0;

	(void)argv;
	while (maps && fgets(line, sizeof(line), maps))
		count += strstr(line, "tlsgraft-policy") != NULL;
	printf("%d\n", count);
	early();
	return argc > 1 ? listen(-1, 0) : 0;
}
#endif
