/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/findings.h"

#include "cli/cli.h"
#include "keeper/escape.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_LIMITS 1

static const struct {
	const char *name;
	const char *before; /* of a line for people */
} kinds[] = {
    [TG_FACT] = {"fact", "  "},          [TG_NEEDS] = {"needs", "  needs: "}, [TG_DROP_IN] = {"drop_in", "    | "},
    [TG_LIMIT] = {"limit", "  limit: "}, [TG_NO] = {"no", "  no: "},
};

/* A judgement that lost its "no" would be a lie. */
static void out_of_memory(enum tg_finding_kind kind)
{
	if (kind != TG_LIMIT && kind != TG_NO)
		return;
	tg_complain("out of memory");
	exit(TG_EXIT_CANNOT);
}

static bool append(struct tg_findings *findings, const struct tg_finding *finding)
{
	struct tg_finding *grown = reallocarray(findings->items, findings->count + 1, sizeof(*grown));

	if (grown == NULL)
		return false;
	findings->items = grown;
	grown[findings->count++] = *finding;
	return true;
}

void tg_findings_add(struct tg_findings *findings, enum tg_finding_kind kind, const char *about, const char *format, ...)
{
	struct tg_finding finding = {.kind = kind, .about = about};
	char *text = NULL;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		text = NULL;
	finding.text = text == NULL ? NULL : tg_escape_new(text);
	free(text);
	if (finding.text == NULL || !append(findings, &finding)) {
		free(finding.text);
		out_of_memory(kind);
	}
}

void tg_findings_move(struct tg_findings *findings, struct tg_findings *from)
{
	for (size_t i = 0; i < from->count; i++) {
		if (!append(findings, &from->items[i])) {
			free(from->items[i].text);
			out_of_memory(from->items[i].kind);
		}
	}
	free(from->items);
	*from = (struct tg_findings){0};
}

void tg_findings_free(struct tg_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free(findings->items[i].text);
	free(findings->items);
	*findings = (struct tg_findings){0};
}

size_t tg_findings_count(const struct tg_findings *findings, enum tg_finding_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < findings->count; i++)
		count += findings->items[i].kind == kind;
	return count;
}

int tg_findings_status(const struct tg_findings *findings)
{
	if (tg_findings_count(findings, TG_NO) > 0)
		return TG_EXIT_CANNOT;
	return tg_findings_count(findings, TG_LIMIT) > 0 ? EXIT_LIMITS : 0;
}

void tg_findings_print(const struct tg_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		printf("%s%s\n", kinds[findings->items[i].kind].before, findings->items[i].text);
}

cJSON *tg_findings_json(const struct tg_findings *findings)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < findings->count; i++) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "kind", kinds[findings->items[i].kind].name);
		cJSON_AddStringToObject(object, "about", findings->items[i].about);
		cJSON_AddStringToObject(object, "text", findings->items[i].text);
		cJSON_AddItemToArray(list, object);
	}
	return list;
}
