/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/facts.h"
#include "cli/text.h"
#include "keeper/escape.h"
#include "keeper/users.h"
#include "keeper/verdict.h"
#include "loader/identity.h"
#include "loader/messages.h"
#include "tlsgraft/loader.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_WARNINGS 1

static const char usage[] = "usage: tlsgraft check [--user NAME] [FILE] [--json]\n"
			    "\n"
			    "Validates everything that a start or a reload would, and prints what would be served where.\n"
			    "--user NAME: a user of the server, as for `run`: the keys may be readable by NAME.\n"
			    "FILE: the INI file; else $TLSGRAFT_CONFIG, else " TG_DEFAULT_CONFIG "\n"
			    "\n"
			    "Exit status: 0 good; 1 warnings only; 78 unusable.\n";

struct findings {
	cJSON *errors;
	cJSON *warnings;
	cJSON *notes;
	cJSON *read;
};

static void add_finding(cJSON *list, const char *text)
{
	char *safe = tg_escape_new(text);

	if (safe != NULL)
		cJSON_AddItemToArray(list, cJSON_CreateString(safe));
	free(safe);
}

static void take_messages(const struct findings *findings, const tlsgraft_messages *messages)
{
	for (size_t i = 0; messages != NULL && i < tlsgraft_messages_count(messages); i++)
		add_finding(tlsgraft_messages_severity(messages, i) == TLSGRAFT_WARNING ? findings->warnings
											: findings->errors,
			    tlsgraft_messages_text(messages, i));
	for (size_t i = 0; messages != NULL && i < tg_notes_count(messages); i++)
		add_finding(findings->notes, tg_notes_text(messages, i));
	for (size_t i = 0; messages != NULL && i < tg_reads_count(messages); i++)
		add_finding(findings->read, tg_reads_text(messages, i));
}

static void check_users(const struct findings *findings, const char *config, const char *user,
			const tlsgraft_identity *identity)
{
	uid_t ids[TG_USERS_MAX];
	const char *bad = NULL;
	char *text;
	const int count = tg_users_resolve(tg_identity_settings(identity), user, ids, &bad);

	if (count < 0 && asprintf(&text, "%s: [tlsgraft] user: \"%s\": %s", config, bad,
				  count == -ENOENT ? "no such user" : strerror(-count)) >= 0) {
		add_finding(findings->errors, text);
		free(text);
	}
}

static void print_certificate(const cJSON *certificate)
{
	const char *names = tg_text_string(certificate, "names");

	printf("  %s  %s%s%s%s\n", tg_text_string(certificate, "key_type"), tg_text_string(certificate, "subject"),
	       names[0] == '\0' ? "" : " (", names, names[0] == '\0' ? "" : ")");
	printf("    serial %s, until %s (%.0f days), chain of %.0f\n", tg_text_string(certificate, "serial"),
	       tg_text_string(certificate, "not_after"), tg_text_number(certificate, "days_left"),
	       tg_text_number(certificate, "chain"));
}

static void print_list(const char *before, const cJSON *list)
{
	const cJSON *entry;

	for (entry = tg_json_first(list); entry != NULL; entry = entry->next) {
		printf("%s%s", before, entry->valuestring == NULL ? "" : entry->valuestring);
		before = ", ";
	}
}

/* No warning: whether clients need it cannot be known from the file. */
static void print_alpn(const cJSON *section)
{
	const cJSON *protocols = cJSON_GetObjectItemCaseSensitive(section, "alpn");

	if (cJSON_GetArraySize(protocols) == 0) {
		puts("  no protocol is agreed on (ALPN): if the server speaks HTTP/2 or gRPC, clients need 'alpn = h2'");
		return;
	}
	print_list("  protocols agreed on (ALPN): ", protocols);
	puts(strcmp(tg_text_string(section, "alpn_required"), "yes") == 0 ? "; who offers none of them is refused" : "");
}

static void print_plaintext(const cJSON *section)
{
	const cJSON *keys = cJSON_GetObjectItemCaseSensitive(section, "plaintext");

	if (!cJSON_IsObject(keys))
		return;
	if (strcmp(tg_text_string(section, "mode"), "off") == 0) {
		puts("  the server speaks plaintext, and so do its clients: passed through");
		return;
	}
	printf("  the server speaks plaintext: TLS is spoken for it, engine %s, handshakes within %.0f s\n",
	       tg_text_string(keys, "engine"), tg_text_number(keys, "handshake_timeout"));
	print_alpn(section);
	if (strcmp(tg_text_string(keys, "proxy_protocol"), "off") != 0)
		printf("  the server is sent a PROXY protocol header, %s\n", tg_text_string(keys, "proxy_protocol"));
	if (strcmp(tg_text_string(keys, "accept_plaintext"), "yes") != 0)
		return;
	fputs("  clients are let in without TLS and without a certificate, too (accept_plaintext)", stdout);
	if (tg_text_number(keys, "plaintext_wait") > 0)
		printf(": also who says nothing for %.0f ms", tg_text_number(keys, "plaintext_wait"));
	putchar('\n');
}

static void print_section(const cJSON *section)
{
	const cJSON *entry;

	printf("[%s] %s", tg_text_string(section, "name"), tg_text_string(section, "mode"));
	print_list(" on ", cJSON_GetObjectItemCaseSensitive(section, "listen"));
	print_list(" for ", cJSON_GetObjectItemCaseSensitive(section, "names"));
	putchar('\n');
	print_plaintext(section);
	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(section, "certificates")); entry != NULL;
	     entry = entry->next)
		print_certificate(entry);
	if (tg_text_number(section, "cas") > 0)
		printf("  clients of %.0f CAs", tg_text_number(section, "cas"));
	if (tg_text_number(section, "allow") > 0)
		printf(", %.0f allow rules", tg_text_number(section, "allow"));
	if (tg_text_number(section, "cas") > 0)
		putchar('\n');
	if (tg_text_number(section, "max_session_age") > 0)
		printf("  sessions resume for %.0f s after their full handshake\n",
		       tg_text_number(section, "max_session_age"));
	if (strcmp(tg_text_string(section, "recheck"), "no") != 0)
		printf("  live connections are judged again by each %s\n", tg_text_string(section, "recheck"));
	for (entry = tg_json_first(cJSON_GetObjectItemCaseSensitive(section, "crls")); entry != NULL; entry = entry->next) {
		const char *next = tg_text_string(entry, "next_update");

		printf("  CRL of %s: %.0f days old, %s%s\n", tg_text_string(entry, "issuer"),
		       tg_text_number(entry, "age_days"), next[0] == '\0' ? "never goes stale" : "next ", next);
	}
}

static void print_text(const struct findings *findings, const cJSON *sections)
{
	const cJSON *entry;

	for (entry = tg_json_first(findings->errors); entry != NULL; entry = entry->next)
		tg_complain("%s", entry->valuestring);
	for (entry = tg_json_first(findings->warnings); entry != NULL; entry = entry->next)
		tg_complain("warning: %s", entry->valuestring);
	for (entry = tg_json_first(sections); entry != NULL; entry = entry->next)
		print_section(entry);
	for (entry = tg_json_first(findings->read); entry != NULL; entry = entry->next)
		printf("%s\n", entry->valuestring);
	for (entry = tg_json_first(findings->notes); entry != NULL; entry = entry->next)
		printf("%s\n", entry->valuestring);
}

static void print_json(cJSON *object)
{
	char *text = cJSON_Print(object);

	if (text != NULL)
		puts(text);
	free(text);
}

static void take_notes(cJSON *list, const tlsgraft_identity *identity)
{
	for (size_t i = 0; identity != NULL && i < tg_identity_note_count(identity); i++)
		add_finding(list, tg_identity_note(identity, i));
}

static int check(const char *config, const char *user, bool json)
{
	tlsgraft_identity *identity = NULL;
	tlsgraft_messages *messages = NULL;
	cJSON *object = cJSON_CreateObject();
	struct findings findings;
	cJSON *sections = NULL;
	int status = 0;

	cJSON_AddStringToObject(object, "config", config);
	findings.errors = cJSON_AddArrayToObject(object, "errors");
	findings.warnings = cJSON_AddArrayToObject(object, "warnings");
	findings.notes = cJSON_AddArrayToObject(object, "notes");
	findings.read = cJSON_AddArrayToObject(object, "read");
	switch (tg_load_for(user, config, NULL, &identity, &messages)) {
	case TLSGRAFT_OK:
		check_users(&findings, config, user, identity);
		break;
	case TLSGRAFT_NO_MEMORY:
		add_finding(findings.errors, "out of memory");
		break;
	default:
		status = TG_EXIT_BAD_FILE;
	}
	take_messages(&findings, messages);
	take_notes(findings.notes, identity);
	if (cJSON_GetArraySize(findings.errors) > 0)
		status = TG_EXIT_BAD_FILE;
	else if (status == 0 && cJSON_GetArraySize(findings.warnings) > 0)
		status = EXIT_WARNINGS;
	if (identity != NULL && status != TG_EXIT_BAD_FILE)
		sections = tg_facts_json(identity);
	cJSON_AddStringToObject(object, "verdict",
				status == 0               ? "good"
				: status == EXIT_WARNINGS ? "warnings"
							  : "unusable");
	cJSON_AddItemToObject(object, "sections", sections == NULL ? cJSON_CreateArray() : sections);
	if (json)
		print_json(object);
	else
		print_text(&findings, cJSON_GetObjectItemCaseSensitive(object, "sections"));
	cJSON_Delete(object);
	tlsgraft_identity_unref(identity);
	tlsgraft_messages_free(messages);
	return status;
}

int tg_command_check(int argc, char **argv)
{
	const char *file = NULL;
	const char *user = NULL;
	bool json = false;

	if (tg_answered(argc, argv, usage))
		return 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--user") == 0 && i + 1 < argc)
			user = argv[++i];
		else if (argv[i][0] == '-')
			return tg_usage_error("check", "%s: no such option", argv[i]);
		else if (file != NULL)
			return tg_usage_error("check", "one file at a time");
		else
			file = argv[i];
	}
	return check(file == NULL ? tg_default_config() : file, user, json);
}
