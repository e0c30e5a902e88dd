/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/carriers.h"

#include "relay/processors.h"

#include <errno.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#define CARRIERS_MAX 64
#define STACK_SIZE (256 * 1024)

struct carrier {
	struct tg_loop loop;
	OSSL_LIB_CTX *library; /* NULL: the process's own */
	int (*idle)(void);
};

static struct carrier carriers[CARRIERS_MAX];
static size_t carrier_count;

/*
 * libcrypto 3.0 takes locks of its library context at every turn of a handshake, and threads that share one spend
 * a tenth of their time on handing these locks' memory to each other. NULL where the operator's configuration, which may
 * say which providers are used (config(5)), is not to be had for another one.
 */
static OSSL_LIB_CTX *own_library(void)
{
	OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
	char *configuration = CONF_get1_default_config_file();

	if (library != NULL && (configuration == NULL || CONF_modules_load_file_ex(library, configuration, NULL,
										   CONF_MFLAGS_IGNORE_MISSING_FILE) <= 0)) {
		OSSL_LIB_CTX_free(library);
		library = NULL;
	}
	OPENSSL_free(configuration);
	ERR_clear_error();
	return library;
}

static void *run(void *arg)
{
	struct carrier *carrier = arg;

	/* for this thread alone */
	if (carrier->library != NULL)
		OSSL_LIB_CTX_set0_default(carrier->library);
	tg_loop_run(&carrier->loop, carrier->idle);
}

static int start_threads(void)
{
	pthread_t threads[CARRIERS_MAX];
	pthread_attr_t attributes;
	int result = 0;

	if (pthread_attr_init(&attributes) != 0)
		return -ENOMEM;
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	for (size_t i = 0; i < carrier_count && result == 0; i++) {
		result = -pthread_create(&threads[i], &attributes, run, &carriers[i]);
		if (result < 0)
			carrier_count = i;
	}
	pthread_attr_destroy(&attributes);
	tg_processors_spread(threads, carrier_count);
	/* those that there are do it as well */
	return carrier_count > 0 ? 0 : result;
}

int tg_carriers_start(int (*idle)(void))
{
	int result = 0;

	carrier_count = tg_processors_count(CARRIERS_MAX);
	for (size_t i = 0; i < carrier_count && result == 0; i++) {
		carriers[i].idle = idle;
		carriers[i].library = own_library();
		result = tg_loop_open(&carriers[i].loop);
	}
	return result < 0 ? result : start_threads();
}

struct tg_loop *tg_carriers_least_loaded(void)
{
	static size_t turn;
	struct tg_loop *best = NULL;
	size_t least = SIZE_MAX;

	/* not always the same one first, of this relay's and of all relays': else its processor would have it all */
	turn = turn == 0 ? (size_t)getpid() : turn + 1;
	for (size_t i = 0; i < carrier_count; i++) {
		struct tg_loop *loop = &carriers[(turn + i) % carrier_count].loop;
		const size_t load = atomic_load_explicit(&loop->load, memory_order_relaxed);

		if (load < least) {
			least = load;
			best = loop;
		}
	}
	return best;
}
