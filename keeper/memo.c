/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/memo.h"

#include "keeper/clock.h"
#include "keeper/escape.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct tg_memo *tg_memo_new(void)
{
	void *memo = mmap(NULL, sizeof(struct tg_memo), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memo == MAP_FAILED ? NULL : memo;
}

const struct tg_verdict *tg_memo_verdict(const struct tg_memo *memo)
{
	return &memo->verdicts[atomic_load_explicit(&memo->last, memory_order_acquire) & 1];
}

void tg_memo_note(struct tg_memo *memo, enum tg_verdict_kind kind, double took_ms, const char *reason)
{
	const uint32_t next = (atomic_load_explicit(&memo->last, memory_order_relaxed) + 1) & 1;
	struct tg_verdict *verdict = &memo->verdicts[next];

	verdict->kind = kind;
	verdict->at = tg_wall_seconds();
	verdict->took_ms = took_ms;
	tg_escape_cut(reason == NULL ? "out of memory" : reason, verdict->reason, sizeof(verdict->reason));
	atomic_store_explicit(&memo->last, next, memory_order_release);
}

const char *tg_memo_first(const char *texts)
{
	return texts[0] == '\0' ? NULL : texts;
}

const char *tg_memo_next(const char *text)
{
	return tg_memo_first(text + strlen(text) + 1);
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

int tg_memo_store_start(struct tg_memo *memo, const struct tg_settings *settings)
{
	size_t exes = 0;
	size_t users = 0;

	memo->exes[0] = memo->users[0] = '\0';
	for (size_t i = 0; i < settings->exe_count; i++)
		if (!append(memo->exes, sizeof(memo->exes), &exes, settings->exes[i]))
			return -E2BIG;
	for (size_t i = 0; i < settings->user_count; i++)
		if (!append(memo->users, sizeof(memo->users), &users, settings->users[i]))
			return -E2BIG;
	memo->reload_signal = settings->reload_signal;
	memo->children_keep = settings->children_keep;
	return 0;
}

int tg_memo_store_effective(struct tg_memo *memo, const struct tg_settings *settings)
{
	const char *file = settings->log_target == TG_LOG_FILE ? settings->log_file : "";

	if (strlen(file) >= sizeof(memo->log_file))
		return -E2BIG;
	strcpy(memo->log_file, file);
	memo->log_target = settings->log_target;
	memo->log_level = settings->log_level;
	memo->watch = settings->watch;
	memo->warn_days = settings->warn_days;
	return 0;
}

bool tg_memo_store_files(struct tg_memo *memo, const tlsgraft_identity *identity, size_t *ret_left_out)
{
	const char *before = tg_memo_first(memo->files);
	bool changed = false;
	size_t left_out = 0;
	size_t used = 0;

	/* each text is compared with what it is about to overwrite: equal as long as the lists are */
	for (size_t i = 0; i < tg_identity_file_count(identity); i++) {
		const char *file = tg_identity_file(identity, i);

		if (!changed && before != NULL && strcmp(before, file) == 0) {
			used += strlen(file) + 1;
			before = tg_memo_next(before);
			continue;
		}
		if (append(memo->files, sizeof(memo->files), &used, file))
			changed = true;
		else
			left_out++;
	}
	changed = changed || before != NULL;
	memo->files[used] = '\0';
	*ret_left_out = left_out;
	return changed;
}

static int split(char *texts, char ***ret, size_t *ret_count)
{
	size_t count = 0;
	char **list;

	for (const char *text = tg_memo_first(texts); text != NULL; text = tg_memo_next(text))
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

int tg_memo_start_settings(struct tg_memo *memo, struct tg_settings *ret)
{
	struct tg_settings settings = {.log_target = memo->log_target,
				       .log_file = memo->log_file,
				       .log_level = memo->log_level,
				       .reload_signal = memo->reload_signal,
				       .watch = memo->watch,
				       .warn_days = memo->warn_days,
				       .children_keep = memo->children_keep};
	int result = split(memo->exes, &settings.exes, &settings.exe_count);

	if (result == 0)
		result = split(memo->users, &settings.users, &settings.user_count);
	if (result < 0) {
		free(settings.exes);
		return result;
	}
	*ret = settings;
	return 0;
}

void tg_memo_settings_free(struct tg_settings *settings)
{
	free(settings->exes);
	free(settings->users);
	*settings = (struct tg_settings){0};
}
