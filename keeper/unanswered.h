/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log says of clients that offer protocols by ALPN where none is agreed on: many end the connection by themselves
 * then, and nothing else tells why.
 */
#ifndef TG_KEEPER_UNANSWERED_H
#define TG_KEEPER_UNANSWERED_H

#include "ipc/layout.h"
#include "ipc/policy.h"

#include <stdbool.h>

struct tg_unanswered {
	bool said[TG_SECTION_SLOTS];
};

/* One line for each section, once. */
void tg_unanswered_look(struct tg_unanswered *unanswered, const struct tg_report_page *report,
			const struct tg_document *document);

#endif
