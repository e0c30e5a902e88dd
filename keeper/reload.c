/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/reload.h"

#include "ipc/policy.h"
#include "keeper/clock.h"
#include "keeper/escape.h"
#include "keeper/log.h"
#include "loader/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 50      /* after a change of a file: others of the same renewal follow */
#define QUIET_MAX_MS 500 /* however long they go on */
#define RETRY_MS 200     /* while a key is waited for */
#define TIMEOUT_MS 3000
#define BEGUN_MAX 3 /* workers that die over a request before it is given up */

void tg_reload_open_log(const struct tg_keeper *keeper)
{
	const struct tg_worker_handoff *handoff = keeper->handoff;
	const char *reason = NULL;

	if (tg_log_open(handoff->log_target, handoff->log_file, handoff->log_level, keeper->guardian_pid, &reason) < 0)
		tg_log(TG_LOG_ERROR, "log: %s: %s; syslog is used", handoff->log_file, reason);
}

static void file_changed(struct tg_reload *reload)
{
	const int64_t now = tg_monotonic_ms();

	if (reload->changed < 0)
		reload->changed = now;
	reload->changes_due = now + QUIET_MS;
	if (reload->changes_due > reload->changed + QUIET_MAX_MS)
		reload->changes_due = reload->changed + QUIET_MAX_MS;
	/* a key that is waited for is looked for at once */
	if (reload->give_up_at >= 0)
		reload->changes_due = now;
	reload->catching_up = false;
}

/* Watches what is to be watched now; changes seen up to here are not lost. */
static void follow_files(struct tg_reload *reload)
{
	const struct tg_worker_handoff *handoff = reload->keeper->handoff;
	const bool missed = reload->watch.missed != NULL;
	int result;

	if (!handoff->watch && reload->give_up_at < 0) {
		tg_watch_disarm(&reload->watch);
		return;
	}
	result = tg_watch_arm(&reload->watch, handoff->files, reload->refused);
	if (result < 0)
		tg_log(TG_LOG_ERROR, "watch: files are not watched: %s", strerror(-result));
	else if (result > 0)
		file_changed(reload);
	if (reload->watch.missed != NULL && !missed)
		tg_log(TG_LOG_ERROR, "watch: %s cannot be watched: %s: changes in it need a signal", reload->watch.missed,
		       strerror(reload->watch.missed_error));
}

static void catch_up(struct tg_reload *reload)
{
	if (reload->requests_due >= 0 || reload->changes_due >= 0)
		return;
	reload->requests_due = tg_monotonic_ms();
	reload->catching_up = true;
}

void tg_reload_end(struct tg_reload *reload)
{
	tlsgraft_identity_unref(reload->serving);
	reload->serving = NULL;
	tg_handoff_settings_free(&reload->start);
	tg_watch_disarm(&reload->watch);
}

void tg_reload_request(struct tg_reload *reload)
{
	reload->requests_due = tg_monotonic_ms();
	reload->catching_up = false;
}

void tg_reload_look(struct tg_reload *reload, bool watch_ready)
{
	const uint64_t requests = atomic_load_explicit(&reload->report->reload_requests, memory_order_relaxed);

	/* while a key is waited for, the next reading is near and takes new requests with it */
	if (requests != reload->requests && reload->give_up_at < 0)
		tg_reload_request(reload);
	if (watch_ready && tg_watch_read(&reload->watch))
		file_changed(reload);
	if (reload->give_up_at < 0 && reload->keeper->handoff->retry_at > 0 &&
	    tg_wall_seconds() >= reload->keeper->handoff->retry_at) {
		reload->keeper->handoff->retry_at = 0;
		tg_reload_request(reload);
	}
}

static int64_t due(const struct tg_reload *reload)
{
	if (reload->requests_due < 0 || (reload->changes_due >= 0 && reload->changes_due < reload->requests_due))
		return reload->changes_due;
	return reload->requests_due;
}

int tg_reload_wait_ms(const struct tg_reload *reload)
{
	const int64_t when = due(reload);
	int64_t left;

	if (when < 0)
		return -1;
	left = when - tg_monotonic_ms();
	return left < 0 ? 0 : (int)left;
}

/* All errors of a refusal in one text. */
static char *join_errors(const tlsgraft_messages *messages, int64_t good_from, const char *otherwise)
{
	char date[TG_RFC3339_SIZE];
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		return NULL;
	for (size_t i = 0; messages != NULL && i < tlsgraft_messages_count(messages); i++)
		if (tlsgraft_messages_severity(messages, i) == TLSGRAFT_ERROR)
			fprintf(stream, "%s%s", ftell(stream) > 0 ? "; " : "", tlsgraft_messages_text(messages, i));
	if (ftell(stream) == 0)
		fputs(otherwise, stream);
	if (good_from > 0)
		fprintf(stream, "; tried again at %s", tg_rfc3339(good_from, date));
	fclose(stream);
	return text;
}

static void log_warnings(const tlsgraft_messages *messages)
{
	for (size_t i = 0; messages != NULL && i < tlsgraft_messages_count(messages); i++)
		if (tlsgraft_messages_severity(messages, i) == TLSGRAFT_WARNING)
			tg_log(TG_LOG_WARN, "%s", tlsgraft_messages_text(messages, i));
}

/* The verdict is out: what was waited for is over. */
static void note_verdict(struct tg_reload *reload, enum tg_verdict_kind kind, const char *reason)
{
	struct tg_worker_handoff *handoff = reload->keeper->handoff;

	tg_handoff_note(handoff, kind, tg_monotonic_fine_ms() - reload->began, reason);
	reload->refused = kind == TG_VERDICT_REFUSED;
	handoff->retry_at = 0;
	handoff->requests_answered = reload->requests;
	handoff->begun = 0;
	reload->give_up_at = -1;
	reload->began = -1;
	tg_reload_open_log(reload->keeper);
}

/* `good_from`: when waiting alone will have helped, in seconds since the epoch; 0: never. */
static void refuse(struct tg_reload *reload, const char *reason, int64_t good_from)
{
	const struct tg_verdict *verdict;

	note_verdict(reload, TG_VERDICT_REFUSED, reason);
	reload->keeper->handoff->retry_at = good_from;
	verdict = tg_handoff_verdict(reload->keeper->handoff);
	tg_log(TG_LOG_ERROR, "reload refused: %s; generation %" PRIu64 " goes on; took %.1f ms", verdict->reason,
	       reload->generation, verdict->took_ms);
	/* after a refusal more counts as a change than before the reading */
	follow_files(reload);
}

/*
 * Every worker that read for this request died, of what the files hold or for want of memory: one more would not fare
 * better, and while they die nobody answers.
 */
static void give_up(struct tg_reload *reload)
{
	char reason[128];

	snprintf(reason, sizeof(reason), "the process that reads the files died over them %d times", BEGUN_MAX);
	reload->began = tg_monotonic_fine_ms();
	reload->requests = atomic_load_explicit(&reload->report->reload_requests, memory_order_relaxed);
	refuse(reload, reason, 0);
}

int tg_reload_begin(struct tg_reload *reload, struct tg_keeper *keeper, const struct tg_report_page *report,
		    tlsgraft_identity *serving, uint64_t generation)
{
	struct tg_settings start;
	const int result = tg_handoff_start_settings(keeper->handoff, &start);

	if (result < 0)
		return result;
	*reload = (struct tg_reload){.keeper = keeper,
				     .report = report,
				     .serving = serving,
				     .generation = generation,
				     .start = start,
				     .refused = tg_handoff_verdict(keeper->handoff)->kind == TG_VERDICT_REFUSED,
				     .requests = keeper->handoff->requests_answered,
				     .requests_due = -1,
				     .changes_due = -1,
				     .changed = -1,
				     .give_up_at = -1,
				     .began = -1};
	tg_watch_init(&reload->watch);
	follow_files(reload);
	if (keeper->handoff->begun >= BEGUN_MAX)
		give_up(reload);
	else if (keeper->handoff->begun > 0)
		tg_reload_request(reload);
	else if (keeper->handoff->watch)
		catch_up(reload);
	return 0;
}

void tg_reload_ask_recheck(struct tg_keeper *keeper, const tlsgraft_identity *serving)
{
	const struct tg_document *document = tg_identity_document(serving);

	for (size_t i = 0; i < document->policy_count; i++) {
		if (document->policies[i].recheck) {
			tg_policy_recheck(&keeper->policy);
			return;
		}
	}
}

/* Publishes `loaded` where it differs. 0, or a negative errno where it does not fit. */
static int publish(struct tg_reload *reload, const tlsgraft_identity *loaded)
{
	size_t size;
	const unsigned char *bytes = tg_identity_bytes(loaded, &size);
	const int64_t generation = tg_policy_publish(&reload->keeper->policy, bytes, size);

	if (generation < 0)
		return (int)generation;
	tg_reload_ask_recheck(reload->keeper, loaded);
	reload->generation = (uint64_t)generation;
	reload->keeper->handoff->serving_since = tg_monotonic_ms();
	return 0;
}

/* Makes `loaded` the serving identity and its settings those in effect. */
static void adopt(struct tg_reload *reload, tlsgraft_identity *loaded)
{
	struct tg_worker_handoff *handoff = reload->keeper->handoff;
	const bool watched = reload->watch.fd >= 0;
	size_t left_out;

	tlsgraft_identity_unref(reload->serving);
	reload->serving = loaded;
	if (tg_handoff_store_effective(handoff, tg_identity_settings(loaded)) < 0)
		tg_log(TG_LOG_ERROR, "log: the file's name is too long; the log stays where it was");
	reload->give_up_at = -1;
	reload->refused = false;
	/* what is watched for the first time may have changed between its reading and now */
	const bool others = tg_handoff_store_files(handoff, loaded, &left_out);

	if (others && left_out > 0 && handoff->watch)
		tg_log(TG_LOG_ERROR, "watch: %zu files are too many to be watched: their changes need a signal", left_out);

	follow_files(reload);
	if (handoff->watch && (others || !watched))
		catch_up(reload);
}

/* False where nobody asked and nothing changed: that is no verdict. Takes over `loaded`. */
static bool accept_loaded(struct tg_reload *reload, tlsgraft_identity *loaded, tlsgraft_messages *messages, bool requested)
{
	struct tg_worker_handoff *handoff = reload->keeper->handoff;
	const struct tg_verdict *noted;
	const bool same = tlsgraft_identity_equal(reload->serving, loaded);
	char *text = same ? strdup("nothing changed") : tlsgraft_identity_difference(reload->serving, loaded);
	bool verdict = true;
	int result = 0;

	tg_settings_compare(&reload->start, tg_identity_settings(loaded), messages);
	if (!same)
		result = publish(reload, loaded);
	if (result < 0) {
		char fault[PATH_MAX + 256];
		size_t size;

		tg_identity_bytes(loaded, &size);
		snprintf(fault, sizeof(fault),
			 "%s: the policy takes %zu bytes, and the memory shared with the server holds %zu: start the "
			 "server anew",
			 reload->keeper->config, size, tg_policy_capacity(&reload->keeper->policy));
		tlsgraft_identity_unref(loaded);
		refuse(reload, fault, 0);
		goto out;
	}
	adopt(reload, loaded);
	if (same && !requested) {
		reload->began = -1;
		handoff->begun = 0;
		verdict = false;
		goto out;
	}
	note_verdict(reload, TG_VERDICT_ACCEPTED, text);
	noted = tg_handoff_verdict(handoff);
	log_warnings(messages);
	tg_log(TG_LOG_INFO, "reload accepted: generation %" PRIu64 ": %s; took %.1f ms", reload->generation, noted->reason,
	       noted->took_ms);
out:
	free(text);
	return verdict;
}

/* True where waiting is over. */
static bool wait_for_key(struct tg_reload *reload, const char *reason)
{
	const int64_t now = tg_monotonic_ms();

	if (reload->give_up_at < 0) {
		reload->give_up_at = now + TIMEOUT_MS;
		tg_log(TG_LOG_DEBUG, "reload pending: %s", reason == NULL ? "out of memory" : reason);
		/* whatever `watch` says: the key's arrival is what everybody waits for */
		follow_files(reload);
	} else if (now >= reload->give_up_at) {
		return true;
	}
	tg_handoff_note(reload->keeper->handoff, TG_VERDICT_PENDING, tg_monotonic_fine_ms() - reload->began, reason);
	reload->requests_due = now + RETRY_MS < reload->give_up_at ? now + RETRY_MS : reload->give_up_at;
	return false;
}

bool tg_reload_run(struct tg_reload *reload)
{
	const struct tg_keeper *keeper = reload->keeper;
	const int64_t when = due(reload);
	const bool requested = !reload->catching_up;
	tlsgraft_identity *loaded = NULL;
	tlsgraft_messages *messages = NULL;
	int64_t good_from;
	bool verdict;
	char *reason;
	int result;

	if (when < 0 || tg_monotonic_ms() < when)
		return false;
	if (reload->began < 0) {
		reload->began = tg_monotonic_fine_ms();
		keeper->handoff->begun++;
	}
	/* armed before the files are read, and requests forgotten: what comes from here on asks for another reading */
	follow_files(reload);
	reload->requests = atomic_load_explicit(&reload->report->reload_requests, memory_order_relaxed);
	reload->requests_due = reload->changes_due = reload->changed = -1;
	reload->catching_up = false;
	reload->keeper->handoff->retry_at = 0;
	result = tg_load_for(keeper->extra_user, keeper->config, reload->serving, &loaded, &messages);
	if (result == TLSGRAFT_OK) {
		verdict = accept_loaded(reload, loaded, messages, requested);
	} else {
		good_from = result == TLSGRAFT_REFUSED ? tg_messages_good_from(messages) : 0;
		reason = result == TLSGRAFT_NO_MEMORY ? NULL : join_errors(messages, good_from, "its files cannot be used");
		verdict = result != TLSGRAFT_PENDING || wait_for_key(reload, reason);
		if (verdict)
			refuse(reload, reason, good_from);
		free(reason);
	}
	tlsgraft_messages_free(messages);
	return verdict;
}
