/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of servers by the name of their program: what they need to start, and what of them TLS does not cover.
 */
#ifndef TG_CLI_SERVERS_H
#define TG_CLI_SERVERS_H

#include <stdbool.h>

struct tg_server {
	const char *program;    /* name of the file */
	const char *name;       /* for people */
	bool needs_certificate; /* parses its own before any libssl call, so it does not start without one */
	const char *starttls;   /* its own switch that closes plaintext on its STARTTLS ports; NULL: has no such ports */
	const char *unit_words; /* a command in a unit that starts it under another name; NULL: none */
};

/* NULL: nothing is known of it. `path` may be a name alone. */
const struct tg_server *tg_server_known(const char *path);

/* The same switches by the protocol that a port was heard to speak ("SMTP" ...); NULL: none is known. */
const char *tg_server_protocol_switch(const char *protocol);

#endif
