/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a judgement found, one fact a line, and the verdict that follows from it.
 */
#ifndef TG_CLI_FINDINGS_H
#define TG_CLI_FINDINGS_H

#include <cjson/cJSON.h>
#include <stddef.h>

enum tg_finding_kind {
	TG_FACT,
	TG_NEEDS,   /* what must be there before a start; changes no verdict */
	TG_DROP_IN, /* one line of a systemd drop-in that is offered */
	TG_LIMIT,   /* what the graft does not reach, or what keeps it from holding until somebody acts */
	TG_NO,
};

struct tg_finding {
	enum tg_finding_kind kind;
	const char *about; /* "libssl", "unit", "port" ...: static */
	char *text;        /* escaped for a terminal */
};

struct tg_findings {
	struct tg_finding *items;
	size_t count;
};

/* `about` must be a string literal. Where memory ran out nothing is added; a lost TG_NO or TG_LIMIT ends the process. */
void tg_findings_add(struct tg_findings *findings, enum tg_finding_kind kind, const char *about, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Moves what `from` holds behind what is there; `from` is empty afterwards. */
void tg_findings_move(struct tg_findings *findings, struct tg_findings *from);
void tg_findings_free(struct tg_findings *findings);

size_t tg_findings_count(const struct tg_findings *findings, enum tg_finding_kind kind);

/* The exit status: 126 with any TG_NO, 1 with any TG_LIMIT, else 0. */
int tg_findings_status(const struct tg_findings *findings);

/* One line each on stdout. */
void tg_findings_print(const struct tg_findings *findings);

/* [{"kind": "fact" | "needs" | "drop_in" | "limit" | "no", "about": "...", "text": "..."}] */
cJSON *tg_findings_json(const struct tg_findings *findings);

#endif
