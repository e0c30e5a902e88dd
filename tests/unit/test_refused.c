/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/refusal.h"
#include "keeper/refused.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
	char lines[1024][1024];
	unsigned count;
} written;

static void write_line(const char *line)
{
	assert_true(written.count < 1024);
	snprintf(written.lines[written.count++], sizeof(written.lines[0]), "%s", line);
}

static char server[] = "server", shop[] = "sni shop";
static struct tg_policy policies[] = {{.section = server}, {.section = shop}};
static const struct tg_document document = {.policies = policies, .policy_count = 2};

static struct tg_report_page *page;
static struct tg_refused_log *log_;

static int start(void **state)
{
	(void)state;
	page = calloc(1, sizeof(*page));
	log_ = calloc(1, sizeof(*log_));
	written.count = 0;
	return page == NULL || log_ == NULL;
}

static int stop(void **state)
{
	(void)state;
	free(page);
	free(log_);
	return 0;
}

static struct tg_event event_of(uint32_t address, uint16_t port, enum tg_refusal reason)
{
	struct tg_event event = {
	    .kind = TG_EVENT_REFUSED, .reason = (uint16_t)reason, .source = TG_EVENT_X509, .code = 26, .section = "server"};

	event.client.family = 4;
	event.client.port = port;
	address = htonl(address);
	memcpy(event.client.bytes, &address, sizeof(address));
	tg_event_set_text(event.words, sizeof(event.words), "unsuitable certificate purpose");
	tg_event_set_text(event.subject, sizeof(event.subject), "CN=c");
	return event;
}

static void refuse(uint32_t address, uint16_t port, enum tg_refusal reason)
{
	const struct tg_event event = event_of(address, port, reason);

	tg_events_write(page, &event);
}

static void look(int64_t now)
{
	tg_refused_look(log_, page, &document, now, write_line);
}

/* How many refusals the lines from `first` on stand for. */
static unsigned long stands_for(unsigned first)
{
	unsigned long sum = 0;

	for (unsigned i = first; i < written.count; i++) {
		const char *more = strstr(written.lines[i], "; this line stands for ");
		const char *lost = strstr(written.lines[i], "refused clients, ");

		sum += more != NULL   ? strtoul(more + strlen("; this line stands for "), NULL, 10)
		       : lost != NULL ? strtoul(lost + strlen("refused clients, "), NULL, 10)
				      : 1;
	}
	return sum;
}

static void a_line_has_all_that_is_known(void **state)
{
	struct tg_event event = event_of(0x7f000001, 4711, TG_REFUSED_WRONG_PURPOSE);

	(void)state;
	tg_events_write(page, &event);
	look(0);
	assert_int_equal(written.count, 1);
	assert_string_equal(
	    written.lines[0],
	    "refused client 127.0.0.1:4711 in [server]: wrong_purpose: unsuitable certificate purpose (error 26 "
	    "at depth 0), subject CN=c");
	event =
	    (struct tg_event){.kind = TG_EVENT_REFUSED, .reason = TG_REFUSED_TIMEOUT, .depth = -1, .section = "nowhere"};
	tg_events_write(page, &event);
	look(1);
	assert_string_equal(written.lines[1], "refused client of an unknown address: timeout");
}

static void the_same_is_reported_together(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 30; i++)
		refuse(1, (uint16_t)(5000 + i), TG_REFUSED_EXPIRED);
	refuse(1, 1, TG_REFUSED_REVOKED);
	refuse(2, 2, TG_REFUSED_EXPIRED);
	look(0);
	assert_int_equal(written.count, 3);
	look(TG_REFUSED_PAUSE_MS - 1);
	assert_int_equal(written.count, 3);
	look(TG_REFUSED_PAUSE_MS);
	assert_int_equal(written.count, 4);
	assert_non_null(strstr(written.lines[3], "0.0.0.1:5029 in [server]: expired"));
	assert_non_null(strstr(written.lines[3], "; this line stands for 29"));
	assert_int_equal(stands_for(0), 32);
	/* One that has been away for a pause has its line at once again; the other is still in its own. */
	refuse(2, 3, TG_REFUSED_EXPIRED);
	refuse(1, 4, TG_REFUSED_EXPIRED);
	look(TG_REFUSED_PAUSE_MS + 1);
	assert_int_equal(written.count, 5);
	assert_non_null(strstr(written.lines[4], "0.0.0.2:3"));
	tg_refused_end(log_, &document, write_line);
	assert_int_equal(stands_for(0), 34);
}

static void many_addresses_have_few_lines(void **state)
{
	uint64_t now = 0;

	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		refuse(1000 + i, 1, i % 2 ? TG_REFUSED_EXPIRED : TG_REFUSED_UNKNOWN_CA);
		if (i % 100 == 0)
			look((int64_t)now++);
	}
	look((int64_t)now);
	assert_int_equal(written.count, TG_REFUSED_ENTRIES);
	look(TG_REFUSED_PAUSE_MS * 2);
	assert_int_equal(written.count, TG_REFUSED_ENTRIES + 2);
	assert_non_null(strstr(written.lines[TG_REFUSED_ENTRIES], "refused clients of many addresses, the last one "));
	assert_int_equal(stands_for(0), 3000);
}

static void what_was_overwritten_is_reported(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 5 * TG_EVENT_SLOTS; i++)
		refuse(1, 1, TG_REFUSED_EXPIRED);
	look(0);
	tg_refused_end(log_, &document, write_line);
	assert_int_equal(stands_for(0), 5 * TG_EVENT_SLOTS);
}

/* What an attached process may write: nothing of it may be trusted, and a wild address is none. */
static void what_is_no_event_is_dropped(void **state)
{
	struct tg_event event;

	(void)state;
	memset(&event, 0xff, sizeof(event));
	tg_events_write(page, &event);
	event = event_of(1, 1, TG_REFUSAL_COUNT);
	tg_events_write(page, &event);
	event = event_of(1, 1, TG_REFUSED_EXPIRED);
	event.kind = TG_EVENT_NONE;
	tg_events_write(page, &event);
	look(0);
	assert_int_equal(written.count, 0);
	memset(&event, 'x', sizeof(event));
	event.kind = TG_EVENT_REFUSED;
	event.reason = TG_REFUSED_EXPIRED;
	tg_events_write(page, &event);
	look(1);
	assert_int_equal(written.count, 1);
	assert_true(strlen(written.lines[0]) < 600);
	assert_non_null(strstr(written.lines[0], "refused client of an unknown address: expired: xxx"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_line_has_all_that_is_known, start, stop),
	    cmocka_unit_test_setup_teardown(the_same_is_reported_together, start, stop),
	    cmocka_unit_test_setup_teardown(many_addresses_have_few_lines, start, stop),
	    cmocka_unit_test_setup_teardown(what_was_overwritten_is_reported, start, stop),
	    cmocka_unit_test_setup_teardown(what_is_no_event_is_dropped, start, stop),
	};

	return cmocka_run_group_tests_name("refused", tests, NULL, NULL);
}
