/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/unanswered.h"

#include "keeper/log.h"

#include <string.h>

void tg_unanswered_look(struct tg_unanswered *unanswered, const struct tg_report_page *report,
			const struct tg_document *document)
{
	for (size_t i = 0; i < TG_SECTION_SLOTS; i++) {
		if (unanswered->said[i] || atomic_load_explicit(&report->alpn_unanswered[i], memory_order_relaxed) == 0)
			continue;
		/* the name as the file has it: what stands in that memory is the servers' */
		for (size_t k = 0; k < document->policy_count && !unanswered->said[i]; k++) {
			const struct tg_policy *policy = &document->policies[k];

			/* a longer name is there without its end */
			if (strncmp(report->sections[i].name, policy->section, TG_SECTION_NAME_SIZE - 1) != 0)
				continue;
			unanswered->said[i] = true;
			tg_log(
			    TG_LOG_INFO,
			    "[%s]: a client offers protocols (ALPN), none of which this section lists; those that need one "
			    "(gRPC, HTTP/2) end the connection. status counts them",
			    policy->section);
		}
	}
}
