/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One TLS connection to a server as a client without a certificate, to see what it serves and demands. Nothing is verified:
 * the certificate is the answer.
 */
#ifndef TG_CLI_PROBE_TLS_H
#define TG_CLI_PROBE_TLS_H

#include <stdbool.h>
#include <stdint.h>

enum tg_tls_kind {
	TG_TLS_SERVED, /* its certificate came */
	TG_TLS_ALERT,  /* it refused by an alert before that */
	TG_TLS_PLAIN,  /* it answered, and not in TLS */
	TG_TLS_CLOSED, /* it hung up without a byte */
	TG_TLS_SILENT, /* nothing in time */
};

#define TG_SAMPLE_SIZE 64

struct tg_tls_answer {
	enum tg_tls_kind kind;
	char sha256[65];             /* of the leaf, lower-case hex */
	bool requests_certificate;   /* a client's */
	bool refused;                /* after it saw that there is none */
	bool accepted;               /* it went on without one */
	int alert;                   /* number of the alert that it sent; -1: none */
	char sample[TG_SAMPLE_SIZE]; /* TG_TLS_PLAIN: its first bytes, escaped */
};

/* Over the connected, non-blocking socket `fd`, which stays open. `name`: for SNI; NULL: none. 0 or -ENOMEM. */
int tg_probe_tls(int fd, const char *name, int64_t deadline, struct tg_tls_answer *ret);

#endif
