/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tlsgraft loader reads an INI file and the files that it names as one consistent snapshot, and validates them. It
 * returns an identity, or messages that name every fault found. The library hooks no functions, starts no threads,
 * installs no signal handlers, and logs nothing.
 *
 * Rules for every function:
 *
 *   Ownership    Handles are opaque. The caller releases an identity with tlsgraft_identity_unref and messages with
 *                tlsgraft_messages_free. A returned `const char *` belongs to the handle that it was read from, and is
 *                valid as long as that handle. All texts are UTF-8 and end in NUL.
 *   Errors       Functions report errors by their return value; errno has no meaning. A function that fails leaves its
 *                outputs unchanged, except for *ret_messages of tlsgraft_load.
 *   NULL         Not allowed as an argument, unless the function's comment allows it.
 *   Threads      An identity does not change once it is loaded: any number of threads may use it at once, and its
 *                reference count is atomic. tlsgraft_messages may be read by several threads at once, but freed by one.
 *   fork         Parent and child may each go on using an identity that was loaded before the fork. The child has its
 *                own copy, private keys included.
 *   Signals      No function is async-signal-safe.
 *
 * A server that can be recompiled uses the library like this (see examples/embed/):
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
	TLSGRAFT_OK = 0,       /* success; there may be warnings */
	TLSGRAFT_REFUSED = -1, /* at least one error: nothing can be served */
	TLSGRAFT_PENDING = -2, /* reload only: the files are not completely written yet; try again */
	TLSGRAFT_NO_MEMORY = -3,
	TLSGRAFT_NO_SUCH_SECTION = -4,
};

enum tlsgraft_severity { TLSGRAFT_WARNING = 1, TLSGRAFT_ERROR = 2 };

/*
 * Reads `ini_path` and every file that it names.
 *
 * `serving` is NULL at a start, and the identity in use at a reload. At a reload, a fault that the identity in use has too
 * (for example, a certificate that expired meanwhile) is a warning and not an error: refusing the files would not remove
 * that fault.
 *
 * Returns TLSGRAFT_OK, TLSGRAFT_REFUSED, TLSGRAFT_PENDING or TLSGRAFT_NO_MEMORY. *ret_identity is set on TLSGRAFT_OK only,
 * with one reference that the caller owns. *ret_messages is set on every result but TLSGRAFT_NO_MEMORY; the caller frees
 * it.
 *
 * The function blocks on file reads. It sleeps up to 100 ms in all if files change while it reads them. It does not wait
 * for files that are written later: at a reload it returns TLSGRAFT_PENDING, and the caller decides how long to retry.
 * OpenSSL's error queue is kept as it was.
 */
TLSGRAFT_API int tlsgraft_load(const char *ini_path, const tlsgraft_identity *serving, tlsgraft_identity **ret_identity,
			       tlsgraft_messages **ret_messages);

/*
 * tlsgraft_identity_ref adds a reference and returns `identity`. tlsgraft_identity_unref drops one; dropping the last one
 * erases the private keys from memory and frees the identity. tlsgraft_identity_unref accepts NULL and does nothing then.
 */
TLSGRAFT_API tlsgraft_identity *tlsgraft_identity_ref(tlsgraft_identity *identity);
TLSGRAFT_API void tlsgraft_identity_unref(tlsgraft_identity *identity);

/*
 * Messages are in the order in which the faults were found. A text is "FILE:LINE: [section] key: reason" or "FILE: reason".
 * For an index that is not below the count, the text is NULL and the severity TLSGRAFT_WARNING. tlsgraft_messages_free
 * frees the texts too; it accepts NULL.
 */
TLSGRAFT_API size_t tlsgraft_messages_count(const tlsgraft_messages *messages);
TLSGRAFT_API const char *tlsgraft_messages_text(const tlsgraft_messages *messages, size_t index);
TLSGRAFT_API enum tlsgraft_severity tlsgraft_messages_severity(const tlsgraft_messages *messages, size_t index);
TLSGRAFT_API void tlsgraft_messages_free(tlsgraft_messages *messages);

/*
 * Returns 1 if both identities serve the same certificates and keys and demand the same of clients, else 0. Compares
 * content, not file names or dates.
 */
TLSGRAFT_API int tlsgraft_identity_equal(const tlsgraft_identity *a, const tlsgraft_identity *b);

/*
 * Describes in one log line how `loaded` differs from `serving` ("server: certificate 1a2b… -> 3c4d…, not after …; ca
 * added CN=…"). `serving` may be NULL: then everything is new. Returns memory that the caller releases with free(3), or
 * NULL if there is no memory.
 */
TLSGRAFT_API char *tlsgraft_identity_difference(const tlsgraft_identity *serving, const tlsgraft_identity *loaded);

/*
 * Configures `ssl_ctx` from one section: "server", "listener NAME" or "sni NAME". Sets certificate, key, chain, client
 * verification, protocol limits and session context. `ssl_ctx` must be new: no connection may use it yet, and no other
 * thread may use it during the call. The caller keeps ownership of it.
 *
 * A verify callback enforces the allow rules and CRLs. The SSL_CTX holds a reference to the identity until it is freed, so
 * the caller may drop its own at once. If the section has alpn, a callback selects the protocol (RFC 7301); if it has
 * alpn_required, the ClientHello callback refuses clients that offer none of its protocols. With `mode = off` the function
 * changes nothing and returns TLSGRAFT_OK.
 *
 * Returns TLSGRAFT_OK, TLSGRAFT_NO_SUCH_SECTION, TLSGRAFT_REFUSED (libssl rejected a setting: see OpenSSL's error queue)
 * or TLSGRAFT_NO_MEMORY. After TLSGRAFT_REFUSED or TLSGRAFT_NO_MEMORY `ssl_ctx` may be half configured: free it, and do not
 * serve with it.
 */
TLSGRAFT_API int tlsgraft_identity_configure(tlsgraft_identity *identity, const char *section, struct ssl_ctx_st *ssl_ctx);

/* Version of the library, such as "0.1.0". A constant: never freed. */
TLSGRAFT_API const char *tlsgraft_loader_version(void);

#ifdef __cplusplus
}
#endif

#endif
