/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/events.h"
#include "ipc/refusal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 4
#define EACH 5000

struct seen {
	unsigned count;
	uint32_t last;
};

static void take(const struct tg_event *event, void *arg)
{
	struct seen *seen = arg;

	/* whole, whoever wrote at the same time */
	assert_int_equal(event->code, event->pid);
	assert_int_equal(event->subject[TG_EVENT_SUBJECT_SIZE - 2], (char)event->pid);
	seen->count++;
	seen->last = event->pid;
}

static struct tg_event numbered(uint32_t number)
{
	struct tg_event event = {.pid = number, .code = number, .kind = TG_EVENT_REFUSED};

	memset(event.subject, (int)(unsigned char)number, sizeof(event.subject));
	return event;
}

static void write_event(struct tg_report_page *page, uint32_t number)
{
	const struct tg_event event = numbered(number);

	tg_events_write(page, &event);
}

static struct tg_report_page *page_new(void)
{
	struct tg_report_page *page = calloc(1, sizeof(*page));

	assert_non_null(page);
	return page;
}

static void each_is_read_once_and_in_order(void **state)
{
	struct tg_report_page *page = page_new();
	struct tg_event_reader reader = {0};
	struct seen seen = {0};

	(void)state;
	assert_int_equal(tg_events_read(page, &reader, 0, take, &seen), 0);
	assert_int_equal(seen.count, 0);
	for (uint32_t i = 1; i <= 3 * TG_EVENT_SLOTS; i++) {
		write_event(page, i);
		if (i % 7 == 0) {
			assert_int_equal(tg_events_read(page, &reader, 0, take, &seen), 0);
			assert_int_equal(seen.count, i);
			assert_int_equal(seen.last, i);
		}
	}
	free(page);
}

static void what_was_overwritten_is_counted(void **state)
{
	struct tg_report_page *page = page_new();
	struct tg_event_reader reader = {0};
	struct seen seen = {0};
	const uint32_t beyond[] = {1, 5, TG_EVENT_SLOTS, 3 * TG_EVENT_SLOTS + 1};
	uint32_t number = 0;

	(void)state;
	for (size_t k = 0; k < sizeof(beyond) / sizeof(*beyond); k++) {
		for (uint32_t i = 0; i < TG_EVENT_SLOTS + beyond[k]; i++)
			write_event(page, ++number);
		seen.count = 0;
		assert_int_equal(tg_events_read(page, &reader, 0, take, &seen), beyond[k]);
		assert_int_equal(seen.count, TG_EVENT_SLOTS);
		assert_int_equal(seen.last, number);
	}
	free(page);
}

/* A process died between taking a number and writing, or is still at it. */
static void a_gap_holds_up_nothing_and_is_waited_for(void **state)
{
	struct tg_report_page *page = page_new();
	struct tg_event_reader reader = {0};
	struct seen seen = {0};

	(void)state;
	write_event(page, 1);
	atomic_fetch_add(&page->events.next, 2);
	write_event(page, 2);
	assert_int_equal(tg_events_read(page, &reader, 1000, take, &seen), 0);
	assert_int_equal(seen.count, 2);
	write_event(page, 3);
	assert_int_equal(tg_events_read(page, &reader, 1500, take, &seen), 0);
	assert_int_equal(seen.count, 3);
	/* The first one is there after all. */
	atomic_store(&page->events.next, 1);
	write_event(page, 4);
	atomic_store(&page->events.next, 5);
	assert_int_equal(tg_events_read(page, &reader, 1900, take, &seen), 0);
	assert_int_equal(seen.count, 4);
	assert_int_equal(tg_events_read(page, &reader, 2000, take, &seen), 1);
	assert_int_equal(tg_events_read(page, &reader, 9000, take, &seen), 0);
	assert_int_equal(seen.count, 4);
	/* Another one has its own time. */
	tg_events_lost(page, 3);
	assert_int_equal(tg_events_read(page, &reader, 10000, take, &seen), 0);
	assert_int_equal(tg_events_read(page, &reader, 10500, take, &seen), 0);
	assert_int_equal(tg_events_read(page, &reader, 11000, take, &seen), 3);
	assert_int_equal(reader.seen, atomic_load(&page->events.next));
	free(page);
}

static void a_wild_counter_ends_nothing(void **state)
{
	struct tg_report_page *page = page_new();
	struct tg_event_reader reader = {0};
	struct seen seen = {0};
	const uint64_t wild[] = {UINT64_MAX, 0, UINT64_C(1) << 63, 5, UINT64_MAX - 3, TG_EVENT_SLOTS};

	(void)state;
	for (size_t k = 0; k < sizeof(wild) / sizeof(*wild); k++) {
		atomic_store(&page->events.next, wild[k]);
		tg_events_read(page, &reader, (int64_t)k * 5000, take, &seen);
		for (int i = 0; i < 3; i++)
			tg_events_read(page, &reader, (int64_t)k * 5000 + 1000 * i, take, &seen);
		assert_int_equal(reader.seen, atomic_load(&page->events.next));
		seen.count = 0;
		write_event(page, 7);
		tg_events_read(page, &reader, (int64_t)k * 5000 + 3000, take, &seen);
		assert_int_equal(seen.count, 1);
	}
	free(page);
}

static void *write_many(void *page)
{
	for (uint32_t i = 0; i < EACH; i++)
		write_event(page, i);
	return NULL;
}

static void threads_write_while_one_reads(void **state)
{
	struct tg_report_page *page = page_new();
	struct tg_event_reader reader = {0};
	struct seen seen = {0};
	pthread_t threads[THREADS];
	uint64_t lost = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, page), 0);
	while (atomic_load(&page->events.next) < (uint64_t)THREADS * EACH)
		lost += tg_events_read(page, &reader, 0, take, &seen);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	lost += tg_events_read(page, &reader, 0, take, &seen);
	lost += tg_events_read(page, &reader, 5000, take, &seen);
	assert_int_equal(seen.count + lost, THREADS * EACH);
	assert_int_equal(reader.seen, (uint64_t)THREADS * EACH);
	free(page);
}

static void texts_that_do_not_fit_say_so(void **state)
{
	char field[8];

	(void)state;
	tg_event_set_text(field, sizeof(field), "1234567");
	assert_string_equal(field, "1234567");
	tg_event_set_text(field, sizeof(field), "12345678");
	assert_string_equal(field, "1234...");
	tg_event_set_text(field, sizeof(field), "");
	assert_memory_equal(field, "\0\0\0\0\0\0\0", sizeof(field));
}

static void every_reason_has_its_text_and_place(void **state)
{
	bool shown[TG_REFUSAL_COUNT] = {false};

	(void)state;
	for (unsigned i = 0; i < TG_REFUSAL_COUNT; i++) {
		const struct tg_refusal_text *text = tg_refusal_text((enum tg_refusal)i);

		assert_non_null(text->name);
		assert_true(strlen(text->meaning) > 10 && strlen(text->advice) > 10);
		assert_ptr_equal(tg_refusal_named(text->name), text);
		shown[tg_refusal_shown(i)] = true;
	}
	for (unsigned i = 0; i < TG_REFUSAL_COUNT; i++)
		assert_true(shown[i]);
	assert_int_equal(tg_refusal_shown(TG_REFUSAL_COUNT - 1), TG_REFUSED_OTHER);
	assert_string_equal(tg_refusal_name((enum tg_refusal)99), "other");
	assert_null(tg_refusal_named("no such reason"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_read_once_and_in_order),
	    cmocka_unit_test(what_was_overwritten_is_counted),
	    cmocka_unit_test(a_gap_holds_up_nothing_and_is_waited_for),
	    cmocka_unit_test(a_wild_counter_ends_nothing),
	    cmocka_unit_test(threads_write_while_one_reads),
	    cmocka_unit_test(texts_that_do_not_fit_say_so),
	    cmocka_unit_test(every_reason_has_its_text_and_place),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
