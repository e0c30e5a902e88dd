/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT_MAX 65536

/* In the order in which a file of one name hides the others. */
static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
				      "/lib/systemd/system", "/usr/lib/systemd/system"};
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

static char *trim(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
		text[--length] = '\0';
	return text;
}

static int add_setting(struct tg_unit *unit, const char *key, const char *value)
{
	struct tg_setting *grown = reallocarray(unit->settings, unit->count + 1, sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	unit->settings = grown;
	grown[unit->count].key = strdup(key);
	grown[unit->count].value = strdup(value);
	if (grown[unit->count].key == NULL || grown[unit->count].value == NULL) {
		free(grown[unit->count].key);
		free(grown[unit->count].value);
		return -ENOMEM;
	}
	unit->count++;
	return 0;
}

/* A line with those that a "\" at its end continues, joined by a space; NULL at the end. */
static char *whole_line(FILE *stream)
{
	char *whole = NULL;
	char *line = NULL;
	size_t size = 0;
	bool more = true;

	while (more && getline(&line, &size, stream) > 0) {
		const char *part = trim(line);
		const size_t length = strlen(part);
		char *joined;

		if (whole != NULL && (part[0] == '#' || part[0] == ';'))
			continue;
		more = length > 0 && part[length - 1] == '\\';
		if (asprintf(&joined, "%s%s%.*s", whole == NULL ? "" : whole, whole == NULL ? "" : " ",
			     (int)(more ? length - 1 : length), part) < 0)
			joined = NULL;
		free(whole);
		whole = joined;
		if (joined == NULL)
			break;
	}
	free(line);
	return whole;
}

static int read_settings(const char *path, struct tg_unit *unit)
{
	FILE *stream = fopen(path, "re");
	bool service = false;
	int result = 0;
	char *line;

	if (stream == NULL)
		return -errno;
	while (result == 0 && (line = whole_line(stream)) != NULL) {
		char *equals = strchr(line, '=');

		if (line[0] == '[')
			service = strcmp(line, "[Service]") == 0;
		else if (service && line[0] != '#' && line[0] != ';' && equals != NULL) {
			*equals = '\0';
			result = add_setting(unit, trim(line), trim(equals + 1));
		}
		free(line);
	}
	fclose(stream);
	return result;
}

static int is_drop_in(const struct dirent *entry)
{
	const size_t length = strlen(entry->d_name);

	return length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static void read_drop_ins(const char *root, const char *name, struct tg_unit *unit)
{
	/* what is read later wins, so /etc comes last */
	for (size_t i = FOLDERS; i-- > 0;) {
		char folder[PATH_MAX];
		struct dirent **entries;
		int count;

		if (snprintf(folder, sizeof(folder), "%s%s/%s.d", root, folders[i], name) >= (int)sizeof(folder))
			continue;
		count = scandir(folder, &entries, is_drop_in, alphasort);
		for (int k = 0; k < count; k++) {
			char path[PATH_MAX];

			if (snprintf(path, sizeof(path), "%s/%s", folder, entries[k]->d_name) < (int)sizeof(path))
				read_settings(path, unit);
			free(entries[k]);
		}
		if (count >= 0)
			free(entries);
	}
}

int tg_unit_read(const char *root, const char *name, struct tg_unit *ret)
{
	for (size_t i = 0; i < FOLDERS; i++) {
		struct tg_unit unit = {0};
		char template[NAME_MAX + 1];
		const char *at = strchr(name, '@');
		int result;

		if (strlen(name) >= sizeof(unit.name) ||
		    snprintf(unit.path, sizeof(unit.path), "%s%s/%s", root, folders[i], name) >= (int)sizeof(unit.path))
			return -ENAMETOOLONG;
		strcpy(unit.name, name);
		result = read_settings(unit.path, &unit);
		/* an instance is made of its template */
		if (result == -ENOENT && at != NULL && strcmp(at, "@.service") != 0) {
			snprintf(template, sizeof(template), "%.*s@.service", (int)(at - name), name);
			snprintf(unit.path, sizeof(unit.path), "%s%s/%s", root, folders[i], template);
			result = read_settings(unit.path, &unit);
		}
		if (result == 0) {
			read_drop_ins(root, name, &unit);
			*ret = unit;
			return 0;
		}
		tg_unit_free(&unit);
		if (result != -ENOENT)
			return result;
	}
	return -ENOENT;
}

void tg_unit_free(struct tg_unit *unit)
{
	for (size_t i = 0; i < unit->count; i++) {
		free(unit->settings[i].key);
		free(unit->settings[i].value);
	}
	free(unit->settings);
	*unit = (struct tg_unit){0};
}

/* Whether `text` holds `word` between characters that cannot be part of a path. */
static bool holds_path(const char *text, const char *word)
{
	static const char around[] = " \t\n\"'=:;,(){}`|&<>";
	const size_t length = strlen(word);

	for (const char *found = strstr(text, word); found != NULL; found = strstr(found + 1, word)) {
		const bool begins = found == text || strchr(around, found[-1]) != NULL || strchr("@-+!", found[-1]) != NULL;

		if (begins && (found[length] == '\0' || strchr(around, found[length]) != NULL))
			return true;
	}
	return false;
}

/* Whether the first word of a command is a script that names `program`. */
static bool script_names(const char *root, const char *command, const char *program)
{
	char path[PATH_MAX];
	char text[SCRIPT_MAX];
	ssize_t size;
	int fd;

	command += strspn(command, "@-:+!| ");
	if (snprintf(path, sizeof(path), "%s%.*s", root, (int)strcspn(command, " \t"), command) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size < 2 || text[0] != '#' || text[1] != '!')
		return false;
	text[size] = '\0';
	/* its first line names the interpreter, which it does not serve */
	return strlen(text) == (size_t)size && holds_path(text + strcspn(text, "\n"), program);
}

static bool starts(const char *root, const struct tg_unit *unit, const char *program, const char *words)
{
	const char *command;
	size_t at = 0;

	while ((command = tg_unit_next(unit, "ExecStart", &at)) != NULL)
		if (holds_path(command, program) || (words != NULL && strstr(command, words) != NULL) ||
		    script_names(root, command, program))
			return true;
	return false;
}

/* An alias, or a masked unit: the same unit is met, or hidden, under its own name. */
static bool is_alias(const char *folder, const char *name)
{
	char path[PATH_MAX];
	char target[PATH_MAX];
	const char *slash;
	ssize_t length;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return false;
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	slash = strrchr(target, '/');
	return strcmp(slash == NULL ? target : slash + 1, name) != 0;
}

static int find_in(const char *root, const char *folder, const char *program, const char *words, struct tg_unit *ret)
{
	char path[PATH_MAX];
	struct dirent **entries;
	int result = -ENOENT;
	int count;

	if (snprintf(path, sizeof(path), "%s%s", root, folder) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	count = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		const char *end = strrchr(entries[i]->d_name, '.');
		struct tg_unit unit;

		if (result != 0 && end != NULL && strcmp(end, ".service") == 0 && !is_alias(path, entries[i]->d_name) &&
		    tg_unit_read(root, entries[i]->d_name, &unit) == 0) {
			if (starts(root, &unit, program, words)) {
				*ret = unit;
				result = 0;
			} else {
				tg_unit_free(&unit);
			}
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return result;
}

int tg_unit_find(const char *root, const char *program, const char *words, struct tg_unit *ret)
{
	int result = -ENOENT;

	for (size_t i = 0; i < FOLDERS && result == -ENOENT; i++)
		result = find_in(root, folders[i], program, words, ret);
	return result;
}

const char *tg_unit_next(const struct tg_unit *unit, const char *key, size_t *at)
{
	size_t first = 0;

	/* an empty assignment takes back all before it */
	for (size_t i = 0; i < unit->count; i++)
		if (strcmp(unit->settings[i].key, key) == 0 && unit->settings[i].value[0] == '\0')
			first = i + 1;
	for (size_t i = *at > first ? *at : first; i < unit->count; i++) {
		if (strcmp(unit->settings[i].key, key) == 0) {
			*at = i + 1;
			return unit->settings[i].value;
		}
	}
	return NULL;
}

const char *tg_unit_last(const struct tg_unit *unit, const char *key)
{
	const char *last = "";
	const char *value;
	size_t at = 0;

	while ((value = tg_unit_next(unit, key, &at)) != NULL)
		last = value;
	return last;
}

bool tg_unit_is_true(const struct tg_unit *unit, const char *key)
{
	static const char *const words[] = {"yes", "true", "on", "1"};
	const char *value = tg_unit_last(unit, key);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

bool tg_unit_has_word(const struct tg_unit *unit, const char *key, const char *word)
{
	const size_t length = strlen(word);
	const char *value;
	size_t at = 0;

	while ((value = tg_unit_next(unit, key, &at)) != NULL) {
		for (const char *found = strstr(value, word); found != NULL; found = strstr(found + 1, word))
			if ((found == value || strchr(" ~", found[-1]) != NULL) &&
			    (found[length] == '\0' || found[length] == ' '))
				return true;
	}
	return false;
}
