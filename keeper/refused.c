/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/refused.h"

#include "ipc/refusal.h"
#include "keeper/listeners.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 1024 /* more than all parts of a line have */

struct look {
	struct tg_refused_log *log;
	const struct tg_document *document;
	int64_t now;
	tg_refused_write write;
};

static bool is_section(const struct tg_document *document, const char *name)
{
	for (size_t i = 0; i < document->policy_count; i++)
		if (strncmp(document->policies[i].section, name, TG_SECTION_NAME_SIZE - 1) == 0)
			return true;
	return false;
}

/* Forces what an attached process wrote to be an event; false where it is none. */
static bool admit(struct tg_event *event)
{
	if (event->kind != TG_EVENT_REFUSED || event->reason >= TG_REFUSAL_COUNT)
		return false;
	event->section[sizeof(event->section) - 1] = '\0';
	event->words[sizeof(event->words) - 1] = '\0';
	event->subject[sizeof(event->subject) - 1] = '\0';
	if (event->client.family != 4 && event->client.family != 6)
		event->client = (struct tg_event_address){0};
	if (event->client.family == 4)
		memset(event->client.bytes + 4, 0, sizeof(event->client.bytes) - 4);
	return true;
}

struct line {
	char text[LINE_SIZE];
	size_t size;
};

static __attribute__((format(printf, 2, 3))) void add(struct line *line, const char *format, ...)
{
	const size_t room = sizeof(line->text) - line->size;
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(line->text + line->size, room, format, arguments);
	va_end(arguments);
	line->size += size < 0 ? 0 : (size_t)size < room ? (size_t)size : room - 1;
}

static void add_client(struct line *line, const struct tg_event_address *client)
{
	struct tg_address address = {.family = (uint8_t)client->family, .port = client->port};
	char text[TG_ADDRESS_TEXT_SIZE];

	memcpy(address.bytes, client->bytes, sizeof(address.bytes));
	add(line, "%s", client->family == 0 ? "of an unknown address" : tg_address_text(&address, text));
}

static void add_why(struct line *line, const struct tg_event *event, const struct tg_document *document)
{
	if (is_section(document, event->section))
		add(line, " in [%s]", event->section);
	add(line, ": %s", tg_refusal_name((enum tg_refusal)event->reason));
	if (event->words[0] != '\0')
		add(line, ": %s", event->words);
	if (event->source == TG_EVENT_X509)
		add(line, event->depth < 0 ? " (error %u)" : " (error %u at depth %d)", event->code, event->depth);
	if (event->subject[0] != '\0')
		add(line, ", subject %s", event->subject);
}

/* `count` refusals were like the last one of `place`. */
static void log_refusal(const struct look *look, const struct tg_refused_entry *place, uint64_t count, bool is_others)
{
	struct line line = {.size = 0};

	add(&line, is_others ? "refused clients of many addresses, the last one " : "refused client ");
	add_client(&line, &place->last.client);
	add_why(&line, &place->last, look->document);
	if (count > 1 || is_others)
		add(&line, "; this line stands for %llu", (unsigned long long)count);
	look->write(line.text);
}

static bool is_like(const struct tg_event *a, const struct tg_event *b)
{
	return a->kind == b->kind && a->reason == b->reason && a->client.family == b->client.family &&
	       memcmp(a->client.bytes, b->client.bytes, sizeof(a->client.bytes)) == 0 &&
	       strcmp(a->section, b->section) == 0;
}

static void count_refusal(const struct tg_event *event, void *arg)
{
	const struct look *look = arg;
	struct tg_event admitted = *event;
	struct tg_refused_entry *free_place = NULL;

	if (!admit(&admitted))
		return;
	for (size_t i = 0; i < TG_REFUSED_ENTRIES; i++) {
		struct tg_refused_entry *place = &look->log->places[i];

		if (is_like(&place->last, &admitted)) {
			place->last = admitted;
			place->waiting++;
			return;
		}
		if (place->last.kind == TG_EVENT_NONE && free_place == NULL)
			free_place = place;
	}
	if (free_place != NULL) {
		*free_place = (struct tg_refused_entry){.last = admitted, .due = look->now + TG_REFUSED_PAUSE_MS};
		log_refusal(look, free_place, 1, false);
		return;
	}
	struct tg_refused_entry *others = &look->log->others[admitted.reason];
	if (others->waiting == 0)
		others->due = look->now + TG_REFUSED_PAUSE_MS;
	others->last = admitted;
	others->waiting++;
}

/* Of an address that stays away for the whole pause the place is free again. */
static void turn(const struct look *look, bool is_end)
{
	struct tg_refused_log *log = look->log;

	for (size_t i = 0; i < TG_REFUSED_ENTRIES; i++) {
		struct tg_refused_entry *place = &log->places[i];

		if (place->last.kind == TG_EVENT_NONE || (look->now < place->due && !is_end))
			continue;
		if (place->waiting == 0) {
			place->last.kind = TG_EVENT_NONE;
			continue;
		}
		log_refusal(look, place, place->waiting, false);
		place->waiting = 0;
		place->due = look->now + TG_REFUSED_PAUSE_MS;
	}
	for (size_t i = 0; i < TG_REFUSAL_COUNT; i++) {
		struct tg_refused_entry *others = &log->others[i];

		if (others->waiting == 0 || (look->now < others->due && !is_end))
			continue;
		log_refusal(look, others, others->waiting, true);
		others->waiting = 0;
	}
	if (log->lost > 0 && (look->now >= log->lost_due || is_end)) {
		struct line line = {.size = 0};

		add(&line, "refused clients, %llu more: too many at once to say who they were",
		    (unsigned long long)log->lost);
		look->write(line.text);
		log->lost = 0;
	}
}

void tg_refused_look(struct tg_refused_log *log, const struct tg_report_page *report, const struct tg_document *document,
		     int64_t now, tg_refused_write write)
{
	struct look look = {.log = log, .document = document, .now = now, .write = write};
	const uint64_t lost = tg_events_read(report, &log->reader, now, count_refusal, &look);

	if (lost > 0 && log->lost == 0)
		log->lost_due = now + TG_REFUSED_PAUSE_MS;
	log->lost += lost;
	turn(&look, false);
}

void tg_refused_end(struct tg_refused_log *log, const struct tg_document *document, tg_refused_write write)
{
	turn(&(struct look){.log = log, .document = document, .write = write}, true);
}
