/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsgraft loader: an INI file and the files it names, read as one consistent snapshot and validated, or refused with
 * every reason. The library does no interposition, starts no thread, installs no handler, and logs nothing.
 *
 * Handles are opaque. An identity is immutable once loaded: it may be used from any number of threads, and across fork.
 * Functions set their outputs last and leave them untouched on failure. All texts are UTF-8, owned by the handle they
 * came from.
 *
 * A server that can be recompiled uses it like this (see examples/embed/):
 *
 *     tlsgraft_messages *messages = NULL;
 *     tlsgraft_identity *identity = NULL;
 *     if (tlsgraft_load("site.ini", NULL, &identity, &messages) == TLSGRAFT_OK)
 *             tlsgraft_identity_configure(identity, "server", ssl_ctx);
 */
#ifndef TLSGRAFT_LOADER_H
#define TLSGRAFT_LOADER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TLSGRAFT_API __attribute__((visibility("default")))

typedef struct tlsgraft_identity tlsgraft_identity;
typedef struct tlsgraft_messages tlsgraft_messages;
struct ssl_ctx_st; /* SSL_CTX of <openssl/ssl.h> */

enum tlsgraft_result {
	TLSGRAFT_OK = 0,       /* good; there may be warnings */
	TLSGRAFT_REFUSED = -1, /* at least one error; nothing was returned */
	TLSGRAFT_PENDING = -2, /* the only faults: files that are not, or not wholly, written yet. Worth trying again */
	TLSGRAFT_NO_MEMORY = -3,
	TLSGRAFT_NO_SUCH_SECTION = -4,
};

enum tlsgraft_severity { TLSGRAFT_WARNING = 1, TLSGRAFT_ERROR = 2 };

/*
 * Reads `ini_path` and everything it names. `serving` is the identity in use at a reload, else NULL: a fault that it has
 * already (its certificate expired meanwhile) is then a warning. *ret_messages is always set (free it) unless memory ran
 * out; *ret_identity on TLSGRAFT_OK only. May sleep up to 100 ms while files change under it or are open for writing;
 * TLSGRAFT_PENDING is returned at once, the caller decides how long to wait.
 */
TLSGRAFT_API int tlsgraft_load(const char *ini_path, const tlsgraft_identity *serving, tlsgraft_identity **ret_identity,
			       tlsgraft_messages **ret_messages);

/* Reference counting, atomic. The last unref erases the keys. NULL is allowed in unref. */
TLSGRAFT_API tlsgraft_identity *tlsgraft_identity_ref(tlsgraft_identity *identity);
TLSGRAFT_API void tlsgraft_identity_unref(tlsgraft_identity *identity);

/* Messages, in the order found. `text` is "FILE:LINE: [section] key: reason" or "FILE: reason". */
TLSGRAFT_API size_t tlsgraft_messages_count(const tlsgraft_messages *messages);
TLSGRAFT_API const char *tlsgraft_messages_text(const tlsgraft_messages *messages, size_t index);
TLSGRAFT_API enum tlsgraft_severity tlsgraft_messages_severity(const tlsgraft_messages *messages, size_t index);
TLSGRAFT_API void tlsgraft_messages_free(tlsgraft_messages *messages);

/* 1 where both would serve and demand the same, judged by content; else 0. */
TLSGRAFT_API int tlsgraft_identity_equal(const tlsgraft_identity *a, const tlsgraft_identity *b);

/*
 * What differs between two identities, in words for a log line ("server: certificate 1a2b… -> 3c4d…, not after …; ca
 * added CN=…"). `serving` may be NULL (everything is new). malloc'ed; NULL where memory ran out.
 */
TLSGRAFT_API char *tlsgraft_identity_difference(const tlsgraft_identity *serving, const tlsgraft_identity *loaded);

/*
 * Sets certificate, key, chain, verification, protocol bounds and session context of [server], "listener NAME" or
 * "sni NAME" on a new SSL_CTX: one that no connection uses yet. Allow rules and CRLs are enforced too, by a verify callback
 * that keeps a reference to the identity as long as the SSL_CTX lives; where the section has alpn, by the callback that
 * selects a protocol, and with alpn_required by the ClientHello callback. TLSGRAFT_OK, TLSGRAFT_NO_SUCH_SECTION,
 * TLSGRAFT_REFUSED (libssl did not accept it; see its error queue) or TLSGRAFT_NO_MEMORY.
 */
TLSGRAFT_API int tlsgraft_identity_configure(tlsgraft_identity *identity, const char *section, struct ssl_ctx_st *ssl_ctx);

/* Version of the library, "0.1.0". */
TLSGRAFT_API const char *tlsgraft_loader_version(void);

#ifdef __cplusplus
}
#endif

#endif
