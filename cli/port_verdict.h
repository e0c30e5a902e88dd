/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a port answered against what its section promises.
 */
#ifndef TG_CLI_PORT_VERDICT_H
#define TG_CLI_PORT_VERDICT_H

#include "cli/findings.h"
#include "cli/ports.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

struct tg_expected {
	bool known;          /* which section governs it, if any; else the certificate alone tells */
	const char *section; /* "server", "listener api"; NULL: no section governs it */
	const char *mode;    /* as `status` has it; "" where it is not known */
	bool terminated;     /* the server speaks plaintext, and TLS is terminated for it */
	bool accepts;        /* plaintext clients are let in there, too */
};

/*
 * One finding for each connection. `sections`: those of `status`, with the certificates that are served; NULL: the
 * processes hold no policy, so nothing is "ours". `where`: the address as text.
 */
void tg_port_judge(const struct tg_port *port, const char *where, const struct tg_expected *unnamed,
		   const struct tg_expected named[TG_PORT_NAMES], const cJSON *sections, struct tg_findings *findings);

#endif
