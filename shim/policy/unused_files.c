/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/unused_files.h"

#include "shim/policy/context.h"
#include "shim/policy/generation.h"
#include "shim/process/log.h"
#include "shim/process/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define SAID_MAX 32

static const char *const names[] = {
    [TG_UNUSED_CERTIFICATE] = "certificate",
    [TG_UNUSED_KEY] = "private key",
    [TG_UNUSED_PAIR] = "certificate and private key",
    [TG_UNUSED_TRUST] = "trusted CAs",
};

/* Under `server` and `off` clients are the server's to judge, with what it trusts. */
static bool is_replaced(const struct tg_policy *policy, enum tg_unused what)
{
	if (what == TG_UNUSED_TRUST)
		return policy->mode == TG_MODE_OPTIONAL || policy->mode == TG_MODE_MUTUAL;
	return policy->mode != TG_MODE_OFF && policy->credentials != TG_NONE;
}

/* NULL: some connection may be left to the server. Else what governs those that no other section does. */
static const struct tg_policy *replacement(const struct tg_document *document, enum tg_unused what)
{
	const struct tg_policy *found = NULL;

	for (size_t i = 0; i < document->policy_count; i++)
		if (!is_replaced(&document->policies[i], what))
			return NULL;
	for (size_t i = 0; found == NULL && i < document->route_count; i++)
		if (document->routes[i].is_server)
			found = &document->policies[document->routes[i].policy];
	return found;
}

bool tg_unused_begin(const SSL_CTX *ssl_ctx, enum tg_unused what)
{
	if (!tg_shim_is(TG_STATE_GOVERNED) || tg_context_find(ssl_ctx) == NULL)
		return false;
	struct tg_generation *generation = tg_generation_acquire();
	bool replaced = generation != NULL && replacement(generation->document, what) != NULL;
	tg_generation_unref(generation);
	if (replaced)
		tg_openssl()->ERR_set_mark();
	return replaced;
}

/* FNV-1a; 0 is an empty place. */
static uint64_t hash(enum tg_unused what, const char *file)
{
	uint64_t x = 0xcbf29ce484222325u + (uint64_t)what;

	for (; file != NULL && *file != '\0'; file++)
		x = (x ^ (unsigned char)*file) * 0x100000001b3u;
	return x == 0 ? 1 : x;
}

/* A context for each connection, or a reload, fails with the same file again. */
static bool is_new(uint64_t key)
{
	static _Atomic uint64_t said[SAID_MAX];

	for (size_t i = 0; i < SAID_MAX; i++) {
		uint64_t there = 0;
		if (atomic_compare_exchange_strong(&said[i], &there, key))
			return true;
		if (there == key)
			return false;
	}
	return false;
}

static const char *reason(const struct tg_openssl *o, const char *file)
{
	if (file != NULL && faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) != 0)
		return strerror(errno);
	const char *text = o->ERR_reason_error_string(o->ERR_peek_last_error());
	return text == NULL ? "not usable" : text;
}

int tg_unused_loaded(enum tg_unused what, const char *file, int result, int saved_errno)
{
	const struct tg_openssl *o = tg_openssl();

	if (result == 1) {
		o->ERR_clear_last_mark();
		return result;
	}
	if (is_new(hash(what, file)))
		tg_shim_log(
		    "the program's own %s%s%s cannot be used (%s): not needed, every connection is governed by a section",
		    names[what], file == NULL ? "" : " ", file == NULL ? "" : file, reason(o, file));
	o->ERR_pop_to_mark();
	errno = saved_errno;
	return 1;
}

X509 *tg_unused_shown(const SSL_CTX *ssl_ctx)
{
	struct tg_context *context = tg_shim_is(TG_STATE_GOVERNED) ? tg_context_find(ssl_ctx) : NULL;

	if (context == NULL || context->shown != NULL)
		return context == NULL ? NULL : context->shown;
	struct tg_generation *generation = tg_generation_acquire();
	const struct tg_policy *policy =
	    generation == NULL ? NULL : replacement(generation->document, TG_UNUSED_CERTIFICATE);
	if (policy != NULL && generation->certificates[policy->credentials].count > 0) {
		X509 *leaf = generation->certificates[policy->credentials].served[0].leaf;
		if (tg_openssl()->X509_up_ref(leaf) == 1)
			context->shown = leaf;
	}
	tg_generation_unref(generation);
	return context->shown;
}
