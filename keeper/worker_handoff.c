/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/worker_handoff.h"

#include "keeper/clock.h"
#include "keeper/escape.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct tg_worker_handoff *tg_handoff_new(void)
{
	void *handoff =
	    mmap(NULL, sizeof(struct tg_worker_handoff), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return handoff == MAP_FAILED ? NULL : handoff;
}

const struct tg_verdict *tg_handoff_verdict(const struct tg_worker_handoff *handoff)
{
	return &handoff->verdicts[atomic_load_explicit(&handoff->last, memory_order_acquire) & 1];
}

void tg_handoff_note(struct tg_worker_handoff *handoff, enum tg_verdict_kind kind, double took_ms, const char *reason)
{
	const uint32_t next = (atomic_load_explicit(&handoff->last, memory_order_relaxed) + 1) & 1;
	struct tg_verdict *verdict = &handoff->verdicts[next];

	verdict->kind = kind;
	verdict->at = tg_wall_seconds();
	verdict->took_ms = took_ms;
	tg_escape_cut(reason == NULL ? "out of memory" : reason, verdict->reason, sizeof(verdict->reason));
	atomic_store_explicit(&handoff->last, next, memory_order_release);
}

const char *tg_handoff_first(const char *texts)
{
	return texts[0] == '\0' ? NULL : texts;
}

const char *tg_handoff_next(const char *text)
{
	return tg_handoff_first(text + strlen(text) + 1);
}

/* Appends to texts of `size` bytes at *used; false where it does not fit beside the empty text that ends them. */
static bool append(char *texts, size_t size, size_t *used, const char *text)
{
	const size_t length = strlen(text) + 1;

	if (length == 1)
		return true;
	if (length >= size - *used)
		return false;
	memcpy(texts + *used, text, length);
	*used += length;
	texts[*used] = '\0';
	return true;
}

int tg_handoff_store_start(struct tg_worker_handoff *handoff, const struct tg_settings *settings)
{
	size_t exes = 0;
	size_t users = 0;

	handoff->exes[0] = handoff->users[0] = '\0';
	for (size_t i = 0; i < settings->exe_count; i++)
		if (!append(handoff->exes, sizeof(handoff->exes), &exes, settings->exes[i]))
			return -E2BIG;
	for (size_t i = 0; i < settings->user_count; i++)
		if (!append(handoff->users, sizeof(handoff->users), &users, settings->users[i]))
			return -E2BIG;
	handoff->reload_signal = settings->reload_signal;
	handoff->children_keep = settings->children_keep;
	return 0;
}

int tg_handoff_store_effective(struct tg_worker_handoff *handoff, const struct tg_settings *settings)
{
	const char *file = settings->log_target == TG_LOG_FILE ? settings->log_file : "";

	if (strlen(file) >= sizeof(handoff->log_file))
		return -E2BIG;
	strcpy(handoff->log_file, file);
	handoff->log_target = settings->log_target;
	handoff->log_level = settings->log_level;
	handoff->watch = settings->watch;
	handoff->warn_days = settings->warn_days;
	return 0;
}

bool tg_handoff_store_files(struct tg_worker_handoff *handoff, const tlsgraft_identity *identity, size_t *ret_left_out)
{
	const char *before = tg_handoff_first(handoff->files);
	bool changed = false;
	size_t left_out = 0;
	size_t used = 0;

	/* each text is compared with what it is about to overwrite: equal as long as the lists are */
	for (size_t i = 0; i < tg_identity_file_count(identity); i++) {
		const char *file = tg_identity_file(identity, i);

		if (!changed && before != NULL && strcmp(before, file) == 0) {
			used += strlen(file) + 1;
			before = tg_handoff_next(before);
			continue;
		}
		if (append(handoff->files, sizeof(handoff->files), &used, file))
			changed = true;
		else
			left_out++;
	}
	changed = changed || before != NULL;
	handoff->files[used] = '\0';
	*ret_left_out = left_out;
	return changed;
}

static int split(char *texts, char ***ret, size_t *ret_count)
{
	size_t count = 0;
	char **list;

	for (const char *text = tg_handoff_first(texts); text != NULL; text = tg_handoff_next(text))
		count++;
	list = calloc(count + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		list[i] = texts;
		texts += strlen(texts) + 1;
	}
	*ret = list;
	*ret_count = count;
	return 0;
}

int tg_handoff_start_settings(struct tg_worker_handoff *handoff, struct tg_settings *ret)
{
	struct tg_settings settings = {.log_target = handoff->log_target,
				       .log_file = handoff->log_file,
				       .log_level = handoff->log_level,
				       .reload_signal = handoff->reload_signal,
				       .watch = handoff->watch,
				       .warn_days = handoff->warn_days,
				       .children_keep = handoff->children_keep};
	int result = split(handoff->exes, &settings.exes, &settings.exe_count);

	if (result == 0)
		result = split(handoff->users, &settings.users, &settings.user_count);
	if (result < 0) {
		free(settings.exes);
		return result;
	}
	*ret = settings;
	return 0;
}

void tg_handoff_settings_free(struct tg_settings *settings)
{
	free(settings->exes);
	free(settings->users);
	*settings = (struct tg_settings){0};
}
