/* SPDX-License-Identifier: Apache-2.0 */
/* No header of OpenSSL here: these have its names and nothing else. */
#include "decoys.h"

#include <stddef.h>

int decoy_calls;
const char *decoy_last;

#define DECOY(name)                                                                                                        \
	void name(void);                                                                                                   \
	void name(void)                                                                                                    \
	{                                                                                                                  \
		decoy_calls++;                                                                                             \
		decoy_last = #name;                                                                                        \
	}

/* What the shim calls and hooks, and what libssl needs of libcrypto all the time. */
#define TG_CALL(name) DECOY(name)
#include "shim/binding/openssl.def"
#define TG_HOOK_ssl(name) DECOY(name)
#define TG_HOOK_c(name)
#define TG_HOOK(library, name) TG_HOOK_##library(name)
#include "shim/binding/hooks.def"
DECOY(CRYPTO_malloc)
DECOY(CRYPTO_zalloc)
DECOY(CRYPTO_realloc)
DECOY(CRYPTO_THREAD_lock_new)
DECOY(EVP_PKEY_keygen)
DECOY(EVP_PKEY_CTX_new_from_name)
DECOY(EVP_MD_fetch)
DECOY(OPENSSL_init_crypto)
DECOY(RAND_bytes_ex)
