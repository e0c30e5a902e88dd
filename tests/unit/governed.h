/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process under a policy, without a keeper: files made at test time, loaded and published into memory of its own, as
 * the shim finds it in a server. And clients of what it serves, over loopback.
 */
#ifndef TG_TESTS_GOVERNED_H
#define TG_TESTS_GOVERNED_H

#include "shim/policy/generation.h" /* before any other header of OpenSSL */

#include "certificates.h"
#include "ipc/layout.h"

enum client_kind { CLIENT_GOOD, CLIENT_NONE, CLIENT_OTHER_CA, CLIENT_EXPIRED };

/* Publishes site.ini of a new folder; ca.pem, server.pem and server.key lie beside it. Once in a process. */
void govern(const char *ini);
void govern_again(const char *ini); /* the next generation */
void govern_end(void);

/* The counters of a section. */
struct tg_section_slot *counters_of(const char *section);

/* Of the section whose address `fd` has; referenced until govern_end. */
const struct tg_route *route_of(int fd);

/* A loopback connection with non-blocking ends. `port`: of the listener, for which no other socket may listen meanwhile. */
struct pair {
	int server, client;
};
void pair_open(struct pair *pair, int buffer); /* `buffer`: bytes of the socket buffers, 0: the system's */
uint16_t pair_port(void);                      /* the listener's, the same in the whole process */

/* A TLS client of exactly this version on `fd`; it trusts ca.pem. Not connected yet. */
SSL *client_new(int fd, enum client_kind kind, int version);
/* Another certificate for a CLIENT_GOOD, with these names (subjectAltName as in x509v3_config(5)). */
void client_show(SSL *client, const char *names);
EVP_PKEY *client_key(enum client_kind kind, X509 **ret_certificate); /* borrowed; NULL for CLIENT_NONE */

#endif
