/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service unit means for a graft, and the drop-in that grafts it.
 */
#ifndef TG_CLI_UNIT_ADVICE_H
#define TG_CLI_UNIT_ADVICE_H

#include "cli/findings.h"
#include "cli/unit.h"

struct tg_parts {
	const char *shim; /* absolute paths */
	const char *keeper;
	const char *config;
};

void tg_unit_advise(const struct tg_unit *unit, const struct tg_parts *parts, struct tg_findings *findings);

#endif
