/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/worker.h"

#include "ipc/channel.h"
#include "keeper/clock.h"
#include "keeper/control.h"
#include "keeper/expiry.h"
#include "keeper/family.h"
#include "keeper/link.h"
#include "keeper/listeners.h"
#include "keeper/log.h"
#include "keeper/refused.h"
#include "keeper/reload.h"
#include "keeper/start.h"
#include "keeper/status.h"
#include "keeper/unanswered.h"
#include "keeper/unprotected.h"
#include "keeper/unserved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARKS_MS 100       /* how often the report memory is looked at for reload signals */
#define UNMATCHED_MS 10000 /* how long a section may match no listening socket */
#define LISTENER_PIDS 4096
#define SOCKETS_MS 1500 /* for the sockets of all processes: an attached process may have any number */

struct worker {
	struct tg_keeper *keeper;
	int link;
	struct tg_report_page *report;
	struct tg_reload reload;
	struct tg_control control;
	struct tg_expiry expiry;
	struct tg_unanswered unanswered;
	struct tg_unserved unserved;
	pid_t relay_pid; /* 0: none serves */
	char relay_failure[sizeof(((struct tg_link_message *)NULL)->text)];
	bool started_gone;
	/* when each route of a generation was last seen to match a socket */
	struct {
		uint64_t generation;
		int64_t *seen;
	} matches;
};

enum { POLL_LINK, POLL_STARTED, POLL_WATCH, POLL_CONTROL };

/* Processes of the tree whose sockets are looked at. Returns how many of at most LISTENER_PIDS. */
static size_t tree_pids(const struct worker *worker, pid_t *ret)
{
	struct tg_process_slot *slots = calloc(LISTENER_PIDS, sizeof(*slots));
	size_t count = 0;

	if (slots != NULL)
		count = tg_status_processes(worker->report, worker->keeper->tree, slots, LISTENER_PIDS);
	for (size_t i = 0; i < count; i++)
		ret[i] = (pid_t)slots[i].pid;
	free(slots);
	return count;
}

/* The sockets on which the tree listens now. Sockets are only looked for when somebody asks. */
static int find_listeners(struct worker *worker, struct tg_listeners *ret)
{
	pid_t *pids = calloc(LISTENER_PIDS, sizeof(*pids));
	int result = -ENOMEM;

	if (pids != NULL) {
		const size_t count = tree_pids(worker, pids);

		result = tg_listeners_find(pids, count, tg_monotonic_ms() + SOCKETS_MS, ret);
	}
	free(pids);
	return result;
}

/*
 * Names of the sections that no listening socket has matched for ten seconds, as far as anybody looked. Returns how many
 * are in `ret`, which has room for one for each route.
 */
static size_t find_unmatched(struct worker *worker, const struct tg_listeners *listeners, const char **ret)
{
	const struct tg_document *document = tg_identity_document(worker->reload.serving);
	const int64_t now = tg_monotonic_ms();
	size_t count = 0;

	if (worker->matches.generation != worker->reload.generation) {
		free(worker->matches.seen);
		worker->matches.seen = calloc(document->route_count + 1, sizeof(*worker->matches.seen));
		worker->matches.generation = worker->reload.generation;
		for (size_t i = 0; worker->matches.seen != NULL && i < document->route_count; i++)
			worker->matches.seen[i] = worker->keeper->handoff->serving_since;
	}
	for (size_t i = 0; worker->matches.seen != NULL && i < document->route_count; i++) {
		const struct tg_route *route = &document->routes[i];
		const char *section = document->policies[route->policy].section;

		if (tg_listeners_touch(listeners, route) || tg_status_section_used(worker->report, section))
			worker->matches.seen[i] = now;
		else if (now - worker->matches.seen[i] >= UNMATCHED_MS)
			ret[count++] = section;
	}
	return count;
}

static char *status_text(struct worker *worker)
{
	const struct tg_document *document = tg_identity_document(worker->reload.serving);
	const char **unmatched = calloc(document->route_count + 1, sizeof(*unmatched));
	struct tg_unprotected *unprotected = NULL;
	struct tg_listeners listeners = {0};
	struct tg_status status = {.config = worker->keeper->config,
				   .keeper_pid = worker->keeper->guardian_pid,
				   .keeper_alive = true,
				   .relay_pid = worker->relay_pid,
				   .relay_failure = worker->relay_failure,
				   .generation = worker->reload.generation,
				   .warn_days = worker->keeper->handoff->warn_days,
				   .verdict = tg_handoff_verdict(worker->keeper->handoff),
				   .tree = worker->keeper->tree,
				   .document = document,
				   .crls = &worker->expiry.crls,
				   .report = worker->report,
				   .unmatched = unmatched};
	cJSON *object;
	char *text;

	if (unmatched != NULL && find_listeners(worker, &listeners) == 0) {
		status.unmatched_count = find_unmatched(worker, &listeners, unmatched);
		unprotected = calloc(listeners.count + 1, sizeof(*unprotected));
		if (unprotected != NULL)
			status.unprotected_count = tg_unprotected_find(document, &listeners, unprotected);
		status.unprotected = unprotected;
	}
	object = tg_status_json(&status);
	text = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	tg_listeners_free(&listeners);
	free(unprotected);
	free(unmatched);
	return text;
}

/* {"keeper", "config", "generation", "verdict", "reason", "at", "took_ms"} */
static void answer_reload(struct worker *worker)
{
	cJSON *object = tg_verdict_json(tg_handoff_verdict(worker->keeper->handoff));
	char *text;

	cJSON_AddNumberToObject(object, "keeper", worker->keeper->guardian_pid);
	cJSON_AddNumberToObject(object, "generation", (double)worker->reload.generation);
	text = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	if (text != NULL)
		tg_control_answer_waiting(&worker->control, text);
	free(text);
}

static void take_connection(struct worker *worker, enum tg_request_kind kind, int fd)
{
	char *text;

	if (kind == TG_REQUEST_RELOAD) {
		tg_control_add(&worker->control, fd, NULL);
		tg_reload_request(&worker->reload);
		return;
	}
	text = status_text(worker);
	if (text == NULL)
		close(fd);
	else
		tg_control_add(&worker->control, fd, text);
}

static void log_refused(const char *line)
{
	tg_log(TG_LOG_INFO, "%s", line);
}

static void look_for_refused(struct worker *worker)
{
	tg_refused_look(&worker->keeper->handoff->refused, worker->report, tg_identity_document(worker->reload.serving),
			tg_monotonic_ms(), log_refused);
}

/* False where there is nothing left to do. */
static bool hear_once(struct worker *worker)
{
	struct tg_link_message message;
	int fds[2];

	if (tg_link_receive(worker->link, &message, fds) <= 0)
		return false;
	switch (message.kind) {
	case TG_LINK_CONNECTION:
		if (fds[0] >= 0)
			take_connection(worker, (enum tg_request_kind)message.value, fds[0]);
		if (fds[1] >= 0)
			close(fds[1]);
		return true;
	case TG_LINK_LOG:
		message.text[sizeof(message.text) - 1] = '\0';
		/* the guardian has written to stderr by itself */
		if (!tg_log_is_stderr())
			tg_log((enum tg_log_level)message.value, "%s", message.text);
		return true;
	case TG_LINK_RELAY:
		worker->relay_pid = message.value;
		message.text[sizeof(message.text) - 1] = '\0';
		memcpy(worker->relay_failure, message.text, sizeof(message.text));
		return true;
	case TG_LINK_END:
		look_for_refused(worker);
		tg_refused_end(&worker->keeper->handoff->refused, tg_identity_document(worker->reload.serving),
			       log_refused);
		tg_log(TG_LOG_INFO, "ended: no process of the tree is left");
		return false;
	default:
		return true;
	}
}

/* All that waits: one verdict answers everybody who asked before it. */
static bool hear_guardian(struct worker *worker)
{
	struct pollfd more = {.fd = worker->link, .events = POLLIN};

	do {
		if (!hear_once(worker))
			return false;
	} while (worker->control.count < TG_CONTROL_MAX && poll(&more, 1, 0) == 1);
	return true;
}

static int wait_ms(const struct worker *worker)
{
	const int wait = tg_reload_wait_ms(&worker->reload);

	return wait < 0 || wait > MARKS_MS ? MARKS_MS : wait;
}

static bool turn(struct worker *worker)
{
	struct pollfd polls[POLL_CONTROL + TG_CONTROL_MAX];

	polls[POLL_LINK] = (struct pollfd){.fd = worker->link, .events = POLLIN};
	polls[POLL_STARTED] =
	    (struct pollfd){.fd = worker->started_gone ? -1 : worker->keeper->started_pidfd, .events = POLLIN};
	polls[POLL_WATCH] = (struct pollfd){.fd = worker->reload.watch.fd, .events = POLLIN};
	tg_control_fill(&worker->control, polls + POLL_CONTROL);
	if (poll(polls, POLL_CONTROL + worker->control.count, wait_ms(worker)) < 0)
		return errno == EINTR;
	if (polls[POLL_STARTED].revents != 0) {
		worker->started_gone = true;
		tg_family_drop_stderr();
		tg_log_stderr_gone();
	}
	if (polls[POLL_LINK].revents != 0 && !hear_guardian(worker))
		return false;
	tg_reload_look(&worker->reload, polls[POLL_WATCH].revents != 0);
	if (tg_reload_run(&worker->reload)) {
		tg_link_ask_relay(worker->link, tg_identity_document(worker->reload.serving));
		answer_reload(worker);
		tg_expiry_reset(&worker->expiry, tg_identity_document(worker->reload.serving));
	}
	look_for_refused(worker);
	tg_unanswered_look(&worker->unanswered, worker->report, tg_identity_document(worker->reload.serving));
	tg_control_run(&worker->control);
	tg_unserved_look(&worker->unserved, tg_identity_document(worker->reload.serving), worker->report,
			 worker->relay_failure[0] == '\0');
	tg_expiry_look(&worker->expiry, tg_identity_document(worker->reload.serving), worker->keeper->handoff->warn_days);
	return true;
}

/* Settles who serves what. 0 or an exit status. */
static int begin_work(struct worker *worker, bool first, const char *last_words)
{
	struct tg_keeper *keeper = worker->keeper;
	struct pollfd started = {.fd = keeper->started_pidfd, .events = POLLIN};
	tlsgraft_identity *serving;
	uint64_t generation = 1;
	int result;

	if (poll(&started, 1, 0) == 1) {
		worker->started_gone = true;
		tg_log_stderr_gone();
	}
	if (first) {
		result = tg_start_first(keeper, worker->link, &serving, &worker->report);
		if (result != 0)
			return result;
	} else {
		tg_reload_open_log(keeper);
		tg_log(TG_LOG_ERROR, "%s", last_words);
		result = tg_start_again(keeper, &serving, &generation, &worker->report);
		if (result < 0) {
			tg_log(TG_LOG_ERROR, "the published policy cannot be taken over: %s", strerror(-result));
			return TG_EXIT_OTHER;
		}
		tg_link_ask_relay(worker->link, tg_identity_document(serving));
	}
	if (tg_reload_begin(&worker->reload, keeper, worker->report, serving, generation) < 0)
		return TG_EXIT_OTHER;
	tg_expiry_reset(&worker->expiry, tg_identity_document(worker->reload.serving));
	return 0;
}

int tg_worker_run(struct tg_keeper *keeper, int link, bool first, const char *last_words)
{
	struct worker worker = {.keeper = keeper, .link = link};
	const int status = begin_work(&worker, first, last_words);

	if (status != 0)
		return status;
	while (turn(&worker))
		continue;
	tg_reload_end(&worker.reload);
	tg_expiry_end(&worker.expiry);
	free(worker.matches.seen);
	return 0;
}
