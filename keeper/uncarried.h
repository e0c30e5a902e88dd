/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of plaintext servers that were closed because the engine that they were left to could not carry them: said
 * once for each section, with the engine that can.
 */
#ifndef TG_KEEPER_UNCARRIED_H
#define TG_KEEPER_UNCARRIED_H

#include "ipc/layout.h"
#include "ipc/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* What was said, zeroed at first. */
struct tg_uncarried {
	int64_t next_look;
	bool said[TG_SECTION_SLOTS];
};

/* Cheap where it looked a moment ago. `relay_is_well`: what it refuses has no cause that was said already. */
void tg_uncarried_look(struct tg_uncarried *uncarried, const struct tg_document *document,
		       const struct tg_report_page *report, bool relay_is_well);

#endif
