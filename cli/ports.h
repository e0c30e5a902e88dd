/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ports of a set of processes answer, seen from inside their network namespaces: asked side by side, each by a
 * process of its own that has given up its rights, all of them within a fixed time.
 */
#ifndef TG_CLI_PORTS_H
#define TG_CLI_PORTS_H

#include "cli/probe_plain.h"
#include "cli/probe_tls.h"
#include "ipc/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TG_PORT_NAMES 8

/* Plain data: it comes through a pipe. */
struct tg_port_answers {
	int error;                /* errno of the connection; ETIMEDOUT too where the whole did not end in time; 0: none */
	struct tg_tls_answer tls; /* without a name */
	struct tg_plain_answer plain; /* also where it answers TLS from the first byte: it may take either */
	bool upgraded;
	struct tg_tls_answer inside; /* where `upgraded`: after the protocol's own upgrade */
	size_t named_count;
	struct tg_tls_answer named[TG_PORT_NAMES]; /* for the names of the request, in their order */
};

struct tg_port {
	pid_t member;                     /* a process of the network namespace */
	struct tg_address address;        /* to connect to: never a wildcard */
	const char *names[TG_PORT_NAMES]; /* host names for SNI */
	size_t name_count;
	struct tg_port_answers answers; /* filled in */
};

/* Asks all `count` ports. 0 or a negative errno; what single ports did not answer is in their answers. */
int tg_ports_ask(struct tg_port *ports, size_t count);

#endif
