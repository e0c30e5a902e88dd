/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a port answers before TLS: protocols that begin in plaintext, whether they offer TLS, and whether they go on
 * without.
 */
#ifndef TG_CLI_PROBE_PLAIN_H
#define TG_CLI_PROBE_PLAIN_H

#include "cli/probe_tls.h"
#include "ipc/policy.h"

#include <stdint.h>

enum tg_protocol {
	TG_PROTOCOL_UNKNOWN,
	TG_PROTOCOL_SMTP,
	TG_PROTOCOL_FTP,
	TG_PROTOCOL_IMAP,
	TG_PROTOCOL_POP3,
	TG_PROTOCOL_MYSQL,
	TG_PROTOCOL_POSTGRESQL,
	TG_PROTOCOL_LDAP,
	TG_PROTOCOL_SSH,
	TG_PROTOCOL_HTTP,
	TG_PROTOCOL_MQTT,
	TG_PROTOCOL_DNS,
	TG_PROTOCOL_COUNT
};

enum tg_open { TG_OPEN_UNKNOWN, TG_OPEN_YES, TG_OPEN_NO };

struct tg_plain_answer {
	enum tg_protocol protocol;
	char sample[TG_SAMPLE_SIZE]; /* its first bytes, escaped; "": it answered nothing */
	bool upgrades;               /* offers TLS in the protocol: see tg_plain_upgrade */
	enum tg_open open;           /* goes on in plaintext where a client does not ask for TLS */
};

/* "SMTP", "HTTP" ...; "a protocol that is not known" for any other number. */
const char *tg_protocol_name(enum tg_protocol protocol);

/* Connects as often as there are protocols to try, with at most `each_ms` for each. */
void tg_probe_plain(const struct tg_address *to, int each_ms, struct tg_plain_answer *ret);

/*
 * The same of a port that answers a ClientHello: whether it takes a client in plaintext as well. What such a server says to
 * bytes that are no TLS is no answer: an alert, an HTTP status that sends the client away.
 */
void tg_probe_beside(const struct tg_address *to, int each_ms, struct tg_plain_answer *ret);

/* A new connection on which the server now waits for a ClientHello, or a negative errno. */
int tg_plain_upgrade(const struct tg_address *to, enum tg_protocol protocol, int64_t deadline);

#endif
