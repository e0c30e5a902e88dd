/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/unserved.h"

#include "ipc/report.h"
#include "keeper/clock.h"
#include "keeper/log.h"
#include "keeper/status.h"

#define LOOK_MS 1000

static void look_at(struct tg_unserved *unserved, const struct tg_route *route, const char *section,
		    const struct tg_report_page *report, bool relay_is_well)
{
	const struct tg_section_slot *slot = tg_status_slot(report, section);
	const char *advice;
	bool closed;

	if (slot == NULL || unserved->said[slot - report->sections])
		return;
	closed = atomic_load_explicit(&report->plaintext[slot - report->sections].counts[TG_PLAINTEXT_CLOSED],
				      memory_order_relaxed) != 0;
	if (route->plaintext.engine == TG_ENGINE_RELAY && !relay_is_well)
		return;
	advice = tg_status_unserved(route->plaintext.engine, tg_report_has_moved(report, slot), closed);
	if (advice == NULL)
		return;
	unserved->said[slot - report->sections] = true;
	tg_log(TG_LOG_WARN, "%s: %s", section, advice);
}

void tg_unserved_look(struct tg_unserved *unserved, const struct tg_document *document, const struct tg_report_page *report,
		      bool relay_is_well)
{
	const int64_t now = tg_monotonic_ms();

	if (now < unserved->next_look)
		return;
	unserved->next_look = now + LOOK_MS;
	for (size_t i = 0; i < document->route_count; i++)
		if (document->routes[i].plaintext.terminated)
			look_at(unserved, &document->routes[i], document->policies[document->routes[i].policy].section,
				report, relay_is_well);
}
