/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came of the newest reload, and its one spelling in JSON.
 */
#ifndef TG_KEEPER_VERDICT_H
#define TG_KEEPER_VERDICT_H

#include <cjson/cJSON.h>
#include <stdint.h>

#define TG_REASON_SIZE 3072

enum tg_verdict_kind { TG_VERDICT_ACCEPTED, TG_VERDICT_REFUSED, TG_VERDICT_PENDING };

struct tg_verdict {
	enum tg_verdict_kind kind;
	int64_t at;                  /* seconds since the epoch */
	double took_ms;              /* from the first reading to the verdict */
	char reason[TG_REASON_SIZE]; /* what changed, or why it was refused; escaped */
};

/* "accepted", "refused", "pending". */
const char *tg_verdict_name(enum tg_verdict_kind kind);

/* {"verdict", "reason", "at", "took_ms"}; NULL where memory ran out. */
cJSON *tg_verdict_json(const struct tg_verdict *verdict);

/* The first entry of an array or object, NULL where there is none or `list` is something else. */
const cJSON *tg_json_first(const cJSON *list);

#endif
