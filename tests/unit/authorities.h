/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAs and CRLs as files of one [server] section: what the loader says of them, and what becomes of a real client when they
 * are published whatever it says. The two must agree.
 */
#ifndef TG_TESTS_AUTHORITIES_H
#define TG_TESTS_AUTHORITIES_H

#include "certificates.h"
#include "ipc/policy.h"

#define INI "[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = cas.pem\n"

/* A folder of its own for each test, made by authorities_start. */
extern struct maker maker;
extern struct site site;

int authorities_start(void **state);
int authorities_stop(void **state);

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

struct authorities {
	struct authority root, middle; /* the one issued the other */
};

void make_authorities(struct authorities *all);
void free_authority(struct authority *authority);
void free_authorities(struct authorities *all);

/* `issuer` NULL: signed by itself. What `spec` leaves open: the key, and dates that hold today. */
X509 *issue(const struct authority *issuer, EVP_PKEY *key, struct spec spec);

/* The scope and further extensions of a CRL. */
struct scope {
	bool only_user, only_ca, only_attribute, indirect, some_reasons;
	const char *uri; /* of its distribution point */
	int unknown;     /* 1: an extension that nobody knows; 2: a critical one */
};

/* `scope` and `revoked`: NULL for none. */
X509_CRL *revoke(const struct authority *authority, const struct scope *scope, X509 *revoked);

/* cas.pem and crls.pem, of up to `count` each; NULL entries are left out. */
void write_lists(X509 *const *cas, X509_CRL *const *crls, size_t count);

/* What the loader makes of these lists: the result of tlsgraft_identity_load; messages are the maker's. `keys`: more of the
 * section. */
int try_lists(const char *keys, X509 *const *cas, X509_CRL *const *crls, size_t count);

/* An identity with this trust, whatever the loader says of it. */
tlsgraft_identity *published(X509 *const *cas, X509_CRL *const *crls, size_t count, enum tg_crl_check check, int depth);

/* Whether this client is let in. `sent`: what it sends along; NULL: nothing. */
bool let_in(tlsgraft_identity *identity, X509 *certificate, EVP_PKEY *key, X509 *sent, int version);

/* Of one of the two; the caller frees its data with OPENSSL_free. */
struct tg_span der_of(X509 *certificate, X509_CRL *crl);

/* The same of a new client of this issuer, in both versions alike. */
bool client_let_in(tlsgraft_identity *identity, const struct authority *issuer, struct spec spec, X509 *sent);

#endif
