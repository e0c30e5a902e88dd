/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/events.h"

#include <string.h>

#define GAP_MS 1000              /* for a record whose number is given out to be written */
#define LEAP (UINT64_C(1) << 32) /* no attached process writes so many between two looks: the counter was overwritten */

void tg_event_set_text(char *field, size_t size, const char *text)
{
	static const char cut[] = "...";
	size_t length = strnlen(text, size);

	memset(field, 0, size);
	if (length == size) {
		length = size - sizeof(cut);
		memcpy(field + length, cut, sizeof(cut));
	}
	memcpy(field, text, length);
}

/* FNV-1a by words. It finds what was torn; against a hostile attached process nothing in this memory is proof. */
static uint64_t checksum(uint64_t number, const uint64_t *words)
{
	uint64_t sum = (UINT64_C(0xcbf29ce484222325) ^ number) * UINT64_C(0x100000001b3);

	for (size_t i = 0; i < TG_EVENT_WORDS; i++) {
		sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
		sum ^= sum >> 32;
	}
	return sum;
}

void tg_events_write(struct tg_report_page *page, const struct tg_event *event)
{
	uint64_t words[TG_EVENT_WORDS];
	const uint64_t number = atomic_fetch_add_explicit(&page->events.next, 1, memory_order_relaxed);
	struct tg_event_slot *slot = &page->events.slots[number % TG_EVENT_SLOTS];

	memcpy(words, event, sizeof(words));
	for (size_t i = 0; i < TG_EVENT_WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&slot->checksum, checksum(number, words), memory_order_release);
}

/* By going past numbers under which nothing was written: a reader counts those. */
void tg_events_lost(struct tg_report_page *page, uint64_t count)
{
	if (count > 0)
		atomic_fetch_add_explicit(&page->events.next, count, memory_order_relaxed);
}

static bool copy(const struct tg_report_page *page, uint64_t number, struct tg_event *ret)
{
	const struct tg_event_slot *slot = &page->events.slots[number % TG_EVENT_SLOTS];
	const uint64_t expected = atomic_load_explicit(&slot->checksum, memory_order_acquire);
	uint64_t words[TG_EVENT_WORDS];

	for (size_t i = 0; i < TG_EVENT_WORDS; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_relaxed);
	if (checksum(number, words) != expected)
		return false;
	memcpy(ret, words, sizeof(*ret));
	return true;
}

/* Goes on to `end`; returns how many on the way were never read. */
static uint64_t pass(struct tg_event_reader *reader, uint64_t end)
{
	uint64_t lost = 0;

	for (; reader->seen != end; reader->seen++) {
		bool *is_read = &reader->is_read[reader->seen % TG_EVENT_SLOTS];

		lost += !*is_read;
		*is_read = false;
	}
	return lost;
}

/* More were written than there are slots. */
static uint64_t catch_up(struct tg_event_reader *reader, uint64_t next)
{
	uint64_t lost;

	if (next - reader->seen <= TG_EVENT_SLOTS)
		return 0;
	const uint64_t first = next - TG_EVENT_SLOTS;
	if (first - reader->seen <= TG_EVENT_SLOTS)
		return pass(reader, first);
	lost = pass(reader, reader->seen + TG_EVENT_SLOTS) + (first - reader->seen);
	reader->seen = first;
	return lost;
}

uint64_t tg_events_read(const struct tg_report_page *page, struct tg_event_reader *reader, int64_t now,
			void (*take)(const struct tg_event *event, void *arg), void *arg)
{
	const uint64_t next = atomic_load_explicit(&page->events.next, memory_order_acquire);
	struct tg_event event;
	uint64_t lost;

	if (next == reader->seen)
		return 0;
	if (next - reader->seen > LEAP) {
		*reader = (struct tg_event_reader){.seen = next};
		return 0;
	}
	lost = catch_up(reader, next);
	for (uint64_t number = reader->seen; number != next; number++) {
		bool *is_read = &reader->is_read[number % TG_EVENT_SLOTS];

		if (!*is_read && copy(page, number, &event)) {
			*is_read = true;
			take(&event, arg);
		}
	}
	while (reader->seen != next && reader->is_read[reader->seen % TG_EVENT_SLOTS])
		pass(reader, reader->seen + 1);
	if (reader->seen == next) {
		reader->gap_end = 0;
	} else if (reader->gap_end == 0 || reader->seen - reader->gap_end < LEAP) {
		reader->gap_end = next;
		reader->gap_since = now;
	} else if (now - reader->gap_since >= GAP_MS) {
		lost += pass(reader, reader->gap_end);
		reader->gap_end = 0;
	}
	return lost;
}
