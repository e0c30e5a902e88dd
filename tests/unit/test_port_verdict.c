/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/port_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char sections[] =
    "[{\"name\": \"server\", \"mode\": \"mutual\", \"certificates\": [{\"sha256\": \"aa\"}]},"
    " {\"name\": \"listener b\", \"mode\": \"server\", \"certificates\": [{\"sha256\": \"bb\"}]}]";

/* What a server that is not held would answer: no real one does, so these are made up. */
static void expect_status(const struct tg_tls_answer *answer, const char *section, const char *mode, int status,
			  const char *words)
{
	static const struct tg_expected none[TG_PORT_NAMES];
	const struct tg_expected expected = {.known = true, .section = section, .mode = mode};
	const struct tg_port port = {.answers = {.tls = *answer}};
	struct tg_findings findings = {0};
	cJSON *list = cJSON_Parse(sections);

	assert_non_null(list);
	tg_port_judge(&port, "port 1", &expected, none, list, &findings);
	assert_int_equal(tg_findings_status(&findings), status);
	assert_true(findings.count > 0);
	assert_non_null(strstr(findings.items[findings.count - 1].text, words));
	tg_findings_free(&findings);
	cJSON_Delete(list);
}

/* What a connection in plaintext showed, where TLS is terminated for the server. */
static void test_plaintext_servers(void **state)
{
	static const struct tg_expected none[TG_PORT_NAMES];
	static const struct {
		bool terminated, accepts;
		int status;
		const char *words;
	} rows[] = {
	    {true, false, 126, "although TLS is to be spoken for the server there"},
	    {true, true, 1, "accept_plaintext lets such clients in"},
	    {false, true, 1, "answers plaintext"},
	};
	struct tg_port port = {.answers = {.plain = {.open = TG_OPEN_YES, .sample = "+PONG"}}};
	cJSON *list = cJSON_Parse(sections);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct tg_expected expected = {.known = true,
						     .section = "server",
						     .mode = "mutual",
						     .terminated = rows[i].terminated,
						     .accepts = rows[i].accepts};
		struct tg_findings findings = {0};

		tg_port_judge(&port, "port 1", &expected, none, list, &findings);
		assert_int_equal(tg_findings_status(&findings), rows[i].status);
		assert_non_null(strstr(findings.items[0].text, rows[i].words));
		tg_findings_free(&findings);
	}
	cJSON_Delete(list);
}

static void test_served(void **state)
{
	const struct tg_tls_answer good = {
	    .kind = TG_TLS_SERVED, .sha256 = "aa", .requests_certificate = true, .refused = true, .alert = 116};
	struct tg_tls_answer answer = good;

	(void)state;
	expect_status(&good, "server", "mutual", 0, "refuses who has none");
	answer.refused = false;
	expect_status(&answer, "server", "mutual", 1, "did not say in time");
	expect_status(&answer, "server", "optional", 0, "asks for a client certificate");
	answer.accepted = true;
	expect_status(&answer, "server", "mutual", 126, "goes on without one although mode = mutual");
	answer.requests_certificate = false;
	expect_status(&answer, "server", "mutual", 126, "asks for no client certificate although mode = mutual");
	expect_status(&answer, "server", "optional", 126, "although mode = optional");
	expect_status(&answer, "server", "server", 0, "asks for no client certificate");
}

static void test_other_certificates(void **state)
{
	struct tg_tls_answer answer = {
	    .kind = TG_TLS_SERVED, .sha256 = "cc", .requests_certificate = true, .refused = true, .alert = 116};

	(void)state;
	expect_status(&answer, "server", "mutual", 126, "not ours: SHA-256 cc");
	expect_status(&answer, "listener a", "off", 1, "exempted by mode = off");
	expect_status(&answer, NULL, "", 1, "not ours: SHA-256 cc");
	strcpy(answer.sha256, "bb");
	expect_status(&answer, "server", "mutual", 1, "ours, of [listener b]");
}

static void test_no_certificate(void **state)
{
	const struct tg_tls_answer alert = {.kind = TG_TLS_ALERT, .alert = 40};
	const struct tg_tls_answer plain = {.kind = TG_TLS_PLAIN, .alert = -1, .sample = "hi"};
	const struct tg_tls_answer silent = {.kind = TG_TLS_SILENT, .alert = -1};

	(void)state;
	expect_status(&alert, "server", "mutual", 1, "handshake failure");
	expect_status(&plain, "server", "mutual", 1, "in plaintext: \"hi\"");
	expect_status(&silent, "server", "mutual", 1, "answers neither TLS nor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_served),
	    cmocka_unit_test(test_plaintext_servers),
	    cmocka_unit_test(test_other_certificates),
	    cmocka_unit_test(test_no_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
