/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each way in which a server could undo the policy by one call, for late.c.
 */
#ifndef TG_TESTS_SHIM_WAYS_H
#define TG_TESTS_SHIM_WAYS_H

#include <openssl/ssl.h>

enum moment {
	MOMENT_NEVER,  /* what `prepare` and `before` did is all */
	MOMENT_CHOICE, /* right after the ClientHello callback: before a session is looked up and TLS 1.3 chooses its suite
			*/
	MOMENT_NAME,   /* the host name callback: before the certificate */
	MOMENT_SUITE,  /* between the certificate callback and the staple, again and again */
	MOMENT_AFTER,  /* certificate and suite are chosen, and nothing is sent yet */
};

struct way {
	const char *name;
	const char *rules; /* under which it is tried: mutual, server, limits */
	enum moment moment;
	int version;               /* 0: both */
	long (*call)(SSL *server); /* 0 or less: it was told that it failed */
	void (*prepare)(SSL_CTX *server);
	void (*before)(SSL *server);
	void (*clean)(void);
	void (*sneak)(SSL_CTX *client);
};

/* Each ends with one without a name. That of a way which is blocked (shim/policy/blocked_calls.def) begins with what is
 * there. */
extern const struct way ways_identity[];
extern const struct way ways_certificateless[];

/* How often the server was asked for a key or secret that would stand in for a certificate. */
extern unsigned ways_asked;

void ways_begin(void);
void ways_end(void);

#endif
