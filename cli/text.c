/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include "ipc/refusal.h"
#include "keeper/escape.h"
#include "keeper/status.h"
#include "keeper/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tg_text_clean(cJSON *answer)
{
	/* the parser bounds the depth (CJSON_NESTING_LIMIT) */
	for (cJSON *entry = answer; entry != NULL; entry = entry->next) {
		char *safe = cJSON_IsString(entry) ? tg_escape_new(entry->valuestring) : NULL;

		if (cJSON_IsString(entry) && (safe == NULL || cJSON_SetValuestring(entry, safe) == NULL))
			entry->valuestring[0] = '\0';
		free(safe);
		if (entry->string != NULL) {
			safe = tg_escape_new(entry->string);
			if (safe == NULL || strcmp(safe, entry->string) != 0)
				entry->string[0] = '\0';
			free(safe);
		}
		tg_text_clean(entry->child);
	}
}

const char *tg_text_string(const cJSON *object, const char *name)
{
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return value == NULL ? "" : value;
}

double tg_text_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const cJSON *item(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

static void print_certificate(const cJSON *certificate)
{
	printf("    %s  %s\n", tg_text_string(certificate, "key_type"), tg_text_string(certificate, "subject"));
	printf("      serial %s, until %s (%.0f days)\n", tg_text_string(certificate, "serial"),
	       tg_text_string(certificate, "not_after"), tg_text_number(certificate, "days_left"));
	printf("      sha256 %s\n", tg_text_string(certificate, "sha256"));
}

static void print_crl(const cJSON *crl)
{
	const char *next = tg_text_string(crl, "next_update");

	printf("    CRL of %s, %s%s%s\n", tg_text_string(crl, "issuer"), next[0] == '\0' ? "never goes stale" : "next ",
	       next,
	       cJSON_IsTrue(item(crl, "stale"))       ? ": STALE, the clients of this CA are refused"
	       : cJSON_IsTrue(item(crl, "ends_soon")) ? ": goes stale soon"
						      : "");
}

static void print_handshakes(const cJSON *section)
{
	const cJSON *handshakes = item(section, "handshakes");
	const cJSON *reason;
	const char *separator = " (";

	printf("    handshakes: %.0f accepted (%.0f resumed), %.0f refused", tg_text_number(handshakes, "accepted"),
	       tg_text_number(handshakes, "resumed"), tg_text_number(handshakes, "refused"));
	for (reason = tg_json_first(item(section, "refused_by")); reason != NULL; reason = reason->next) {
		if (!cJSON_IsNumber(reason) || reason->valuedouble <= 0 || reason->string == NULL)
			continue;
		printf("%s%s %.0f", separator, reason->string, reason->valuedouble);
		separator = ", ";
	}
	printf("%s, %.0f aborted\n", strcmp(separator, ", ") == 0 ? ")" : "", tg_text_number(handshakes, "aborted"));
}

/* What each reason means, and what to do: as in the manual. */
static void print_reasons(const cJSON *refused_by)
{
	for (const cJSON *reason = tg_json_first(refused_by); reason != NULL; reason = reason->next) {
		const struct tg_refusal_text *text = reason->string == NULL ? NULL : tg_refusal_named(reason->string);

		if (text != NULL && cJSON_IsNumber(reason) && reason->valuedouble > 0)
			printf("      %s: %s. %s.\n", text->name, text->meaning, text->advice);
	}
}

static enum tg_engine engine_of(const cJSON *plaintext)
{
	const char *word = tg_text_string(plaintext, "engine");

	return strcmp(word, "direct") == 0  ? TG_ENGINE_DIRECT
	       : strcmp(word, "relay") == 0 ? TG_ENGINE_RELAY
					    : TG_ENGINE_AUTO;
}

/* Of a listener whose server speaks plaintext. */
static void print_plaintext(const cJSON *plaintext)
{
	const char *last = tg_text_string(plaintext, "last");
	const char *advice;

	if (!cJSON_IsObject(plaintext))
		return;
	advice = tg_status_unserved(engine_of(plaintext), cJSON_IsTrue(item(plaintext, "needs_relay")),
				    tg_text_number(plaintext, "closed") > 0);
	printf("    the server speaks plaintext, engine %s: %.0f connections direct, %.0f relayed, %.0f closed, %.0f timed "
	       "out\n",
	       tg_text_string(plaintext, "engine"), tg_text_number(plaintext, "direct"),
	       tg_text_number(plaintext, "relayed"), tg_text_number(plaintext, "closed"),
	       tg_text_number(plaintext, "timed_out"));
	if (advice != NULL)
		printf("    %s\n", advice);
	/* those of a migration that is over still count */
	if (strcmp(tg_text_string(plaintext, "accept_plaintext"), "yes") == 0 || tg_text_number(plaintext, "clients") > 0)
		printf("    clients in plaintext: accepted %s, %.0f so far%s%s\n",
		       strcmp(tg_text_string(plaintext, "accept_plaintext"), "yes") == 0 ? "too" : "no more",
		       tg_text_number(plaintext, "clients"), last[0] == '\0' ? "" : ", the last at ", last);
}

/* Clients that need a protocol agreed on end the connection by themselves where none is. */
static void print_alpn(const cJSON *alpn)
{
	const cJSON *entry;
	const char *separator = "    protocols agreed on (ALPN): ";

	for (entry = tg_json_first(item(alpn, "protocols")); entry != NULL; entry = entry->next) {
		const char *name = cJSON_GetStringValue(entry);

		printf("%s%s", separator, name == NULL ? "" : name);
		separator = ", ";
	}
	if (strcmp(separator, ", ") == 0)
		puts(strcmp(tg_text_string(alpn, "required"), "yes") == 0 ? ", required" : "");
	if (tg_text_number(alpn, "unanswered") > 0)
		printf("    %.0f handshakes with offers of ALPN that this section does not answer: see alpn in "
		       "tlsgraft.ini(5)\n",
		       tg_text_number(alpn, "unanswered"));
}

static void print_section(const cJSON *section)
{
	const cJSON *listen = item(section, "listen");
	const cJSON *entry;
	const char *separator = " on ";

	printf("  [%s] %s", tg_text_string(section, "name"), tg_text_string(section, "mode"));
	for (entry = tg_json_first(listen); entry != NULL; entry = entry->next) {
		const char *address = cJSON_GetStringValue(entry);

		printf("%s%s", separator, address == NULL ? "" : address);
		separator = ", ";
	}
	putchar('\n');
	for (entry = tg_json_first(item(section, "certificates")); entry != NULL; entry = entry->next)
		print_certificate(entry);
	for (entry = tg_json_first(item(section, "crls")); entry != NULL; entry = entry->next)
		print_crl(entry);
	print_handshakes(section);
	print_reasons(item(section, "refused_by"));
	print_plaintext(item(section, "plaintext"));
	print_alpn(item(section, "alpn"));
}

static void print_unprotected(const cJSON *socket)
{
	if (cJSON_IsTrue(item(socket, "plaintext")))
		printf(
		    "  %s answers in plaintext: it listens on addresses that [%s] does not name; have the server listen on "
		    "the section's alone, or name them in it\n",
		    tg_text_string(socket, "listen"), tg_text_string(socket, "section"));
	else
		printf("  no section governs the listening socket %s\n", tg_text_string(socket, "listen"));
}

void tg_text_tree(const cJSON *tree)
{
	const cJSON *keeper = item(tree, "keeper");
	const cJSON *reload = item(tree, "reload");
	const cJSON *processes = item(tree, "processes");
	const cJSON *entry;

	printf("%s\n", tg_text_string(tree, "config"));
	if (cJSON_IsTrue(item(keeper, "alive")))
		printf("  keeper %.0f, generation %.0f\n", tg_text_number(keeper, "pid"),
		       tg_text_number(tree, "generation"));
	else
		printf("  keeper gone, generation %.0f\n", tg_text_number(tree, "generation"));
	if (tg_text_string(keeper, "relay_failure")[0] != '\0')
		printf("  no relay, so connections that need it are closed: %s\n", tg_text_string(keeper, "relay_failure"));
	printf("  last reload: %s at %s, %.1f ms: %s\n", tg_text_string(reload, "verdict"), tg_text_string(reload, "at"),
	       tg_text_number(reload, "took_ms"), tg_text_string(reload, "reason"));
	printf("  processes: %d\n", cJSON_GetArraySize(processes));
	for (entry = tg_json_first(processes); entry != NULL; entry = entry->next) {
		printf("    %.0f %s, generation %.0f\n", tg_text_number(entry, "pid"), tg_text_string(entry, "exe"),
		       tg_text_number(entry, "generation"));
	}
	for (entry = tg_json_first(item(tree, "sections")); entry != NULL; entry = entry->next)
		print_section(entry);
	for (entry = tg_json_first(item(tree, "ungoverned")); entry != NULL; entry = entry->next) {
		printf("  no section governs %s: %.0f handshakes\n", tg_text_string(entry, "listen"),
		       tg_text_number(entry, "handshakes"));
	}
	for (entry = tg_json_first(item(tree, "unmatched_sections")); entry != NULL; entry = entry->next) {
		const char *name = cJSON_GetStringValue(entry);

		printf("  [%s] matches no listening socket\n", name == NULL ? "" : name);
	}
	for (entry = tg_json_first(item(tree, "unprotected")); entry != NULL; entry = entry->next)
		print_unprotected(entry);
}

bool tg_text_is_bad(const cJSON *tree)
{
	const double warn_days = tg_text_number(tree, "warn_days");
	const cJSON *section;
	const cJSON *certificate;
	const cJSON *crl;
	const cJSON *socket;

	if (strcmp(tg_text_string(item(tree, "reload"), "verdict"), "refused") == 0 ||
	    cJSON_GetArraySize(item(tree, "unmatched_sections")) > 0 ||
	    tg_text_string(item(tree, "keeper"), "relay_failure")[0] != '\0')
		return true;
	for (socket = tg_json_first(item(tree, "unprotected")); socket != NULL; socket = socket->next)
		if (cJSON_IsTrue(item(socket, "plaintext")))
			return true;
	for (section = tg_json_first(item(tree, "sections")); section != NULL; section = section->next) {
		/* clients of such a server are closed, or its calls fail */
		if (engine_of(item(section, "plaintext")) == TG_ENGINE_DIRECT &&
		    cJSON_IsTrue(item(item(section, "plaintext"), "needs_relay")))
			return true;
		for (certificate = tg_json_first(item(section, "certificates")); certificate != NULL;
		     certificate = certificate->next) {
			if (tg_text_number(certificate, "days_left") <= warn_days)
				return true;
		}
		for (crl = tg_json_first(item(section, "crls")); crl != NULL; crl = crl->next)
			if (cJSON_IsTrue(item(crl, "stale")) || cJSON_IsTrue(item(crl, "ends_soon")))
				return true;
	}
	return false;
}
