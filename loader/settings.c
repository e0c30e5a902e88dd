/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/settings.h"

#include "loader/messages.h"

#include <string.h>

static bool copy_texts(struct tg_arena *arena, char *const *from, size_t count, char ***ret)
{
	char **texts = tg_arena_alloc(arena, (count + 1) * sizeof(char *));

	if (!texts)
		return false;
	for (size_t i = 0; i < count; i++) {
		texts[i] = tg_arena_text(arena, from[i]);
		if (!texts[i])
			return false;
	}
	*ret = texts;
	return true;
}

/* Copies the texts of a repeatable key: the path where it has one. */
static bool take_texts(struct tg_arena *arena, const struct tg_section *section, enum tg_option_id id, char ***ret,
		       size_t *ret_count)
{
	const struct tg_values *values = section ? &section->options[id] : NULL;
	size_t count = values ? values->count : 0;
	char **texts = tg_arena_alloc(arena, (count + 1) * sizeof(char *));

	if (!texts)
		return false;
	for (size_t i = 0; i < count; i++) {
		texts[i] = tg_arena_text(arena, values->items[i].path ? values->items[i].path : values->items[i].text);
		if (!texts[i])
			return false;
	}
	*ret = texts;
	*ret_count = count;
	return true;
}

bool tg_settings_fill(struct tg_arena *arena, const struct tg_config *config, struct tg_settings *ret)
{
	const struct tg_section *section = config ? tg_config_section(config, TG_SECTION_TLSGRAFT) : NULL;
	const struct tg_values *log = section ? &section->options[TG_OPT_LOG] : NULL;
	struct tg_settings settings = {
	    .log_target = TG_LOG_STDERR,
	    .log_level = (enum tg_log_level)tg_config_number(section, TG_OPT_LOG_LEVEL),
	    .reload_signal = tg_config_number(section, TG_OPT_RELOAD_SIGNAL),
	    .watch = tg_config_number(section, TG_OPT_WATCH) != 0,
	    .warn_days = tg_config_number(section, TG_OPT_WARN_DAYS),
	    .children_keep = tg_config_number(section, TG_OPT_CHILDREN) != 0,
	};

	if (log && log->count > 0 && log->items[0].path) {
		settings.log_target = TG_LOG_FILE;
		settings.log_file = tg_arena_text(arena, log->items[0].path);
		if (!settings.log_file)
			return false;
	} else if (log && log->count > 0 && strcmp(log->items[0].text, "syslog") == 0) {
		settings.log_target = TG_LOG_SYSLOG;
	}
	if (!take_texts(arena, section, TG_OPT_EXE, &settings.exes, &settings.exe_count) ||
	    !take_texts(arena, section, TG_OPT_USER, &settings.users, &settings.user_count))
		return false;
	*ret = settings;
	return true;
}

bool tg_settings_keep(struct tg_arena *arena, const struct tg_settings *serving, struct tg_settings *settings)
{
	char **exes, **users;

	if (!copy_texts(arena, serving->exes, serving->exe_count, &exes) ||
	    !copy_texts(arena, serving->users, serving->user_count, &users))
		return false;
	settings->exes = exes;
	settings->exe_count = serving->exe_count;
	settings->users = users;
	settings->user_count = serving->user_count;
	settings->reload_signal = serving->reload_signal;
	settings->children_keep = serving->children_keep;
	return true;
}

static bool same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

int tg_settings_compare(const struct tg_settings *serving, const struct tg_settings *loaded, tlsgraft_messages *messages)
{
	const struct {
		enum tg_option_id id;
		bool same;
	} keys[] = {
	    {TG_OPT_RELOAD_SIGNAL, serving->reload_signal == loaded->reload_signal},
	    {TG_OPT_CHILDREN, serving->children_keep == loaded->children_keep},
	    {TG_OPT_EXE, same_texts(serving->exes, serving->exe_count, loaded->exes, loaded->exe_count)},
	    {TG_OPT_USER, same_texts(serving->users, serving->user_count, loaded->users, loaded->user_count)},
	};
	int different = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].same)
			continue;
		different++;
		tg_message(messages, TLSGRAFT_WARNING, NULL, "[tlsgraft] %s: the change takes effect at the next start",
			   tg_options_get(keys[i].id)->key);
	}
	return different;
}

void tg_settings_check(const struct tg_config *config, bool serving, tlsgraft_messages *messages)
{
	const struct tg_section *section = tg_config_section(config, TG_SECTION_TLSGRAFT);
	const struct tg_values *exes = section ? &section->options[TG_OPT_EXE] : NULL;
	size_t present = 0;

	for (size_t i = 0; exes && i < exes->count; i++)
		present += exes->items[i].number != 0;
	for (size_t i = 0; exes && i < exes->count; i++) {
		struct tg_place place = tg_config_place(config, section, TG_OPT_EXE, exes->items[i].line);
		/* With none of them there, nothing would be protected; while serving, a package may be halfway exchanged.
		 */
		bool fatal = present == 0 && !serving;

		if (exes->items[i].number == 0)
			tg_message(messages, fatal ? TLSGRAFT_ERROR : TLSGRAFT_WARNING, &place, "%s: no such program",
				   exes->items[i].text);
	}
}
