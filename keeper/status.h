/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object of one tree in `tlsgraft status --json`, made from what is published and from the report memory.
 *
 * The report memory is written by attached processes: every value is copied out once, and no name in it is repeated;
 * sections are looked up under the names that the document gives them.
 */
#ifndef TG_KEEPER_STATUS_H
#define TG_KEEPER_STATUS_H

#include "ipc/layout.h"
#include "ipc/policy.h"
#include "keeper/crls.h"
#include "keeper/unprotected.h"
#include "keeper/verdict.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <sys/types.h>

struct tg_status {
	const char *config;
	pid_t keeper_pid;
	bool keeper_alive;
	pid_t relay_pid;           /* 0: none serves */
	const char *relay_failure; /* NULL or "": nothing is wrong with it */
	uint64_t generation;
	int warn_days;
	const struct tg_verdict *verdict;
	const char *tree;
	const struct tg_document *document;
	const struct tg_crls *crls; /* of the document; NULL: none */
	const struct tg_report_page *report;
	const char *const *unmatched; /* names of sections */
	size_t unmatched_count;
	const struct tg_unprotected *unprotected;
	size_t unprotected_count;
};

/* The caller deletes it. NULL where memory ran out. */
cJSON *tg_status_json(const struct tg_status *status);

/* Processes of the slots that still belong to the tree. Returns how many of at most `capacity`. */
size_t tg_status_processes(const struct tg_report_page *report, const char *tree, struct tg_process_slot *ret,
			   size_t capacity);

/*
 * Why connections of a plaintext listener were closed, or calls on them failed, and which engine can carry them; NULL: none
 * of it. `needs_relay`: the server did with one what the direct engine does not carry.
 */
const char *tg_status_unserved(enum tg_engine engine, bool needs_relay, bool any_closed);

/* The counters of a section; NULL: none yet. */
const struct tg_section_slot *tg_status_slot(const struct tg_report_page *report, const char *section);

/* True where handshakes of this section were counted. */
bool tg_status_section_used(const struct tg_report_page *report, const char *section);

/* "off", "server", "mutual" ... */
const char *tg_mode_name(enum tg_mode mode);

/* The names of a list of protocols (ipc/alpn.h) as an array of texts. NULL where memory ran out. */
cJSON *tg_alpn_json(struct tg_span list);

#endif
