/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/connections/own_hello.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define KEPT 64
#define WORDS (TG_RANDOM_SIZE / sizeof(uint64_t))

static _Atomic uint64_t kept[KEPT][WORDS];
static _Atomic unsigned next;

bool tg_own_hello_is(const unsigned char random[TG_RANDOM_SIZE])
{
	uint64_t wanted[WORDS], none[WORDS] = {0};

	memcpy(wanted, random, sizeof(wanted));
	if (memcmp(wanted, none, sizeof(none)) == 0)
		return false;
	for (unsigned i = 0; i < KEPT; i++) {
		bool same = true;
		for (unsigned k = 0; k < WORDS; k++)
			same &= atomic_load_explicit(&kept[i][k], memory_order_relaxed) == wanted[k];
		if (same)
			return true;
	}
	return false;
}

void tg_own_hello_note(const SSL *client)
{
	const struct tg_openssl *o = tg_openssl();
	unsigned char random[TG_RANDOM_SIZE];
	uint64_t words[WORDS];

	if (o->SSL_get_wfd(client) >= 0 || o->SSL_get_client_random(client, random, sizeof(random)) != sizeof(random) ||
	    tg_own_hello_is(random))
		return;
	memcpy(words, random, sizeof(words));
	unsigned at = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % KEPT;
	for (unsigned k = 0; k < WORDS; k++)
		atomic_store_explicit(&kept[at][k], words[k], memory_order_relaxed);
}
