/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of plaintext servers that were closed because the engine that they were left to could not serve them: said
 * once for each section, with the engine that can.
 */
#ifndef TG_KEEPER_UNSERVED_H
#define TG_KEEPER_UNSERVED_H

#include "ipc/layout.h"
#include "ipc/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* What was said, zeroed at first. */
struct tg_unserved {
	int64_t next_look;
	bool said[TG_SECTION_SLOTS];
};

/* Cheap where it looked a moment ago. `relay_is_well`: what it refuses has no cause that was said already. */
void tg_unserved_look(struct tg_unserved *unserved, const struct tg_document *document, const struct tg_report_page *report,
		      bool relay_is_well);

#endif
