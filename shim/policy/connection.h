/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim knows of one SSL: the generation and policy that its handshake is pinned to, its phase, and the verdict.
 * Made at the first server-side handshake call, and freed with the SSL. Used only by the thread that uses the SSL, as
 * libssl itself demands; tg_connection_with and tg_connection_each may be called by any thread.
 */
#ifndef TG_SHIM_POLICY_CONNECTION_H
#define TG_SHIM_POLICY_CONNECTION_H

#include "shim/policy/context.h"
#include "shim/policy/fault.h"
#include "shim/policy/generation.h"

enum tg_phase {
	TG_PHASE_NEW,      /* no complete ClientHello yet */
	TG_PHASE_HELLO,    /* pinned; protocol bounds and session context are ours */
	TG_PHASE_IDENTITY, /* certificate and verification are ours too */
	TG_PHASE_DONE,     /* finished and judged good */
	TG_PHASE_REFUSED,  /* finished and judged bad, or failed: no data crosses it */
};

struct tg_live;

struct tg_connection {
	struct tg_entry entry;
	enum tg_phase phase;
	struct tg_generation *generation; /* pinned, referenced; NULL before the ClientHello */
	const struct tg_policy *policy;   /* in the generation; NULL: nothing governs */
	const struct tg_anchors *anchors; /* NULL where the policy verifies nobody */
	struct tg_section_slot *counters; /* may be NULL */
	bool has_address;                 /* `address` is the local one, asked for in this handshake call */
	struct tg_address address;
	bool has_origin; /* no descriptor: `origin` is where the ClientHello with `origin_random` came in */
	struct tg_address origin;
	struct tg_address origin_peer; /* the client's, where `origin` is known; family 0: it is not */
	int read_from; /* one more than the descriptor that its last handshake step read from; 0: not known */
	unsigned char origin_random[SSL3_RANDOM_SIZE];
	bool verified; /* our own verdict on the client's chain in this handshake */
	bool has_fault;
	struct tg_fault fault; /* why it is refused */
	char *subject;         /* of the certificate that was refused; NULL: none, or not looked at yet */
	bool counted;
	bool alpn_unanswered;     /* the client offers ALPN, and nothing of it is listed: counted */
	bool touched;             /* an earlier handshake on this SSL left our certificate and session context on it */
	bool verified_before;     /* that one verified clients, so our verification settings are on it too */
	bool has_own_certificate; /* SSL_set_cert_cb was called: `own_certificate`, maybe NULL, goes before the context's */
	int (*own_certificate)(SSL *, void *);
	void *own_certificate_arg;
	int64_t session_epoch;       /* in which the ClientHello came; 0: sessions have no age */
	char *host;                  /* that the client asked for, normalised; NULL: none */
	struct tg_live *live;        /* what newer generations judge it by (recheck.h); NULL: nobody has asked for that */
	tg_security_fn own_security; /* the server's, where ours is in its place */
	bool has_own_session_context;
	struct tg_session_context own_session_context;
};

struct tg_connection *tg_connection_find(const SSL *ssl);
struct tg_connection *tg_connection_get(const SSL *ssl); /* makes it; NULL where memory ran out */

/* A new SSL has the address of an old one that was freed without its callback: forgets the old one. */
void tg_connection_forget(const SSL *ssl);

/* SSL_dup: copies the server's own callback and session id context. False: no memory. */
bool tg_connection_copy(const SSL *from, const SSL *to);

/* SSL_clear: as new, except for the server's own callbacks. Counts a handshake that ended without a verdict. */
void tg_connection_reset(struct tg_connection *connection);

/*
 * Call `visit` for the connection of `ssl`, or for every one, under the table's lock, so that none is freed meanwhile.
 * `visit` must not call the server, libssl or these functions.
 */
void tg_connection_with(const SSL *ssl, void (*visit)(struct tg_connection *, void *), void *arg);
void tg_connection_each(void (*visit)(struct tg_connection *, void *), void *arg);

/* Refuses the connection. The first fault counts; later ones are consequences of it. */
void tg_connection_refuse_for(struct tg_connection *connection, const struct tg_fault *fault);
/* The same for a fault that OpenSSL has no words for. `words` must live as long as the process. */
void tg_connection_refuse(struct tg_connection *connection, enum tg_refusal reason, const char *words);

/*
 * Counts a handshake that did not finish, once: as refused if a fault is known or a ClientHello came, else as aborted.
 * `ssl` tells who the client is; NULL where the SSL may not be used any more.
 */
void tg_connection_count_end(struct tg_connection *connection, SSL *ssl);

/* For the fork handlers (shim/fork.c). */
void tg_connection_lock(void);
void tg_connection_unlock(void);

#endif
