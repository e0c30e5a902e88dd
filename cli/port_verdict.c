/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/port_verdict.h"

#include "cli/servers.h"
#include "cli/text.h"
#include "keeper/verdict.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WHERE_SIZE 512

static const cJSON *section_named(const cJSON *sections, const char *name)
{
	const cJSON *section;

	for (section = tg_json_first(sections); section != NULL; section = section->next)
		if (strcmp(tg_text_string(section, "name"), name) == 0)
			return section;
	return NULL;
}

static bool section_serves(const cJSON *section, const char *sha256)
{
	const cJSON *certificate;

	for (certificate = tg_json_first(cJSON_GetObjectItemCaseSensitive(section, "certificates")); certificate != NULL;
	     certificate = certificate->next)
		if (strcmp(tg_text_string(certificate, "sha256"), sha256) == 0)
			return true;
	return false;
}

/* The section whose certificate this is; NULL: none, it is not ours. */
static const cJSON *owner_of(const cJSON *sections, const char *sha256)
{
	const cJSON *section;

	for (section = tg_json_first(sections); section != NULL; section = section->next)
		if (section_serves(section, sha256))
			return section;
	return NULL;
}

/* How the client without a certificate fared, against the mode. */
static void judge_demand(const struct tg_tls_answer *answer, const char *where, const char *mode, const char *ours,
			 struct tg_findings *findings)
{
	const bool mutual = strcmp(mode, "mutual") == 0;

	if (!answer->requests_certificate) {
		const bool should = mutual || strcmp(mode, "optional") == 0 || strcmp(mode, "observe") == 0;

		tg_findings_add(findings, should ? TG_NO : TG_FACT, "port", "%s: %s, asks for no client certificate%s%s",
				where, ours, should ? " although mode = " : "", should ? mode : "");
	} else if (answer->refused) {
		tg_findings_add(findings, TG_FACT, "port", "%s: %s, asks for a client certificate and refuses who has none",
				where, ours);
	} else if (mutual && answer->accepted) {
		tg_findings_add(findings, TG_NO, "port",
				"%s: %s, asks for a client certificate and goes on without one although mode = mutual",
				where, ours);
	} else if (mutual) {
		tg_findings_add(
		    findings, TG_LIMIT, "port",
		    "%s: %s, asks for a client certificate and did not say in time what becomes of who has none", where,
		    ours);
	} else {
		tg_findings_add(findings, TG_FACT, "port", "%s: %s, asks for a client certificate", where, ours);
	}
}

static void judge_served(const struct tg_tls_answer *answer, const char *where, const struct tg_expected *expected,
			 const cJSON *sections, struct tg_findings *findings)
{
	const cJSON *owner = owner_of(sections, answer->sha256);
	const cJSON *own = expected->section == NULL ? NULL : section_named(sections, expected->section);
	char ours[WHERE_SIZE];

	if (expected->section != NULL && strcmp(expected->mode, "off") == 0) {
		tg_findings_add(findings, TG_LIMIT, "port",
				"%s: exempted by mode = off: serves a certificate that is not ours: SHA-256 %s", where,
				answer->sha256);
	} else if (owner == NULL) {
		tg_findings_add(findings, expected->section != NULL ? TG_NO : TG_LIMIT, "port",
				"%s: serves a certificate that is not ours: SHA-256 %s", where, answer->sha256);
	} else if (own != NULL && section_serves(own, answer->sha256)) {
		snprintf(ours, sizeof(ours), "ours (SHA-256 %s)", answer->sha256);
		judge_demand(answer, where, expected->mode, ours, findings);
	} else {
		const char *name = tg_text_string(owner, "name");

		/* a server that hands libssl memory: the strictest section of all counts, which is not always this one's */
		if (expected->section != NULL)
			tg_findings_add(findings, TG_LIMIT, "port", "%s: serves the certificate of [%s] instead", where,
					name);
		snprintf(ours, sizeof(ours), "ours, of [%s] (SHA-256 %s)", name, answer->sha256);
		judge_demand(answer, where, tg_text_string(owner, "mode"), ours, findings);
	}
}

static void judge_tls(const struct tg_tls_answer *answer, const char *where, const struct tg_expected *expected,
		      const cJSON *sections, struct tg_findings *findings)
{
	switch (answer->kind) {
	case TG_TLS_SERVED:
		judge_served(answer, where, expected, sections, findings);
		break;
	case TG_TLS_ALERT:
		tg_findings_add(findings, TG_LIMIT, "port",
				"%s: refuses the handshake before it shows a certificate: alert %s", where,
				SSL_alert_desc_string_long(answer->alert));
		break;
	case TG_TLS_PLAIN:
		tg_findings_add(findings, TG_LIMIT, "port", "%s: answers a ClientHello in plaintext: \"%s\"", where,
				answer->sample);
		break;
	case TG_TLS_CLOSED:
		tg_findings_add(findings, TG_LIMIT, "port", "%s: hangs up on a ClientHello", where);
		break;
	case TG_TLS_SILENT:
		tg_findings_add(findings, TG_LIMIT, "port", "%s: does not answer a ClientHello in time", where);
		break;
	}
}

/* Where TLS is terminated for the server, no byte of its own may be seen but by accept_plaintext. */
static void judge_leak(const struct tg_port *port, const char *where, const struct tg_expected *expected,
		       struct tg_findings *findings)
{
	tg_findings_add(findings, expected->accepts ? TG_LIMIT : TG_NO, "port", "%s: answers plaintext: \"%s\"%s", where,
			port->answers.plain.sample,
			expected->accepts ? ": accept_plaintext lets such clients in"
					  : " although TLS is to be spoken for the server there");
}

static void judge_plain(const struct tg_port *port, const char *where, struct tg_findings *findings)
{
	const struct tg_plain_answer *plain = &port->answers.plain;
	const char *protocol = tg_protocol_name(plain->protocol);
	const char *remedy = plain->upgrades ? tg_server_protocol_switch(protocol) : NULL;

	switch (plain->open) {
	case TG_OPEN_NO:
		tg_findings_add(findings, TG_FACT, "port", "%s: begins in plaintext (%s) and goes on only in TLS", where,
				protocol);
		break;
	case TG_OPEN_YES:
		tg_findings_add(
		    findings, TG_LIMIT, "port", "%s: answers plaintext (%s): \"%s\"%s%s", where, protocol, plain->sample,
		    remedy == NULL ? "" : "; the server's own switch closes it: ", remedy == NULL ? "" : remedy);
		break;
	case TG_OPEN_UNKNOWN:
		tg_findings_add(
		    findings, TG_LIMIT, "port", "%s: begins in plaintext (%s); whether it goes on so cannot be told%s%s",
		    where, protocol,
		    remedy == NULL ? "" : "; the server's own switch closes it: ", remedy == NULL ? "" : remedy);
		break;
	}
}

static void report_where(const char *where, const struct tg_expected *expected, const char *name, char ret[WHERE_SIZE])
{
	if (!expected->known)
		snprintf(ret, WHERE_SIZE, "%s%s%s", where, name[0] ? " for " : "", name);
	else if (expected->section == NULL)
		snprintf(ret, WHERE_SIZE, "%s%s%s, governed by no section", where, name[0] ? " for " : "", name);
	else
		snprintf(ret, WHERE_SIZE, "%s%s%s, [%s] %s", where, name[0] ? " for " : "", name, expected->section,
			 expected->mode);
}

/* From the first byte on. */
static bool speaks_tls(const struct tg_port_answers *answers)
{
	return (answers->tls.kind == TG_TLS_SERVED && answers->tls.sha256[0] != '\0') || answers->tls.kind == TG_TLS_ALERT;
}

/* Of plaintext that no section has a say in: a mode would claim what does not hold. */
static const char *before_tls(const struct tg_port *port, const char *where, char ret[WHERE_SIZE])
{
	const bool tls = port->answers.upgraded || speaks_tls(&port->answers);

	snprintf(ret, WHERE_SIZE, "%s, %s", where, tls ? "before TLS" : "which no section governs");
	return ret;
}

void tg_port_judge(const struct tg_port *port, const char *where, const struct tg_expected *unnamed,
		   const struct tg_expected named[TG_PORT_NAMES], const cJSON *sections, struct tg_findings *findings)
{
	const struct tg_port_answers *answers = &port->answers;
	char text[WHERE_SIZE];
	char after[WHERE_SIZE];
	char before[WHERE_SIZE];

	if (sections == NULL)
		snprintf(text, sizeof(text), "%s", where);
	else
		report_where(where, unnamed, "", text);
	if (answers->error != 0) {
		tg_findings_add(findings, TG_LIMIT, "port", "%s: cannot be looked at: %s", text, strerror(answers->error));
		return;
	}
	if (answers->plain.sample[0] != '\0') {
		if (unnamed->terminated)
			judge_leak(port, text, unnamed, findings);
		else
			judge_plain(port, unnamed->section == NULL ? text : before_tls(port, where, before), findings);
		if (answers->upgraded) {
			snprintf(after, sizeof(after), "%.400s, TLS inside %s", text,
				 tg_protocol_name(answers->plain.protocol));
			judge_tls(&answers->inside, after, unnamed, sections, findings);
		}
		if (speaks_tls(answers))
			judge_tls(&answers->tls, text, unnamed, sections, findings);
	} else if (answers->tls.kind == TG_TLS_CLOSED || answers->tls.kind == TG_TLS_SILENT) {
		tg_findings_add(findings, TG_LIMIT, "port", "%s: answers neither TLS nor a known plaintext protocol", text);
	} else {
		judge_tls(&answers->tls, text, unnamed, sections, findings);
	}
	for (size_t i = 0; i < answers->named_count; i++) {
		/* said once for the port */
		if (strcmp(unnamed->mode, "off") == 0 && strcmp(named[i].mode, "off") == 0)
			continue;
		report_where(where, &named[i], port->names[i], text);
		judge_tls(&answers->named[i], text, &named[i], sections, findings);
	}
}
