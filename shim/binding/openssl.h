/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The libssl that the process itself uses, bound at first use by looking its functions up (dlopen(3) with RTLD_NOLOAD,
 * dlsym(3)). The shim links nothing of OpenSSL; headers serve for types and constants only.
 */
#ifndef TG_SHIM_BINDING_OPENSSL_H
#define TG_SHIM_BINDING_OPENSSL_H

#include "shim/binding/lock.h"

/* Methods of one fixed version are deprecated; servers use them all the same. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef int (*tg_security_fn)(const SSL *ssl, const SSL_CTX *ssl_ctx, int op, int bits, int nid, void *other, void *ex);

/* Real functions: hooked ones and called ones. A hook's slot is never the hook itself. */
struct tg_openssl {
#define TG_HOOK_ssl(name) __typeof__(name) *name;
#define TG_HOOK_c(name)
#define TG_HOOK(library, name) TG_HOOK_##library(name)
#include "shim/binding/hooks.def"
#undef TG_HOOK_ssl
#undef TG_HOOK_c
#undef TG_HOOK
#define TG_CALL(name) __typeof__(name) *name;
#include "shim/binding/openssl.def"
#undef TG_CALL
	bool is_private; /* opened by the shim, and libcrypto with it: the program had neither */
	bool supported;  /* a libssl of a version that the shim knows, and the only one in the process */
	const char *unsupported_why;
};

extern _Atomic(const struct tg_openssl *) tg_openssl_bound; /* NULL: not yet, or not for good */
const struct tg_openssl *tg_openssl_bind(void);

/*
 * Binds on the first call that finds one mapped; later calls are one atomic load. Where no libssl is mapped, or two are, or
 * an unknown version, `supported` is false and slots of functions that were not found are NULL. Never NULL itself.
 * Thread-safe.
 */
static inline const struct tg_openssl *tg_openssl(void)
{
	tg_lock_check_call();
	const struct tg_openssl *table = atomic_load_explicit(&tg_openssl_bound, memory_order_acquire);

	return table != NULL ? table : tg_openssl_bind();
}

/*
 * The same, and where the process has no libssl it is opened first: in a way that symbols which the program or other
 * libraries export cannot take its place inside (RTLD_DEEPBIND), nor it theirs (RTLD_LOCAL). What the server loads later
 * finds the same object.
 */
const struct tg_openssl *tg_openssl_open(void);

/*
 * Why no context may be made: what `supported` says, or another libssl that has been mapped since, whose callers' contexts
 * would be of one library and their functions of the other. NULL: it may. Looks at the loaded objects where some came or
 * went.
 */
const char *tg_openssl_unusable(void);

/* `function` lies in a libssl, the bound one or another. */
bool tg_openssl_is_in_libssl(const void *function);

/* Around fork. */
void tg_openssl_lock(void);
void tg_openssl_unlock(void);

#endif
