/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apparmor.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INCLUDES_MAX 8 /* includes within includes */
#define FOLDER "/etc/apparmor.d"

/* One question to a profile: may it do `wanted` with `path`? */
struct question {
	const char *path;
	const char *wanted; /* letters that all must be granted; 'x': any way to execute */
	char granted[32];
	bool denied;
};

struct profile {
	const char *root;
	struct question questions[3];
};

/* tunables/ of Debian; what is not here is not granted. */
static const struct {
	const char *name;
	const char *pattern;
} variables[] = {
    {"multiarch", "*-linux-gnu*"}, {"PROC", "/proc/"},         {"HOME", "{/root,/home/*}/"},         {"HOMEDIRS", "/home/"},
    {"run", "/{,var/}run/"},       {"etc_ro", "/{,usr/}etc/"}, {"etc_rw", "/{,usr/}etc/"},           {"sys", "/sys/"},
    {"lib", "{lib,lib64,lib32}"},  {"bin", "{bin,sbin}"},      {"exec_path", "/{usr/,}{bin,sbin}/"},
};

/* abstractions/base, as far as libraries go, for where it is not installed. */
static const char base_rules[] = "/{usr/,}lib{,32,64}/** r,\n/{usr/,}lib{,32,64}/**.so* mr,\n"
				 "/{usr/,}lib/@{multiarch}/** r,\n/{usr/,}lib/@{multiarch}/**.so* mr,\n";

static bool match(const char *pattern, const char *path);

/* {a,b}: each alternative with what follows the brace. */
static bool match_alternatives(const char *pattern, const char *path)
{
	const char *end = pattern + 1;
	int depth = 1;

	for (; *end != '\0'; end++) {
		depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
		if (depth == 0)
			break;
	}
	if (*end == '\0')
		return false;
	for (const char *begin = pattern + 1; begin <= end;) {
		const char *stop = begin;
		char *joined;
		bool matches;

		for (depth = 0; stop < end && !(depth == 0 && *stop == ','); stop++)
			depth += *stop == '{' ? 1 : *stop == '}' ? -1 : 0;
		if (asprintf(&joined, "%.*s%s", (int)(stop - begin), begin, end + 1) < 0)
			return false;
		matches = match(joined, path);
		free(joined);
		if (matches)
			return true;
		begin = stop + 1;
	}
	return false;
}

static bool match_variable(const char *pattern, const char *path)
{
	const char *end = strchr(pattern, '}');
	const size_t length = end == NULL ? 0 : (size_t)(end - pattern) - 2;

	for (size_t i = 0; end != NULL && i < sizeof(variables) / sizeof(variables[0]); i++) {
		char *joined;
		bool matches;

		if (strlen(variables[i].name) != length || strncmp(variables[i].name, pattern + 2, length) != 0)
			continue;
		if (asprintf(&joined, "%s%s", variables[i].pattern, end + 1) < 0)
			return false;
		matches = match(joined, path);
		free(joined);
		return matches;
	}
	return false;
}

static bool match_class(const char *pattern, const char *path)
{
	const char *end = strchr(pattern + 1, ']');
	const bool negated = pattern[1] == '^';
	bool in = false;

	if (end == NULL || *path == '\0' || *path == '/')
		return false;
	for (const char *at = pattern + (negated ? 2 : 1); at < end; at++) {
		if (at + 2 < end && at[1] == '-') {
			in = in || (*path >= at[0] && *path <= at[2]);
			at += 2;
		} else {
			in = in || *path == *at;
		}
	}
	return in != negated && match(end + 1, path + 1);
}

static bool match(const char *pattern, const char *path)
{
	for (;; pattern++, path++) {
		switch (*pattern) {
		case '\0':
			return *path == '\0';
		case '{':
			return match_alternatives(pattern, path);
		case '[':
			return match_class(pattern, path);
		case '@':
			if (pattern[1] == '{')
				return match_variable(pattern, path);
			break;
		case '*': {
			const bool deep = pattern[1] == '*';
			const char *rest = pattern + (deep ? 2 : 1);

			for (;; path++) {
				if (match(rest, path))
					return true;
				if (*path == '\0' || (!deep && *path == '/'))
					return false;
			}
		}
		case '?':
			if (*path == '\0' || *path == '/')
				return false;
			continue;
		case '\\':
			pattern++;
			break;
		default:
			break;
		}
		/* two slashes that variables brought together are one */
		if (*pattern == '/' && *path != '/' && path[-1] == '/') {
			path--;
			continue;
		}
		if (*pattern != *path || *path == '\0')
			return false;
	}
}

bool tg_apparmor_matches(const char *pattern, const char *path)
{
	return path[0] == '/' && match(pattern, path);
}

static char *read_all(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t length;
	FILE *stream = fopen(path, "re");

	if (stream == NULL)
		return NULL;
	length = getdelim(&text, &size, '\0', stream);
	fclose(stream);
	if (length < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* "[audit] [deny|allow] [owner] [file] PATH PERMS" or "... PERMS PATH", without its comma. */
static void take_rule(struct profile *profile, char *rule)
{
	char *state = NULL;
	const char *path = NULL;
	const char *access = NULL;
	bool deny = false;

	for (char *word = strtok_r(rule, " \t", &state); word != NULL; word = strtok_r(NULL, " \t", &state)) {
		if (strcmp(word, "deny") == 0) {
			deny = true;
		} else if (strcmp(word, "->") == 0) {
			break;
		} else if (word[0] == '/' || word[0] == '"' || (word[0] == '@' && word[1] == '{')) {
			word[strcspn(word + 1, "\"") + 1] = '\0';
			path = word[0] == '"' ? word + 1 : word;
		} else if (strcmp(word, "audit") != 0 && strcmp(word, "allow") != 0 && strcmp(word, "owner") != 0 &&
			   strcmp(word, "file") != 0) {
			/* rules of other kinds (network, capability ...) name no path, so they are passed over below */
			access = word;
		}
	}
	if (path == NULL || access == NULL)
		return;
	for (size_t i = 0; i < sizeof(profile->questions) / sizeof(profile->questions[0]); i++) {
		struct question *question = &profile->questions[i];

		if (!tg_apparmor_matches(path, question->path))
			continue;
		for (const char *letter = access; *letter != '\0'; letter++) {
			const size_t length = strlen(question->granted);

			if (deny)
				question->denied = question->denied || strchr(question->wanted, *letter) != NULL;
			else if (length + 1 < sizeof(question->granted) && strchr(question->granted, *letter) == NULL)
				question->granted[length] = *letter;
		}
	}
}

static void take_rules(struct profile *profile, const char *text, int depth);

static void take_folder(struct profile *profile, const char *path, int depth)
{
	struct dirent **entries;
	const int count = scandir(path, &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char file[PATH_MAX];
		char *text = NULL;

		if (entries[i]->d_name[0] != '.' &&
		    snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name) < (int)sizeof(file))
			text = read_all(file);
		if (text != NULL)
			take_rules(profile, text, depth + 1);
		free(text);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* `include <x>`, `include "x"`, `include if exists <x>`: a file or a folder below the profiles. */
static void take_include(struct profile *profile, const char *line, int depth)
{
	const char *open = strpbrk(line, "<\"");
	const char *close = open == NULL ? NULL : strpbrk(open + 1, ">\"");
	char path[PATH_MAX];
	char *text;

	if (close == NULL || depth == INCLUDES_MAX ||
	    snprintf(path, sizeof(path), "%s%s%s%.*s", profile->root, open[1] == '/' ? "" : FOLDER,
		     open[1] == '/' ? "" : "/", (int)(close - open - 1), open + 1) >= (int)sizeof(path))
		return;
	text = read_all(path);
	if (text != NULL)
		take_rules(profile, text, depth + 1);
	else if (strncmp(open + 1, "abstractions/base>", 18) == 0 && access(path, F_OK) < 0)
		take_rules(profile, base_rules, depth + 1);
	else
		take_folder(profile, path, depth);
	free(text);
}

/* Where the block that opens at `text` (behind its brace) ends. */
static const char *block_end(const char *text)
{
	int depth = 1;

	for (; *text != '\0'; text++) {
		if (*text == '#' && strncmp(text, "#include", 8) != 0) {
			text += strcspn(text, "\n");
			if (*text == '\0')
				break;
		}
		depth += *text == '{' ? 1 : *text == '}' ? -1 : 0;
		if (depth == 0)
			break;
	}
	return text;
}

static void take_rules(struct profile *profile, const char *text, int depth)
{
	while (*text != '\0') {
		const size_t length = strcspn(text, "\n");
		char line[1024];
		size_t end;

		snprintf(line, sizeof(line), "%.*s", (int)length, text + strspn(text, " \t"));
		line[strcspn(line, "\n")] = '\0';
		end = strlen(line);
		while (end > 0 && isspace((unsigned char)line[end - 1]))
			line[--end] = '\0';
		if (strncmp(line, "#include", 8) == 0 || strncmp(line, "include", 7) == 0) {
			take_include(profile, line, depth);
		} else if (end > 0 && line[end - 1] == '{') {
			/* a child profile or a hat is another profile */
			text = block_end(strchr(text, '{') == NULL ? text : text + strcspn(text, "\n"));
			if (*text == '\0')
				return;
			text++;
			continue;
		} else if (line[0] != '#' && end > 0) {
			char *comma = strrchr(line, ',');

			if (comma != NULL) {
				*comma = '\0';
				take_rule(profile, line);
			}
		}
		text += length;
		text += *text == '\n';
	}
}

/* "profile NAME /path flags=(complain) {", "/path {": whether the profile that this line opens is attached to `program`. */
static bool is_attached(const char *line, const char *program)
{
	char copy[1024];
	char *state = NULL;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok_r(copy, " \t\"", &state); word != NULL; word = strtok_r(NULL, " \t\"", &state)) {
		if (strncmp(word, "flags", 5) == 0 || strcmp(word, "{") == 0)
			break;
		if ((word[0] == '/' || word[0] == '@' || word[0] == '{') && tg_apparmor_matches(word, program))
			return true;
	}
	return false;
}

static bool is_granted(const struct question *question)
{
	for (const char *letter = question->wanted; *letter != '\0'; letter++)
		if (strchr(question->granted, *letter) == NULL)
			return false;
	return !question->denied;
}

static void report_profile(const struct profile *profile, const char *name, struct tg_findings *findings)
{
	const struct question *keeper = &profile->questions[1];
	/* unless it leaves the profile, the keeper reads the files under it */
	const bool inherits = is_granted(keeper) && strpbrk(keeper->granted, "uUpPcC") == NULL;
	bool all = true;

	for (size_t i = 0; i < sizeof(profile->questions) / sizeof(profile->questions[0]); i++) {
		const struct question *question = &profile->questions[i];
		const char *access = question == keeper ? "Ux" : question->wanted;

		if (is_granted(question) || (i == 2 && !inherits))
			continue;
		all = false;
		tg_findings_add(
		    findings, TG_LIMIT, "apparmor", "AppArmor profile %s%s%s: add `%s %s,` to " FOLDER "/local/%s", name,
		    question->denied ? " denies " : " has no rule for ", question->path, question->path, access, name);
	}
	if (all)
		tg_findings_add(findings, TG_FACT, "apparmor", "AppArmor profile %s permits the shim's files", name);
}

static bool exists(const char *root, const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s" FOLDER "/%s/%s", root, folder, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

static void judge_block(const char *root, const char *name, const char *header, const char *rules,
			const struct tg_parts *parts, struct tg_findings *findings)
{
	struct profile profile = {
	    .root = root,
	    .questions = {{.path = parts->shim, .wanted = "mr"},
			  {.path = parts->keeper, .wanted = "x"},
			  {.path = parts->config, .wanted = "r"}},
	};

	if (exists(root, "disable", name)) {
		tg_findings_add(findings, TG_FACT, "apparmor", "AppArmor profile %s is disabled", name);
		return;
	}
	if (strstr(header, "complain") != NULL || exists(root, "force-complain", name)) {
		tg_findings_add(findings, TG_FACT, "apparmor", "AppArmor profile %s only complains", name);
		return;
	}
	take_rules(&profile, rules, 0);
	report_profile(&profile, name, findings);
}

static void judge_file(const char *root, const char *name, const char *program, const struct tg_parts *parts,
		       struct tg_findings *findings)
{
	char path[PATH_MAX];
	char *text;

	if (snprintf(path, sizeof(path), "%s" FOLDER "/%s", root, name) >= (int)sizeof(path))
		return;
	text = read_all(path);
	for (char *line = text; line != NULL && *line != '\0';) {
		const size_t length = strcspn(line, "\n");
		char *next = line + length + (line[length] == '\n');
		char header[1024];
		size_t end;

		snprintf(header, sizeof(header), "%.*s", (int)length, line + strspn(line, " \t"));
		header[strcspn(header, "\n")] = '\0';
		end = strlen(header);
		while (end > 0 && isspace((unsigned char)header[end - 1]))
			header[--end] = '\0';
		if (header[0] != '#' && end > 0 && header[end - 1] == '{') {
			char *stop = next + (block_end(next) - next);
			const char kept = *stop;

			*stop = '\0';
			if (is_attached(header, program))
				judge_block(root, name, header, next, parts, findings);
			*stop = kept;
			next = stop + (kept == '}');
		}
		line = next;
	}
	free(text);
}

void tg_apparmor_judge(const char *root, const char *program, const struct tg_parts *parts, struct tg_findings *findings)
{
	char path[PATH_MAX];
	struct dirent **entries;
	int count;

	if (snprintf(path, sizeof(path), "%s" FOLDER, root) >= (int)sizeof(path))
		return;
	count = scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.' && entries[i]->d_type != DT_DIR)
			judge_file(root, entries[i]->d_name, program, parts, findings);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}
