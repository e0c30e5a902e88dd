/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/config.h"

#include "ipc/alpn.h"
#include "loader/address.h"
#include "loader/alpn.h"
#include "loader/rules.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_MAX (1 << 20) /* bytes of a user's entry, which getpwnam_r(3) does not say beforehand */

struct reading {
	struct tg_arena *arena;
	struct tg_config *config;
	tlsgraft_messages *messages;
	const struct tg_option *option;
	struct tg_section *section;
	int line;
};

struct tg_place tg_config_place(const struct tg_config *config, const struct tg_section *section, enum tg_option_id id,
				int line)
{
	return (struct tg_place){config->name, line > 0 ? line : section->line, section->title, tg_options_get(id)->key};
}

const struct tg_section *tg_config_section(const struct tg_config *config, enum tg_section_kind kind)
{
	for (size_t i = 0; i < config->section_count; i++)
		if (config->sections[i].kind == kind)
			return &config->sections[i];
	return NULL;
}

int tg_config_number(const struct tg_section *section, enum tg_option_id id)
{
	const struct tg_option *option = tg_options_get(id);
	const struct tg_choice *choice;

	if (section && section->options[id].count > 0)
		return section->options[id].items[0].number;
	if (!option->default_value)
		return 0;
	choice = tg_option_choice(option, option->default_value);
	return choice ? choice->number : atoi(option->default_value);
}

#define FAULT(reading, ...)                                                                                                \
	do {                                                                                                               \
		struct tg_place place_ =                                                                                   \
		    tg_config_place((reading)->config, (reading)->section, (reading)->option->id, (reading)->line);        \
		tg_message((reading)->messages, TLSGRAFT_ERROR, &place_, __VA_ARGS__);                                     \
	} while (0)

static void append(const struct reading *reading, const struct tg_value *value)
{
	struct tg_values *values = &reading->section->options[reading->option->id];

	if (!tg_arena_room(reading->arena, &values->items, values->count, &values->capacity, sizeof(*values->items)))
		return;
	values->items[values->count] = *value;
	values->items[values->count++].line = reading->line;
}

/* One slip of the fingers apart: a letter too many, missing, another or exchanged with the next; case aside. */
static bool alike(const char *text, const char *word)
{
	size_t length = strlen(text), other = strlen(word), same = 0, tail = 0;

	if (other < 3)
		return false;
	while (same < length && same < other && (text[same] | 0x20) == (word[same] | 0x20))
		same++;
	while (tail < length - same && tail < other - same &&
	       (text[length - tail - 1] | 0x20) == (word[other - tail - 1] | 0x20))
		tail++;
	length -= same + tail;
	other -= same + tail;
	return (length <= 1 && other <= 1) ||
	       (length == 2 && other == 2 && (text[same] | 0x20) == (word[same + 1] | 0x20) &&
		(text[same + 1] | 0x20) == (word[same] | 0x20));
}

static void read_choice(const struct reading *reading, const char *text)
{
	const struct tg_choice *choice = tg_option_choice(reading->option, text);
	const char *list = "", *near = NULL;

	if (choice && choice->later) {
		FAULT(reading, "'%s' is not in this version", text);
		return;
	}
	if (choice) {
		append(reading, &(struct tg_value){.text = text, .number = choice->number});
		return;
	}
	/* what is not in this version is no advice */
	for (choice = reading->option->choices; choice->word && list; choice++) {
		if (choice->later)
			continue;
		list = tg_arena_format(reading->arena, "%s%s%s", list, *list != '\0' ? ", " : "", choice->word);
		if (alike(text, choice->word))
			near = choice->word;
	}
	if (list && near)
		FAULT(reading, "'%s' is none of %s: is %s meant?", text, list, near);
	else if (list)
		FAULT(reading, "'%s' is none of %s", text, list);
}

static void read_number(const struct reading *reading, const char *text)
{
	const struct tg_option *option = reading->option;
	int number = 0;

	for (const char *c = text; *c != '\0'; c++) {
		if (*c < '0' || *c > '9') {
			FAULT(reading, "'%s' is not a number", text);
			return;
		}
		if (number <= option->maximum)
			number = number * 10 + (*c - '0');
	}
	if (number < option->minimum || number > option->maximum) {
		FAULT(reading, "%s is not in %d to %d", text, option->minimum, option->maximum);
		return;
	}
	append(reading, &(struct tg_value){.text = text, .number = number});
}

/* inih knows no comment that begins with " #" behind a value; a file of that name is never meant. */
static bool looks_commented(const struct reading *reading, const char *text)
{
	if (!strstr(text, " #") && !strstr(text, "\t#"))
		return false;
	FAULT(reading, "a comment behind a value begins with ' ;', not with #");
	return true;
}

static void read_file(const struct reading *reading, const char *text)
{
	const char *path = text;

	if (looks_commented(reading, text))
		return;
	if (*text != '/')
		path = tg_arena_format(reading->arena, "%s%s%s", reading->config->folder,
				       strcmp(reading->config->folder, "/") == 0 ? "" : "/", text);
	if (path)
		append(reading, &(struct tg_value){.text = text, .path = path});
}

static void read_program(const struct reading *reading, const char *text)
{
	char *resolved;
	const char *path;

	if (looks_commented(reading, text))
		return;
	if (*text != '/') {
		FAULT(reading, "'%s' is not an absolute path", text);
		return;
	}
	/* A running program is known by the path that its links lead to. */
	resolved = realpath(text, NULL);
	path = tg_arena_text(reading->arena, resolved ? resolved : text);
	if (resolved && access(resolved, X_OK) != 0)
		FAULT(reading, "%s: not a program that can be run", text);
	else if (path)
		append(reading, &(struct tg_value){.text = text, .path = path, .number = resolved != NULL});
	free(resolved);
}

static void read_log(const struct reading *reading, const char *text)
{
	if (looks_commented(reading, text))
		return;
	if (*text != '/' && strcmp(text, "stderr") != 0 && strcmp(text, "syslog") != 0) {
		FAULT(reading, "'%s' is neither stderr nor syslog nor an absolute path", text);
		return;
	}
	append(reading, &(struct tg_value){.text = text, .path = *text == '/' ? text : NULL});
}

static void read_user(const struct reading *reading, const char *text)
{
	struct passwd entry, *found = NULL;
	int error = ERANGE;

	if (looks_commented(reading, text))
		return;
	for (size_t size = 4096; error == ERANGE && size <= ENTRY_MAX; size *= 2) {
		char *buffer = tg_arena_alloc(reading->arena, size);

		if (!buffer)
			return;
		error = getpwnam_r(text, &entry, buffer, size, &found);
	}
	if (error != 0 || !found)
		FAULT(reading, "no user '%s' on this system", text);
	else
		append(reading, &(struct tg_value){.text = text});
}

static void read_rule(const struct reading *reading, const char *text)
{
	struct tg_value value = {.text = text};
	const char *reason = tg_rule_parse(reading->arena, text, &value.rule);

	if (reason)
		FAULT(reading, "'%s': %s", text, reason);
	else
		append(reading, &value);
}

static void read_address(const struct reading *reading, const char *text)
{
	struct tg_value value = {.text = text};
	const char *reason = tg_address_parse(text, &value.address);
	const char *port = text + (*text == ':');

	if (reason && *port != '\0' && strspn(port, "0123456789") == strlen(port))
		FAULT(
		    reading,
		    "'%s': no address before the port: write *:%s for every address of this machine, or ADDR:%s for one of "
		    "them",
		    text, port, port);
	else if (reason)
		FAULT(reading, "'%s': %s", text, reason);
	else
		append(reading, &value);
}

/* Values between commas, without the space around them; an empty one is one, too. */
static void read_list(const struct reading *reading, const char *text,
		      void (*read_one)(const struct reading *, const char *, size_t))
{
	while (true) {
		size_t length;

		text += strspn(text, " \t");
		length = strcspn(text, ",");
		while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
			length--;
		read_one(reading, text, length);
		text += length;
		text += strspn(text, " \t");
		if (*text == '\0')
			return;
		text++;
	}
}

static void read_hostname(const struct reading *reading, const char *text, size_t length)
{
	struct tg_value value = {0};
	const char *reason = tg_hostname_parse(reading->arena, text, length, &value.name);

	if (reason) {
		FAULT(reading, "'%.*s': %s", (int)length, text, reason);
	} else {
		value.text = tg_arena_copy(reading->arena, text, length);
		append(reading, &value);
	}
}

static void read_hostnames(const struct reading *reading, const char *text)
{
	read_list(reading, text, read_hostname);
}

static void read_protocol(const struct reading *reading, const char *text, size_t length)
{
	const struct tg_values *before = &reading->section->options[reading->option->id];
	const char *reason = tg_alpn_parse(text, length);
	const char *name = reason ? NULL : tg_arena_copy(reading->arena, text, length);
	size_t size = 1 + length;

	for (size_t i = 0; name && i < before->count && !reason; i++) {
		if (strcmp(before->items[i].text, name) == 0)
			reason = "is in the list already";
		size += 1 + strlen(before->items[i].text);
	}
	if (!reason && size > TG_ALPN_LIST_MAX)
		reason = "more than 65535 bytes of protocol names";
	if (reason)
		FAULT(reading, "'%.*s': %s", (int)length, text, reason);
	else if (name)
		append(reading, &(struct tg_value){.text = name});
	const char *meant = reason || !name ? NULL : tg_alpn_meant(name);
	if (meant) {
		struct tg_place place =
		    tg_config_place(reading->config, reading->section, reading->option->id, reading->line);

		tg_message(reading->messages, TLSGRAFT_WARNING, &place, "no client offers '%s': '%s' is meant?", name,
			   meant);
	}
}

static void read_protocols(const struct reading *reading, const char *text)
{
	if (!looks_commented(reading, text))
		read_list(reading, text, read_protocol);
}

static void read_text(const struct reading *reading, const char *text)
{
	if (!looks_commented(reading, text))
		append(reading, &(struct tg_value){.text = text});
}

static void read_value(const struct reading *reading, const char *text)
{
	static void (*const readers[])(const struct reading *, const char *) = {
	    [TG_TYPE_CHOICE] = read_choice,       [TG_TYPE_NUMBER] = read_number,   [TG_TYPE_FILE] = read_file,
	    [TG_TYPE_PROGRAM] = read_program,     [TG_TYPE_LOG] = read_log,         [TG_TYPE_USER] = read_user,
	    [TG_TYPE_RULE] = read_rule,           [TG_TYPE_ADDRESS] = read_address, [TG_TYPE_HOSTNAMES] = read_hostnames,
	    [TG_TYPE_PROTOCOLS] = read_protocols, [TG_TYPE_REFERENCE] = read_text,  [TG_TYPE_TEXT] = read_text,
	};

	readers[reading->option->type](reading, text);
}

/* Judges one key. `first` holds the line on which each key of this section was first given. */
static void read_entry(struct reading *reading, const struct tg_ini_entry *entry, int first[TG_OPT_COUNT])
{
	struct tg_place place = {reading->config->name, entry->line, reading->section->title, entry->key};

	reading->option = tg_options_find(entry->key);
	reading->line = entry->line;
	if (!reading->option) {
		tg_message(reading->messages, TLSGRAFT_ERROR, &place, "unknown key");
		return;
	}
	if (!(reading->option->sections & reading->section->kind)) {
		const struct tg_option *option = reading->option;

		tg_message(reading->messages, TLSGRAFT_ERROR, &place, "does not belong in this section, but in [%s]",
			   tg_section_word(option->sections & -option->sections));
		return;
	}
	if (first[reading->option->id] > 0 && !reading->option->repeatable) {
		FAULT(reading, "given twice, first on line %d", first[reading->option->id]);
		return;
	}
	reading->section->given[reading->option->id] = true;
	if (first[reading->option->id] == 0)
		first[reading->option->id] = entry->line;
	read_value(reading, entry->value);
}

/* Takes a section's title apart. False, and a message, where it is none of ours. */
static bool read_title(struct tg_arena *arena, const struct tg_config *config, const struct tg_ini_section *from,
		       struct tg_section *section, tlsgraft_messages *messages)
{
	struct tg_place place = {config->name, from->line, from->title, NULL};
	size_t length = strcspn(from->title, " \t");
	const char *argument = from->title + length;
	unsigned kind = tg_section_kind_of(from->title, length);
	bool named = kind == TG_SECTION_LISTENER || kind == TG_SECTION_SNI;

	argument += strspn(argument, " \t");
	if (kind == 0) {
		tg_message(messages, TLSGRAFT_ERROR, &place, "unknown section");
		return false;
	}
	if (named != (*argument != '\0')) {
		tg_message(messages, TLSGRAFT_ERROR, &place,
			   named ? "this section needs a name of its own" : "this section takes no name");
		return false;
	}
	if (strpbrk(argument, " \t\"\\")) {
		tg_message(messages, TLSGRAFT_ERROR, &place, "the name holds a space, a quote or a backslash");
		return false;
	}
	section->kind = (enum tg_section_kind)kind;
	section->line = from->line;
	section->argument = named ? argument : NULL;
	section->title = named ? tg_arena_format(arena, "%s %s", tg_section_word(section->kind), argument) : from->title;
	return section->title != NULL;
}

static bool seen_before(const struct tg_config *config, const struct tg_section *section, tlsgraft_messages *messages)
{
	struct tg_place place = {config->name, section->line, section->title, NULL};

	for (size_t i = 0; i < config->section_count; i++) {
		if (strcmp(config->sections[i].title, section->title) != 0)
			continue;
		tg_message(messages, TLSGRAFT_ERROR, &place, "this section was begun on line %d already",
			   config->sections[i].line);
		return true;
	}
	return false;
}

void tg_config_read(struct tg_arena *arena, const char *name, const char *folder, const struct tg_ini *ini,
		    struct tg_config *config, tlsgraft_messages *messages)
{
	size_t entry = 0;

	*config = (struct tg_config){.name = name, .folder = folder};
	config->sections = tg_arena_alloc(arena, (ini->section_count + 1) * sizeof(*config->sections));
	if (!config->sections)
		return;
	for (size_t i = 0; i < ini->section_count; i++) {
		struct tg_section section = {0};
		struct reading reading = {arena, config, messages, NULL, NULL, 0};
		int first[TG_OPT_COUNT] = {0};
		bool known = read_title(arena, config, &ini->sections[i], &section, messages);

		/* The keys of a section that is there twice are judged too: all faults at once. */
		if (known)
			known = !seen_before(config, &section, messages);
		reading.section = &section;
		for (; entry < ini->entry_count && ini->entries[entry].section == i; entry++)
			if (section.kind != 0)
				read_entry(&reading, &ini->entries[entry], first);
		if (known)
			config->sections[config->section_count++] = section;
	}
}
