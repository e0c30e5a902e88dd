/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlsgraft-docs --man-options | --man-hooks | --man-refusals | --sample: what the documentation says of the INI keys,
 * printed from the option table that the parser uses, and of the hooks, from the list that the shim is built from. Their
 * output is committed (docs/man/tlsgraft.ini.5, docs/man/libtlsgraft.7, examples/tlsgraft.ini); a test compares the two.
 */
#include "ipc/refusal.h"
#include "loader/options.h"

#include <stdio.h>
#include <string.h>

#define COMMENT_WIDTH 96 /* columns; the reader takes lines of at most 198 bytes */

struct group {
	unsigned sections;
	bool plaintext;      /* those of its keys that count only with server_speaks = plaintext; else the others */
	const char *heading; /* of the manual page */
	const char *sample;  /* the section line of the sample file; NULL: they go on in the one before */
	const char *comment; /* above it */
	bool commented;      /* the sample file works without this section */
};

static const struct group groups[] = {
    {TG_SECTION_TLSGRAFT, false, "Keys of [tlsgraft]", "[tlsgraft]", "This process tree.", false},
    {TG_SECTIONS_POLICY, false, "Keys of [server], [listener NAME] and [sni NAME]", "[server]",
     "The policy of every TLS connection that the tree accepts and no listener matches, and what every listener starts "
     "from. "
     "Each of these keys may also stand in a [listener NAME] and in an [sni NAME].",
     false},
    {TG_SECTION_LISTENER, false, "Keys of [listener NAME] alone", "[listener api]",
     "The connections to some addresses; repeatable, each with a name of its own. What is not set here is as in [server].",
     true},
    {TG_SECTION_LISTENER, true, "Keys of [listener NAME] with server_speaks = plaintext", NULL,
     "Of a listener with server_speaks = plaintext alone:", true},
    {TG_SECTION_LISTENER | TG_SECTION_SNI, true,
     "Keys of [listener NAME] with server_speaks = plaintext and of [sni NAME] below it", NULL,
     "Of such a listener, and of an [sni NAME] below it:", true},
    {TG_SECTION_SNI, false, "Keys of [sni NAME] alone", "[sni shop]",
     "The connections that ask for some host names; repeatable, each with a name of its own. What is not set here is as in "
     "the "
     "listener that the connection came to.",
     true},
};

/* Without these no server is protected; every other line of the sample file is a comment. */
static const enum tg_option_id active[] = {TG_OPT_MODE, TG_OPT_CERT, TG_OPT_KEY, TG_OPT_CA};

static bool is_active(const struct tg_option *option)
{
	for (size_t i = 0; i < sizeof(active) / sizeof(active[0]); i++)
		if (active[i] == option->id)
			return true;
	return false;
}

/* "a | b | c" without what this version refuses, or with that alone; returns how many words there were. */
static size_t print_choices(const struct tg_option *option, bool later, const char *before, const char *separator)
{
	size_t count = 0;

	for (const struct tg_choice *choice = option->choices; choice->word; choice++)
		if (choice->later == later)
			printf("%s%s", count++ == 0 ? before : separator, choice->word);
	return count;
}

/* What may stand behind the "=", as the manual page shows it. */
static void print_man_value(const struct tg_option *option)
{
	static const char *const words[] = {
	    [TG_TYPE_FILE] = "Ar FILE",
	    [TG_TYPE_PROGRAM] = "Ar PROGRAM",
	    [TG_TYPE_USER] = "Ar USER",
	    [TG_TYPE_RULE] = "Ar RULE",
	    [TG_TYPE_ADDRESS] = "Ar ADDRESS",
	    [TG_TYPE_HOSTNAMES] = "Ar NAME , ...",
	    [TG_TYPE_PROTOCOLS] = "Ar PROTOCOL , ...",
	    [TG_TYPE_REFERENCE] = "Ar NAME",
	    [TG_TYPE_TEXT] = "Ar LIST",
	    [TG_TYPE_LOG] = "Cm stderr | syslog | Ar FILE",
	};

	if (option->type == TG_TYPE_CHOICE)
		print_choices(option, false, "Cm ", " | ");
	else if (option->type == TG_TYPE_NUMBER)
		printf("Ar %d ... %d", option->minimum, option->maximum);
	else
		fputs(words[option->type], stdout);
}

/* A hyphen that is typed is not the hyphen of prose (groff_char(7)). */
static void print_man_text(const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
	}
}

static void print_man_option(const struct tg_option *option)
{
	printf(".It Ic %s No = ", option->key);
	print_man_value(option);
	/* the help begins with a lower-case letter or a value, so no roff request comes of it */
	fputs("\n", stdout);
	print_man_text(option->help);
	fputs(".\n", stdout);
	if (option->choices && print_choices(option, true, "Not in this version: ", ", ") > 0)
		fputs(".\n", stdout);
	if (option->repeatable)
		fputs("Repeatable.\n", stdout);
	if (option->default_value) {
		fputs("Default: ", stdout);
		print_man_text(option->default_value);
		fputs(".\n", stdout);
	}
}

static bool belongs(const struct tg_option *option, const struct group *group)
{
	return option->sections == group->sections && option->plaintext == group->plaintext;
}

static void print_man_list(const struct group *group)
{
	fputs(".Bl -tag -width Ds\n", stdout);
	for (size_t i = 0; i < tg_options_count(); i++) {
		const struct tg_option *option = tg_options_get(i);

		if (belongs(option, group))
			print_man_option(option);
	}
	fputs(".El\n", stdout);
}

static void print_man_options(void)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		printf(".Ss %s\n", groups[i].heading);
		print_man_list(&groups[i]);
	}
}

/* Text as comment lines, broken at spaces. */
static void print_comment(const char *text)
{
	while (*text) {
		size_t length = strlen(text);

		if (length > COMMENT_WIDTH) {
			length = COMMENT_WIDTH;
			while (length > 0 && text[length] != ' ')
				length--;
			if (length == 0)
				length = strcspn(text, " ");
		}
		printf("; %.*s\n", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
}

/* What the table knows of the value beside its help, in one line. */
static void print_sample_facts(const struct tg_option *option)
{
	bool any = option->choices || option->type == TG_TYPE_NUMBER;

	if (option->choices)
		print_choices(option, false, "; one of: ", " | ");
	else if (any)
		printf("; from %d to %d", option->minimum, option->maximum);
	if (option->repeatable || option->default_value)
		printf("; %s", option->repeatable ? "repeatable" : "default:");
	if (any || option->repeatable || option->default_value)
		putchar('\n');
}

static void print_sample_option(const struct tg_option *option)
{
	putchar('\n');
	print_comment(option->help);
	print_sample_facts(option);
	printf("%s%s = %s\n", is_active(option) ? "" : ";", option->key,
	       option->default_value ? option->default_value : option->example);
}

static void print_sample(void)
{
	print_comment(
	    "tlsgraft.ini: every key, with its default or an example; tlsgraft.ini(5) has the rules. Printed from the "
	    "option table by tlsgraft-docs: do not edit. Lines that begin with a semicolon are comments; what is "
	    "needed for mutual TLS is not. Relative file names begin in this file's folder.");
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		putchar('\n');
		print_comment(groups[i].comment);
		if (groups[i].sample)
			printf("%s%s\n", groups[i].commented ? ";" : "", groups[i].sample);
		for (size_t k = 0; k < tg_options_count(); k++) {
			const struct tg_option *option = tg_options_get(k);

			if (belongs(option, &groups[i]))
				print_sample_option(option);
		}
	}
}

static void print_man_refusals(void)
{
	puts(".Bl -tag -width Ds");
	for (unsigned i = 0; i < TG_REFUSAL_COUNT; i++) {
		const struct tg_refusal_text *text = tg_refusal_text(tg_refusal_shown(i));

		printf(".It Cm %s\n", text->name);
		print_man_text(text->meaning);
		puts(".");
		print_man_text(text->advice);
		puts(".");
	}
	puts(".El");
}

/* Two columns; hooks.def has the order. */
static void print_man_hooks(void)
{
	static const char *const names[] = {
#define TG_HOOK(library, name) #name,
#include "shim/binding/hooks.def"
#undef TG_HOOK
	};
	const size_t count = sizeof(names) / sizeof(names[0]), rows = (count + 1) / 2;

	puts(".Bl -column \"SSL_set_psk_find_session_callback\" \"x\"");
	for (size_t i = 0; i < rows; i++) {
		if (i + rows < count)
			printf(".It %s Ta %s\n", names[i], names[i + rows]);
		else
			printf(".It %s\n", names[i]);
	}
	puts(".El");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--man-options") == 0) {
		print_man_options();
	} else if (argc == 2 && strcmp(argv[1], "--sample") == 0) {
		print_sample();
	} else if (argc == 2 && strcmp(argv[1], "--man-hooks") == 0) {
		print_man_hooks();
	} else if (argc == 2 && strcmp(argv[1], "--man-refusals") == 0) {
		print_man_refusals();
	} else {
		fputs("usage: tlsgraft-docs --man-options | --man-hooks | --man-refusals | --sample\n", stderr);
		return 64;
	}
	return fflush(stdout) == 0 ? 0 : 70;
}
