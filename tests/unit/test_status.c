/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"
#include "ipc/read.h"
#include "ipc/report.h"
#include "keeper/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char tree[] = "0123456789abcdef";
static struct tg_report_page *report;

static int begin(void **state)
{
	int fd;

	(void)state;
	if (tg_report_create(tree, &fd) != 0)
		return -1;
	if (tg_report_map(fd, true, &report) != 0)
		return -1;
	return close(fd);
}

static int end(void **state)
{
	(void)state;
	tg_report_unmap(report);
	return 0;
}

/* Two routes; an [sni] that is another policy on each of them. */
static char server[] = "server", listener[] = "listener api", sni[] = "sni shop", host[] = "shop.example.com";
static struct tg_policy policies[] = {
    {.section = server, .mode = TG_MODE_SERVER, .credentials = TG_NONE, .trust = TG_NONE},
    {.section = sni, .mode = TG_MODE_SERVER, .credentials = TG_NONE, .trust = TG_NONE},
    {.section = listener, .mode = TG_MODE_MUTUAL, .credentials = TG_NONE, .trust = TG_NONE},
    {.section = sni, .mode = TG_MODE_MUTUAL, .credentials = TG_NONE, .trust = TG_NONE},
};
static struct tg_name on_server[] = {{.text = host, .policy = 1}};
static struct tg_name on_listener[] = {{.text = host, .policy = 3}};
static struct tg_address addresses[] = {{.family = 4, .any = true, .port = 8443}};
static struct tg_route routes[] = {
    {.is_server = true, .policy = 0, .names = on_server, .name_count = 1},
    {.addresses = addresses, .address_count = 1, .policy = 2, .names = on_listener, .name_count = 1},
};
static const struct tg_document document = {.policies = policies, .policy_count = 4, .routes = routes, .route_count = 2};
static struct tg_verdict verdict = {.kind = TG_VERDICT_ACCEPTED, .at = 0, .took_ms = 4.14, .reason = "x"};

static cJSON *make(void)
{
	static const char *const unmatched[] = {"listener api"};
	const struct tg_status status = {.config = "/etc/\x1b.ini",
					 .keeper_pid = 5,
					 .keeper_alive = true,
					 .generation = 3,
					 .warn_days = 14,
					 .verdict = &verdict,
					 .tree = tree,
					 .document = &document,
					 .report = report,
					 .unmatched = unmatched,
					 .unmatched_count = 1};

	return tg_status_json(&status);
}

static const cJSON *section(const cJSON *object, int index)
{
	return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(object, "sections"), index);
}

static void test_shape(void **state)
{
	cJSON *object = make();
	const cJSON *reload = cJSON_GetObjectItemCaseSensitive(object, "reload");

	(void)state;
	assert_string_equal(tg_text_string(object, "config"), "/etc/\\x1b.ini");
	assert_int_equal(tg_text_number(object, "generation"), 3);
	assert_string_equal(tg_text_string(reload, "verdict"), "accepted");
	assert_string_equal(tg_text_string(reload, "at"), "1970-01-01T00:00:00Z");
	assert_true(tg_text_number(reload, "took_ms") == 4.1);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, "sections")), 3);
	assert_string_equal(tg_text_string(section(object, 0), "name"), "server");
	assert_string_equal(tg_text_string(section(object, 0), "mode"), "server");
	/* one object for its counters, however many policies it became */
	assert_string_equal(tg_text_string(section(object, 1), "name"), "sni shop");
	assert_string_equal(tg_text_string(section(object, 1), "mode"), "server,mutual");
	assert_string_equal(tg_text_string(section(object, 2), "name"), "listener api");
	cJSON_Delete(object);
}

static void test_counters(void **state)
{
	cJSON *object;
	const cJSON *handshakes;

	(void)state;
	tg_report_accepted(tg_report_section(report, "listener api"), true);
	tg_report_refused(report, tg_report_section(report, "listener api"), TG_REFUSED_REVOKED);
	tg_report_aborted(tg_report_section(report, "server"));
	object = make();
	handshakes = cJSON_GetObjectItemCaseSensitive(section(object, 2), "handshakes");
	assert_int_equal(tg_text_number(handshakes, "accepted"), 1);
	assert_int_equal(tg_text_number(handshakes, "resumed"), 1);
	assert_int_equal(tg_text_number(handshakes, "refused"), 1);
	assert_int_equal(tg_text_number(cJSON_GetObjectItemCaseSensitive(section(object, 2), "refused_by"), "revoked"), 1);
	handshakes = cJSON_GetObjectItemCaseSensitive(section(object, 0), "handshakes");
	assert_int_equal(tg_text_number(handshakes, "aborted"), 1);
	assert_true(tg_status_section_used(report, "server"));
	assert_false(tg_status_section_used(report, "sni shop"));
	cJSON_Delete(object);
}

static const cJSON *plaintext_of(const cJSON *object, int index)
{
	return cJSON_GetObjectItemCaseSensitive(section(object, index), "plaintext");
}

static void test_plaintext(void **state)
{
	struct tg_section_slot *slot = tg_report_section(report, "listener api");
	cJSON *object = make();
	const cJSON *plaintext;

	(void)state;
	assert_null(plaintext_of(object, 2));
	assert_string_equal(tg_text_string(section(object, 2), "server_speaks"), "tls");
	cJSON_Delete(object);
	routes[1].plaintext = (struct tg_plaintext){.terminated = true, .engine = TG_ENGINE_RELAY, .accept = true};
	object = make();
	plaintext = plaintext_of(object, 2);
	assert_string_equal(tg_text_string(section(object, 2), "server_speaks"), "plaintext");
	assert_string_equal(tg_text_string(plaintext, "engine"), "relay");
	assert_string_equal(tg_text_string(plaintext, "accept_plaintext"), "yes");
	assert_int_equal(tg_text_number(plaintext, "clients"), 0);
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(plaintext, "last")));
	/* a name has no counters of its own there */
	assert_string_equal(tg_text_string(section(object, 1), "server_speaks"), "tls,plaintext");
	assert_null(plaintext_of(object, 1));
	assert_string_equal(tg_text_string(section(object, 0), "server_speaks"), "tls");
	assert_null(plaintext_of(object, 0));
	cJSON_Delete(object);
	assert_false(tg_status_section_used(report, "listener api"));
	for (int event = 0; event < TG_PLAINTEXT_EVENT_COUNT; event++)
		for (int i = 0; i <= event; i++)
			tg_report_plaintext(report, slot, (enum tg_plaintext_event)event);
	assert_true(tg_status_section_used(report, "listener api"));
	report->plaintext[slot - report->sections].last_client = 1;
	object = make();
	plaintext = plaintext_of(object, 2);
	assert_int_equal(tg_text_number(plaintext, "clients"), 1);
	assert_string_equal(tg_text_string(plaintext, "last"), "1970-01-01T00:00:01Z");
	assert_int_equal(tg_text_number(plaintext, "direct"), 2);
	assert_int_equal(tg_text_number(plaintext, "relayed"), 3);
	assert_int_equal(tg_text_number(plaintext, "closed"), 4);
	assert_int_equal(tg_text_number(plaintext, "timed_out"), 5);
	cJSON_Delete(object);
}

/* Of each section by which TLS is terminated for a server, a name's too; of no other. */
static void test_alpn(void **state)
{
	struct tg_section_slot *slot = tg_report_section(report, "listener api");
	cJSON *object;
	const cJSON *alpn;

	(void)state;
	routes[1].plaintext = (struct tg_plaintext){.terminated = true};
	policies[routes[1].policy].alpn = (struct tg_span){(const unsigned char *)"\2h2\10http/1.1", 12};
	policies[routes[1].policy].alpn_required = true;
	tg_report_alpn_unanswered(report, slot);
	object = make();
	assert_null(cJSON_GetObjectItemCaseSensitive(section(object, 0), "alpn"));
	assert_non_null(cJSON_GetObjectItemCaseSensitive(section(object, 1), "alpn"));
	alpn = cJSON_GetObjectItemCaseSensitive(section(object, 2), "alpn");
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(alpn, "protocols")), 2);
	assert_string_equal(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(alpn, "protocols"), 1)->valuestring,
			    "http/1.1");
	assert_string_equal(tg_text_string(alpn, "required"), "yes");
	assert_int_equal(tg_text_number(alpn, "unanswered"), 1);
	cJSON_Delete(object);
	policies[routes[1].policy].alpn = (struct tg_span){0};
	policies[routes[1].policy].alpn_required = false;
}

static void test_processes(void **state)
{
	struct tg_process_slot slots[4];
	const struct tg_report_page *page = report;

	(void)state;
	tg_report_process(report, (uint32_t)getpid(), 3);
	tg_report_process(report, 1, 3); /* lives, and is not of the tree */
	tg_report_process(report, 0x3fffffff, 3);
	assert_int_equal(tg_status_processes(page, tree, slots, 4), 1);
	assert_int_equal(slots[0].pid, getpid());
	assert_int_equal(slots[0].generation, 3);
	assert_int_equal(tg_status_processes(page, "fedcba9876543210", slots, 4), 0);
}

/* Whatever an attached process writes, the keeper goes on and what it says is JSON. */
static void test_wild_report(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < 20; round++) {
		unsigned char *bytes = (unsigned char *)report;
		cJSON *object;
		cJSON *parsed;
		char *text;

		for (size_t i = 0; i < sizeof(*report); i++) {
			seed = seed * 1103515245u + 12345u;
			bytes[i] = round == 0 ? 0xff : (unsigned char)(seed >> 16);
		}
		for (size_t i = 0; i < TG_SECTION_SLOTS; i++)
			report->sections[i].state = 2;
		for (size_t i = 0; i < TG_UNGOVERNED_SLOTS; i++)
			report->ungoverned[i].state = 2;
		object = make();
		text = cJSON_PrintUnformatted(object);
		assert_non_null(text);
		parsed = cJSON_Parse(text);
		assert_non_null(parsed);
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(parsed, "ungoverned")),
				 TG_UNGOVERNED_SLOTS);
		cJSON_Delete(parsed);
		free(text);
		cJSON_Delete(object);
	}
}

static void assert_bad(const char *json, bool wanted)
{
	cJSON *object = cJSON_Parse(json);

	assert_non_null(object);
	assert_int_equal(tg_text_is_bad(object), wanted);
	cJSON_Delete(object);
}

static void test_what_wants_attention(void **state)
{
	(void)state;
	assert_bad("{\"reload\":{\"verdict\":\"accepted\"}}", false);
	assert_bad("{\"reload\":{\"verdict\":\"pending\"}}", false);
	assert_bad("{\"reload\":{\"verdict\":\"refused\"}}", true);
	assert_bad("{\"unmatched_sections\":[\"listener api\"]}", true);
	assert_bad("{\"warn_days\":14,\"sections\":[{\"certificates\":[{\"days_left\":15}]}]}", false);
	assert_bad("{\"warn_days\":14,\"sections\":[{\"certificates\":[{\"days_left\":14}]}]}", true);
	assert_bad("{\"warn_days\":0,\"sections\":[{\"certificates\":[{\"days_left\":-1}]}]}", true);
	/* of other types than they should be */
	assert_bad("{\"reload\":7,\"sections\":\"x\",\"unmatched_sections\":{}}", false);
}

static void test_answers_are_cleaned(void **state)
{
	cJSON *object = cJSON_Parse("{\"config\":\"a\\u001b[2Jb\",\"sections\":[{\"name\":\"\\u009b\"}]}");

	(void)state;
	assert_non_null(object);
	tg_text_clean(object);
	assert_string_equal(tg_text_string(object, "config"), "a\\x1b[2Jb");
	assert_string_equal(tg_text_string(section(object, 0), "name"), "\\xc2\\x9b");
	cJSON_Delete(object);
	tg_text_clean(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_shape, begin, end),
	    cmocka_unit_test_setup_teardown(test_counters, begin, end),
	    cmocka_unit_test_setup_teardown(test_plaintext, begin, end),
	    cmocka_unit_test_setup_teardown(test_alpn, begin, end),
	    cmocka_unit_test_setup_teardown(test_processes, begin, end),
	    cmocka_unit_test_setup_teardown(test_wild_report, begin, end),
	    cmocka_unit_test(test_what_wants_attention),
	    cmocka_unit_test(test_answers_are_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
