/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/start.h"

#include "ipc/policy.h"
#include "ipc/read.h"
#include "keeper/clock.h"
#include "keeper/escape.h"
#include "keeper/link.h"
#include "keeper/log.h"
#include "keeper/reload.h"
#include "keeper/users.h"
#include "loader/identity.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAPACITY_MIN (1024u * 1024u)
#define CAPACITY_FACTOR 4 /* room to grow: a generation that does not fit is refused until the server starts anew */

/* What the starter will print, collected line by line. */
struct text {
	char *bytes;
	size_t size;
	FILE *stream;
};

static void add_line(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_line(struct text *text, const char *format, ...)
{
	char *line = NULL;
	char *safe;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&line, format, arguments) < 0)
		line = NULL;
	va_end(arguments);
	safe = line == NULL ? NULL : tg_escape_new(line);
	if (safe != NULL)
		fprintf(text->stream, "tlsgraft: %s\n", safe);
	free(safe);
	free(line);
}

static void add_messages(struct text *text, const tlsgraft_messages *messages)
{
	for (size_t i = 0; messages != NULL && i < tlsgraft_messages_count(messages); i++)
		add_line(text, "%s%s", tlsgraft_messages_severity(messages, i) == TLSGRAFT_WARNING ? "warning: " : "",
			 tlsgraft_messages_text(messages, i));
}

/* The guardian maps the policy writable too, then seals it. 0 or a negative errno. */
static int have_sealed(int link, int policy_fd, int report_fd)
{
	const struct tg_link_message memory = {.kind = TG_LINK_MEMORY};
	const int fds[2] = {policy_fd, report_fd};
	struct tg_link_message answer;
	int none[2];
	int result = tg_link_send(link, &memory, fds, 2);

	if (result < 0)
		return result;
	result = tg_link_receive(link, &answer, none);
	if (result <= 0)
		return result < 0 ? result : -EPIPE;
	return answer.kind == TG_LINK_SEALED ? answer.value : -EPROTO;
}

static int make_memories(struct tg_keeper *keeper, int link, size_t size, struct tg_report_page **ret_report)
{
	const size_t wanted = size * CAPACITY_FACTOR;
	struct tg_policy_page policy = {0};
	struct tg_report_page *report = NULL;
	int policy_fd = -1;
	int report_fd = -1;
	int result;

	result = tg_policy_create(keeper->tree, wanted < CAPACITY_MIN ? CAPACITY_MIN : wanted, &policy_fd, &policy);
	if (result == 0)
		result = tg_report_create(keeper->tree, &report_fd);
	if (result == 0)
		result = tg_report_map(report_fd, false, &report);
	if (result == 0)
		result = have_sealed(link, policy_fd, report_fd);
	/* the guardian holds them from here on; this process has its mappings */
	if (policy_fd >= 0)
		close(policy_fd);
	if (report_fd >= 0)
		close(report_fd);
	if (result < 0) {
		tg_report_unmap(report);
		if (policy.header != NULL)
			munmap(policy.header, policy.size);
		return result;
	}
	keeper->policy = policy;
	*ret_report = report;
	return 0;
}

static int resolve_users(const struct tg_keeper *keeper, const struct tg_settings *settings, struct text *text,
			 struct tg_link_message *ready)
{
	const char *bad = NULL;
	const int count = tg_users_resolve(settings, keeper->extra_user, ready->users.ids, &bad);

	if (count < 0) {
		if (count == -ENOENT)
			add_line(text, "%s: [tlsgraft] user: no such user \"%s\"", keeper->config, bad);
		else
			add_line(text, "%s: [tlsgraft] user: \"%s\": %s", keeper->config, bad, strerror(-count));
		return TG_EXIT_BAD_FILE;
	}
	ready->kind = TG_LINK_READY;
	ready->users.count = (uint32_t)count;
	return 0;
}

static void note_start(struct tg_keeper *keeper, const tlsgraft_identity *serving, const tlsgraft_messages *messages,
		       double began)
{
	const struct tg_verdict *verdict;
	char *difference = tlsgraft_identity_difference(NULL, serving);

	tg_handoff_note(keeper->handoff, TG_VERDICT_ACCEPTED, tg_monotonic_fine_ms() - began,
			difference == NULL ? "" : difference);
	free(difference);
	verdict = tg_handoff_verdict(keeper->handoff);
	/* the starter prints the warnings; they go to the log only where that is not the same stderr */
	for (size_t i = 0; !tg_log_is_stderr() && i < tlsgraft_messages_count(messages); i++)
		tg_log(TG_LOG_WARN, "%s", tlsgraft_messages_text(messages, i));
	tg_log(TG_LOG_INFO, "started: generation 1: %s; took %.1f ms", verdict->reason, verdict->took_ms);
}

/* Everything between good files and generation 1. 0 or an exit status. */
static int publish_first(struct tg_keeper *keeper, int link, const tlsgraft_identity *identity,
			 const tlsgraft_messages *messages, struct text *text, double began,
			 struct tg_report_page **ret_report)
{
	const struct tg_settings *settings = tg_identity_settings(identity);
	struct tg_link_message ready = {0};
	struct tg_worker_handoff *handoff = keeper->handoff;
	struct tg_report_page *report = NULL;
	const unsigned char *bytes;
	size_t size, left_out;
	int64_t result;

	if (resolve_users(keeper, settings, text, &ready) != 0)
		return TG_EXIT_BAD_FILE;
	if (tg_handoff_store_start(handoff, settings) < 0 || tg_handoff_store_effective(handoff, settings) < 0) {
		add_line(text, "%s: [tlsgraft]: more exe, user or log text than the keeper has room for", keeper->config);
		return TG_EXIT_BAD_FILE;
	}
	if (tg_handoff_store_files(handoff, identity, &left_out) && left_out > 0 && handoff->watch)
		tg_log(TG_LOG_ERROR, "watch: %zu files are too many to be watched: their changes need a signal", left_out);
	handoff->serving_since = tg_monotonic_ms();
	bytes = tg_identity_bytes(identity, &size);
	result = make_memories(keeper, link, size, &report);
	if (result == 0)
		result = tg_policy_publish(&keeper->policy, bytes, size);
	if (result >= 0) {
		tg_reload_ask_recheck(keeper, identity);
		/* from here on a log that cannot be opened is the operator's to see, not a reason to refuse the start */
		tg_reload_open_log(keeper);
		note_start(keeper, identity, messages, began);
		/* before anybody is answered: the relay's socket is there when the first connection comes */
		result = tg_link_ask_relay(link, tg_identity_document(identity));
	}
	if (result >= 0) {
		result = tg_link_send(link, &ready, NULL, 0);
	}
	if (result < 0) {
		add_line(text, "keeper: cannot share memory: %s", strerror((int)-result));
		tg_report_unmap(report);
		return TG_EXIT_OTHER;
	}
	*ret_report = report;
	return 0;
}

int tg_start_first(struct tg_keeper *keeper, int link, tlsgraft_identity **ret_serving, struct tg_report_page **ret_report)
{
	const double began = tg_monotonic_fine_ms();
	tlsgraft_identity *identity = NULL;
	tlsgraft_messages *messages = NULL;
	struct text text = {0};
	int status;

	text.stream = open_memstream(&text.bytes, &text.size);
	if (text.stream == NULL) {
		tg_keeper_result(keeper, TG_EXIT_OTHER, "tlsgraft: keeper: out of memory\n");
		return TG_EXIT_OTHER;
	}
	switch (tg_load_for(keeper->extra_user, keeper->config, NULL, &identity, &messages)) {
	case TLSGRAFT_OK:
		add_messages(&text, messages);
		status = publish_first(keeper, link, identity, messages, &text, began, ret_report);
		break;
	case TLSGRAFT_NO_MEMORY:
		add_line(&text, "keeper: out of memory");
		status = TG_EXIT_OTHER;
		break;
	default:
		add_messages(&text, messages);
		status = TG_EXIT_BAD_FILE;
	}
	fclose(text.stream);
	tg_keeper_result(keeper, status, text.bytes == NULL ? "" : text.bytes);
	free(text.bytes);
	tlsgraft_messages_free(messages);
	if (status != 0)
		tlsgraft_identity_unref(identity);
	else
		*ret_serving = identity;
	return status;
}

int tg_start_again(struct tg_keeper *keeper, tlsgraft_identity **ret_serving, uint64_t *ret_generation,
		   struct tg_report_page **ret_report)
{
	struct tg_report_page *report = NULL;
	unsigned char *bytes = NULL;
	tlsgraft_identity *serving = NULL;
	uint64_t generation;
	size_t size = 0;
	int result;

	/* locks are not inherited by fork (mlock(2)); limits may forbid it, as at the start */
	mlock2(keeper->policy.header, keeper->policy.size, MLOCK_ONFAULT);
	result = tg_policy_copy(keeper->policy.header, keeper->policy.size, &bytes, &size, &generation);
	if (result < 0)
		return result;
	switch (tg_identity_from_bytes(bytes, size, &serving)) {
	case TLSGRAFT_OK:
		break;
	case TLSGRAFT_NO_MEMORY:
		result = -ENOMEM;
		break;
	default:
		result = -EBADMSG;
	}
	tg_cleanse_free(bytes, size);
	if (result == 0)
		result = tg_report_map(keeper->report_fd, false, &report);
	if (result < 0) {
		tlsgraft_identity_unref(serving);
		return result;
	}
	/* the worker before may have died between the publication and this */
	tg_reload_ask_recheck(keeper, serving);
	close(keeper->report_fd);
	keeper->report_fd = -1;
	*ret_serving = serving;
	*ret_generation = generation;
	*ret_report = report;
	return 0;
}
