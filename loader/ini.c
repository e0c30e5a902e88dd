/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/ini.h"

#include "ipc/match.h"

#include <ini.h>

#include <string.h>

enum line_kind { LINE_BLANK, LINE_SECTION, LINE_PAIR, LINE_BAD };

struct reader {
	struct tg_arena *arena;
	const char *name;
	struct tg_ini *ini;
	tlsgraft_messages *messages;
	const unsigned char *next;
	const unsigned char *end;
	int line;
	bool in_section; /* a section header was accepted or at least recognised */
	bool skip;       /* the section's header was bad: its keys belong nowhere */
	enum line_kind kind;
	const char *key; /* of the line handed to inih */
	bool called;     /* inih has reported that key */
};

static const char *current_section(const struct reader *reader)
{
	return reader->in_section && reader->ini->section_count > 0
		   ? reader->ini->sections[reader->ini->section_count - 1].title
		   : NULL;
}

static void fault(struct reader *reader, const char *key, const char *reason)
{
	struct tg_place place = {reader->name, reader->line, current_section(reader), key};

	reader->kind = LINE_BAD;
	tg_message(reader->messages, TLSGRAFT_ERROR, &place, "%s", reason);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* inih's own rule: the first `;` with white space before it begins a comment, looking from `text` on. */
static size_t before_comment(const char *text, char stop)
{
	bool space = false;
	size_t i;

	for (i = 0; text[i] != '\0' && text[i] != stop && !(space && text[i] == ';'); i++)
		space = is_space(text[i]);
	return i;
}

static void judge_section(struct reader *reader, const char *text)
{
	size_t length = before_comment(text + 1, ']');
	const char *rest = text + 1 + length;
	struct tg_ini *ini = reader->ini;
	char *title;

	reader->in_section = false;
	reader->skip = true;
	if (*rest != ']') {
		fault(reader, NULL, "a section's name ends with ]");
		return;
	}
	rest++;
	while (is_space(*rest))
		rest++;
	if (*rest != '\0' && *rest != ';' && *rest != '#') {
		fault(reader, NULL, "text behind the section's ]");
		return;
	}
	if (length == 0 || length > TG_INI_NAME_MAX) {
		fault(reader, NULL, length == 0 ? "a section without a name" : "a section's name is longer than 49 bytes");
		return;
	}
	title = tg_arena_copy(reader->arena, text + 1, length);
	if (!title || !tg_arena_room(reader->arena, &ini->sections, ini->section_count, &ini->section_capacity,
				     sizeof(*ini->sections)))
		return;
	ini->sections[ini->section_count++] = (struct tg_ini_section){reader->line, title};
	reader->in_section = true;
	reader->skip = false;
	reader->kind = LINE_SECTION;
}

static void judge_pair(struct reader *reader, const char *text)
{
	size_t separator = before_comment(text, '=');
	size_t length = separator;
	const char *value = text + separator + 1;
	char *key;

	if (reader->skip) {
		reader->kind = LINE_BAD;
		return;
	}
	if (text[separator] != '=' || memchr(text, ':', separator)) {
		fault(reader, NULL, "neither a [section] nor key = value");
		return;
	}
	while (length > 0 && is_space(text[length - 1]))
		length--;
	if (length == 0 || length > TG_INI_NAME_MAX) {
		fault(reader, NULL, length == 0 ? "no key before =" : "a key is longer than 49 bytes");
		return;
	}
	key = tg_arena_copy(reader->arena, text, length);
	if (!key)
		return;
	if (!reader->in_section) {
		fault(reader, key, "stands before the first section");
		return;
	}
	while (is_space(*value))
		value++;
	if (*value == '\0' || (*value == ';' && is_space(value[-1]))) {
		fault(reader, key, "no value");
		return;
	}
	reader->key = key;
	reader->kind = LINE_PAIR;
}

/* Sets reader->kind. `text` is the line without its end, NUL-terminated. */
static void judge_line(struct reader *reader, const char *text, size_t length)
{
	reader->kind = LINE_BAD;
	if (length > TG_INI_LINE_MAX) {
		fault(reader, NULL, "the line is longer than 198 bytes");
		return;
	}
	if (memchr(text, '\0', length)) {
		fault(reader, NULL, "the line holds a NUL byte");
		return;
	}
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f)
			continue;
		if (text[i] == '\t')
			continue;
		fault(reader, NULL, "the line holds a control character");
		return;
	}
	if (!tg_utf8_valid((const unsigned char *)text, length)) {
		fault(reader, NULL, "the line is not UTF-8");
		return;
	}
	while (is_space(*text))
		text++, length--;
	if (length == 0 || *text == ';' || *text == '#')
		reader->kind = LINE_BLANK;
	else if (text[-1] == ' ' || text[-1] == '\t')
		fault(reader, NULL, "the line is indented: it would continue the key above; write it at the margin");
	else if (*text == '[')
		judge_section(reader, text);
	else
		judge_pair(reader, text);
}

/* What inih calls like fgets: one judged line for each call; a line that it shall not see becomes an empty one. */
static char *next_line(char *line, int size, void *user)
{
	struct reader *reader = user;
	const unsigned char *feed;
	size_t length;
	char text[TG_INI_LINE_MAX + 2]; /* a NUL on either side: judge looks one back */

	if (reader->kind == LINE_PAIR && !reader->called)
		fault(reader, reader->key, "the parser did not see this key");
	if (reader->next == reader->end)
		return NULL;
	feed = memchr(reader->next, '\n', (size_t)(reader->end - reader->next));
	length = (size_t)((feed ? feed : reader->end) - reader->next);
	if (length > 0 && reader->next[length - 1] == '\r')
		length--;
	reader->line++;
	reader->called = false;
	text[0] = '\0';
	if (length <= TG_INI_LINE_MAX)
		memcpy(text + 1, reader->next, length);
	text[1 + (length <= TG_INI_LINE_MAX ? length : 0)] = '\0';
	judge_line(reader, text + 1, length);
	reader->next = feed ? feed + 1 : reader->end;
	if (reader->kind == LINE_SECTION || reader->kind == LINE_PAIR) {
		if ((size_t)size < length + 2) {
			fault(reader, NULL, "the parser takes no line of this length");
			length = 0;
		}
		memcpy(line, text + 1, length);
	} else {
		length = 0;
	}
	line[length] = '\n';
	line[length + 1] = '\0';
	return line;
}

static int take_value(void *user, const char *section, const char *key, const char *value)
{
	struct reader *reader = user;
	const char *title = current_section(reader);
	struct tg_ini *ini = reader->ini;
	char *copy;

	if (reader->kind != LINE_PAIR || reader->called || !title || strcmp(section, title) != 0 || !value ||
	    strcmp(key, reader->key) != 0 || *value == '\0') {
		fault(reader, key, "the parser reads this line in another way");
		return 1;
	}
	reader->called = true;
	copy = tg_arena_text(reader->arena, value);
	if (!copy ||
	    !tg_arena_room(reader->arena, &ini->entries, ini->entry_count, &ini->entry_capacity, sizeof(*ini->entries)))
		return 1;
	ini->entries[ini->entry_count++] = (struct tg_ini_entry){reader->line, ini->section_count - 1, reader->key, copy};
	return 1;
}

void tg_ini_read(struct tg_arena *arena, const char *name, const unsigned char *bytes, size_t size, struct tg_ini *ini,
		 tlsgraft_messages *messages)
{
	struct reader reader = {.arena = arena, .name = name, .ini = ini, .messages = messages};
	int status;

	*ini = (struct tg_ini){0};
	/* Taken off here: inih does so too, but then takes what follows for an indented line. */
	if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		size -= 3;
	}
	reader.next = bytes;
	reader.end = bytes + size;
	status = ini_parse_stream(next_line, &reader, take_value, &reader);
	if (status > 0) {
		reader.line = status;
		reader.in_section = false;
		fault(&reader, NULL, "the parser refuses this line");
	} else if (status < 0) {
		reader.line = 0;
		reader.in_section = false;
		fault(&reader, NULL, "the parser ran out of memory");
	}
}
