/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/verdict.h"

#include "keeper/clock.h"

#include <math.h>

const char *tg_verdict_name(enum tg_verdict_kind kind)
{
	switch (kind) {
	case TG_VERDICT_ACCEPTED:
		return "accepted";
	case TG_VERDICT_REFUSED:
		return "refused";
	case TG_VERDICT_PENDING:
		break;
	}
	return "pending";
}

const cJSON *tg_json_first(const cJSON *list)
{
	return cJSON_IsArray(list) || cJSON_IsObject(list) ? list->child : NULL;
}

cJSON *tg_verdict_json(const struct tg_verdict *verdict)
{
	char at[TG_RFC3339_SIZE];
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "verdict", tg_verdict_name(verdict->kind));
	cJSON_AddStringToObject(object, "reason", verdict->reason);
	cJSON_AddStringToObject(object, "at", tg_rfc3339(verdict->at, at));
	cJSON_AddNumberToObject(object, "took_ms", round(verdict->took_ms * 10) / 10);
	return object;
}
