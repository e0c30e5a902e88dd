/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From sections to routes and policies.
 */
#include "certificates.h"
#include "loader/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFIED "mode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\n"
#define SERVER "[server]\n" CERTIFIED

static struct maker maker;
static struct site site;
static tlsgraft_identity *identity;
static const struct tg_document *document;

static int start(void **state)
{
	X509 *second;
	EVP_PKEY *key = make_key("ED25519");
	struct spec spec = {.subject = "second", .from = -60, .until = 90 * DAY};

	(void)state;
	maker_start(&maker);
	make_site(&maker, &site, "");
	spec.key = key;
	spec.issuer = site.ca;
	spec.issuer_key = site.ca_key;
	second = make_certificate(&spec);
	write_certificate(&maker, "second.pem", second, false);
	write_key(&maker, "second.pem", key, NULL, true);
	spec = (struct spec){.subject = "Other CA", .from = -60, .until = 900 * DAY, .ca = true, .key = key};
	X509_free(second);
	second = make_certificate(&spec);
	write_certificate(&maker, "other.pem", second, false);
	X509_free(second);
	EVP_PKEY_free(key);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	free_site(&site);
	maker_stop(&maker);
	return 0;
}

static void use(const char *ini)
{
	tlsgraft_identity_unref(identity);
	identity = NULL;
	write_text(&maker, "site.ini", ini);
	if (load(&maker, NULL, &identity) != TLSGRAFT_OK) {
		print_messages();
		fail_msg("not loaded: %s", ini);
	}
	document = tg_identity_document(identity);
}

static int done(void **state)
{
	(void)state;
	tlsgraft_identity_unref(identity);
	identity = NULL;
	return 0;
}

static const struct tg_policy *base(size_t route)
{
	assert_true(route < document->route_count);
	return &document->policies[document->routes[route].policy];
}

static const struct tg_policy *named(size_t route, const char *name)
{
	const struct tg_route *at = &document->routes[route];

	for (size_t i = 0; i < at->name_count; i++)
		if (strcmp(at->names[i].text, name) == 0)
			return &document->policies[at->names[i].policy];
	fail_msg("no name %s", name);
	return NULL;
}

static void a_server_alone(void **state)
{
	(void)state;
	use(SERVER "verify_depth = 3\nmin_protocol = TLSv1.2\nallow = CN:a\nallow = DNS:b.c\n");
	assert_int_equal(document->route_count, 1);
	assert_true(document->routes[0].is_server);
	assert_string_equal(base(0)->section, "server");
	assert_int_equal(base(0)->mode, TG_MODE_MUTUAL);
	assert_int_equal(base(0)->rule_count, 2);
	assert_int_equal(base(0)->min_protocol, 0x0303);
	assert_int_equal(base(0)->max_protocol, 0);
	assert_int_equal(base(0)->security_level, -1);
	assert_null(base(0)->ciphers);
	assert_int_equal(document->trusts[base(0)->trust].verify_depth, 3);
	assert_int_equal(document->trusts[base(0)->trust].crl_check, TG_CRL_NONE);
	assert_int_equal(document->credentials[base(0)->credentials].pair_count, 1);
	assert_int_equal(document->reload_signal, SIGHUP);
	assert_true(document->children_keep);
}

static void a_listener_replaces_keys_and_whole_lists(void **state)
{
	(void)state;
	use(SERVER "allow = CN:a\nallow = CN:b\n"
		   "[listener x]\nlisten = 127.0.0.1:1\nlisten = [::1]:1\nmode = optional\nallow = CN:c\n"
		   "[listener y]\nlisten = *:2\nca = other.pem\n");
	assert_int_equal(document->route_count, 3);
	assert_string_equal(base(1)->section, "listener x");
	assert_int_equal(base(1)->mode, TG_MODE_OPTIONAL);
	assert_int_equal(base(1)->rule_count, 1);
	assert_memory_equal(base(1)->rules[0].value.data, "c", 1);
	assert_int_equal(document->routes[1].address_count, 2);
	assert_int_equal(base(1)->trust, base(0)->trust);
	assert_int_equal(base(2)->mode, TG_MODE_MUTUAL);
	assert_int_equal(base(2)->rule_count, 2);
	assert_int_not_equal(base(2)->trust, base(0)->trust);
	assert_int_equal(document->trusts[base(2)->trust].ca_count, 1);
	assert_int_equal(document->credentials_count, 1);
}

/* A certificate of [listener] with the key of [server] would be a mismatch nobody wrote. */
static void certificate_and_key_are_replaced_together(void **state)
{
	(void)state;
	use(SERVER "[listener x]\nlisten = *:1\ncert = second.pem\n");
	assert_int_equal(document->credentials_count, 2);
	assert_int_not_equal(base(0)->credentials, base(1)->credentials);
	assert_int_equal(document->credentials[base(1)->credentials].pair_count, 1);
}

static void an_sni_inherits_from_its_listener(void **state)
{
	(void)state;
	use(SERVER "[listener x]\nlisten = *:1\nmode = optional\n"
		   "[sni shop]\nnames = Shop.example., *.shop.example\n"
		   "[sni api]\nnames = api.example\nlistener = x\ncert = second.pem\nmode = server\n");
	assert_int_equal(document->routes[0].name_count, 2);
	assert_int_equal(document->routes[1].name_count, 3);
	assert_int_equal(named(0, "shop.example")->mode, TG_MODE_MUTUAL);
	assert_int_equal(named(1, "shop.example")->mode, TG_MODE_OPTIONAL);
	assert_string_equal(named(1, "shop.example")->section, "sni shop");
	assert_int_equal(named(1, "api.example")->mode, TG_MODE_SERVER);
	assert_int_equal(named(1, "api.example")->trust, TG_NONE);
	assert_int_equal(named(1, "api.example")->rule_count, 0);
	assert_true(document->routes[1].names[1].wildcard);
}

static void without_a_server_only_listeners_are_governed(void **state)
{
	(void)state;
	use("[listener x]\nlisten = *:1\nmode = mutual\ncert = server.pem\nkey = server.key\nca = ca.pem\n"
	    "[sni a]\nnames = a.example\n");
	assert_int_equal(document->route_count, 1);
	assert_false(document->routes[0].is_server);
	assert_int_equal(document->routes[0].name_count, 1);
}

static void off_has_neither_credentials_nor_trust(void **state)
{
	(void)state;
	use(SERVER "[listener x]\nlisten = 127.0.0.1:1\nmode = off\n[listener y]\nlisten = 127.0.0.1:2\nmode = 1\n");
	assert_int_equal(base(1)->mode, TG_MODE_OFF);
	assert_int_equal(base(1)->credentials, TG_NONE);
	assert_int_equal(base(1)->trust, TG_NONE);
	assert_int_equal(base(2)->mode, TG_MODE_SERVER);
	assert_int_not_equal(base(2)->credentials, TG_NONE);
	assert_int_equal(base(2)->trust, TG_NONE);
}

static void several_key_types_stand_side_by_side(void **state)
{
	(void)state;
	use(SERVER "cert = second.pem\n");
	assert_int_equal(document->credentials[base(0)->credentials].pair_count, 2);
}

static void equal_policies_and_files_are_kept_once(void **state)
{
	(void)state;
	write_certificate(&maker, "copy.pem", site.ca, false);
	use(SERVER "[listener x]\nlisten = *:1\nca = copy.pem\ncert = server.pem\nkey = server.key\n"
		   "[sni a]\nnames = a.example, b.example\n");
	assert_int_equal(document->credentials_count, 1);
	assert_int_equal(document->trust_count, 1);
	/* server, listener x, and sni a, which is the same on both. */
	assert_int_equal(document->policy_count, 3);
}

static void session_age_and_recheck_are_inherited_and_replaced(void **state)
{
	(void)state;
	use(SERVER "max_session_age = 600\nrecheck = new-generation\n"
		   "[listener x]\nlisten = *:1\n"
		   "[listener y]\nlisten = *:2\nmax_session_age = 60\nrecheck = no\n"
		   "[sni z]\nnames = z.example\nmax_session_age = 1\n");
	assert_int_equal(base(0)->max_session_age, 600);
	assert_true(base(0)->recheck);
	assert_int_equal(base(1)->max_session_age, 600);
	assert_true(base(1)->recheck);
	assert_int_equal(base(2)->max_session_age, 60);
	assert_false(base(2)->recheck);
	assert_int_equal(named(0, "z.example")->max_session_age, 1);
	assert_true(named(0, "z.example")->recheck);
	assert_false(named(2, "z.example")->recheck);
	use(SERVER);
	assert_int_equal(base(0)->max_session_age, 0);
	assert_false(base(0)->recheck);
}

static void what_plaintext_servers_need_is_their_listeners_own(void **state)
{
	const struct tg_plaintext *plaintext;

	(void)state;
	use(SERVER "[listener x]\nlisten = *:1\nserver_speaks = plaintext\n"
		   "[listener y]\nlisten = *:2\nserver_speaks = plaintext\naccept_plaintext = yes\nplaintext_wait = 250\n"
		   "engine = relay\nhandshake_timeout = 3\nproxy_protocol = v2\n"
		   "[listener z]\nlisten = *:3\nserver_speaks = tls\n");
	assert_false(document->routes[0].plaintext.terminated);
	plaintext = &document->routes[1].plaintext;
	assert_true(plaintext->terminated);
	assert_false(plaintext->accept);
	assert_int_equal(plaintext->engine, TG_ENGINE_AUTO);
	assert_int_equal(plaintext->handshake_timeout, 10);
	assert_int_equal(plaintext->wait_ms, 0);
	assert_false(plaintext->proxy_header);
	plaintext = &document->routes[2].plaintext;
	assert_true(plaintext->terminated);
	assert_true(plaintext->accept);
	assert_int_equal(plaintext->engine, TG_ENGINE_RELAY);
	assert_int_equal(plaintext->handshake_timeout, 3);
	assert_int_equal(plaintext->wait_ms, 250);
	assert_true(plaintext->proxy_header);
	assert_false(document->routes[3].plaintext.terminated);
	/* passed through: no name is ever seen there */
	use(SERVER "[listener x]\nlisten = *:1\nserver_speaks = plaintext\nmode = off\naccept_plaintext = no\n"
		   "plaintext_wait = 5\n[sni z]\nnames = z.example\n");
	assert_true(document->routes[1].plaintext.terminated);
	assert_int_equal(document->routes[1].plaintext.wait_ms, 0);
	assert_int_equal(document->routes[0].name_count, 1);
	assert_int_equal(document->routes[1].name_count, 0);
}

static void assert_protocols(const struct tg_policy *policy, const char *wanted, bool required)
{
	assert_int_equal(policy->alpn.size, strlen(wanted));
	if (policy->alpn.size > 0)
		assert_memory_equal(policy->alpn.data, wanted, policy->alpn.size);
	assert_int_equal(policy->alpn_required, required);
}

/* A name's list replaces its listener's; what it does not say it inherits. Equal policies but for ALPN stay apart. */
static void protocols_are_replaced_as_a_list(void **state)
{
	(void)state;
	use(SERVER "[listener x]\nlisten = *:1\nserver_speaks = plaintext\nalpn = h2 ,http/1.1\nalpn = postgresql\n"
		   "[listener y]\nlisten = *:2\nserver_speaks = plaintext\n"
		   "[sni z]\nnames = z.example\nlistener = x\nalpn_required = yes\n"
		   "[sni v]\nnames = v.example\nlistener = x\nalpn = imap\n");
	assert_protocols(base(0), "", false);
	assert_protocols(base(1), "\2h2\10http/1.1\12postgresql", false);
	assert_protocols(base(2), "", false);
	assert_protocols(named(1, "z.example"), "\2h2\10http/1.1\12postgresql", true);
	assert_protocols(named(1, "v.example"), "\4imap", false);
	use("[listener x]\nlisten = *:1\nserver_speaks = plaintext\nalpn = h2\n" CERTIFIED "[listener y]\nlisten = *:2\n"
	    "server_speaks = plaintext\n" CERTIFIED "[sni z]\nnames = z.example\n");
	assert_protocols(named(0, "z.example"), "\2h2", false);
	assert_protocols(named(1, "z.example"), "", false);
}

static void digests_follow_who_is_let_in(void **state)
{
	unsigned char first[TG_DIGEST_SIZE];
	X509_CRL *crl = make_crl(site.ca, site.ca_key, -60, 9 * DAY, NULL);
	/* Another CA before, or a copy of the same beside: the same set. */
	static const struct {
		const char *ini;
		bool same;
	} rows[] = {
	    {"[server]\nmode = mutual\ncert = second.pem\nca = ca.pem\n", true},
	    {SERVER "ca = copy.pem\n", true},
	    {SERVER "min_protocol = TLSv1.3\n", true},
	    {SERVER "max_session_age = 60\n", true},
	    {SERVER "recheck = new-generation\n", true},
	    {SERVER "override = yes\n", false},
	    {SERVER "security_level = 3\n", false},
	    {SERVER "ca = other.pem\n", false},
	    {SERVER "verify_depth = 7\n", false},
	    {SERVER "allow = CN:a\n", false},
	    {SERVER "crl = ca.crl\n", false},
	    {"[server]\nmode = optional\ncert = server.pem\nkey = server.key\nca = ca.pem\n", false},
	    {"[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = other.pem\n", false},
	};

	(void)state;
	write_certificate(&maker, "copy.pem", site.ca, false);
	write_crl(&maker, "ca.crl", crl, false);
	X509_CRL_free(crl);
	use(SERVER);
	memcpy(first, base(0)->digest, sizeof(first));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		use(rows[i].ini);
		if ((memcmp(first, base(0)->digest, sizeof(first)) == 0) != rows[i].same)
			fail_msg("row %zu", i);
	}
	/* The order of the files does not matter, and crl_check does. */
	use(SERVER "ca = other.pem\n");
	memcpy(first, base(0)->digest, sizeof(first));
	use("[server]\nmode = mutual\ncert = server.pem\nkey = server.key\nca = other.pem\nca = ca.pem\n");
	assert_memory_equal(first, base(0)->digest, sizeof(first));
	use(SERVER "crl = ca.crl\n");
	memcpy(first, base(0)->digest, sizeof(first));
	use(SERVER "crl = ca.crl\ncrl_check = chain\n");
	assert_memory_not_equal(first, base(0)->digest, sizeof(first));
}

static void relative_paths_begin_at_the_ini(void **state)
{
	(void)state;
	use(SERVER);
	assert_int_equal(tg_identity_file_count(identity), 4);
	assert_string_equal(tg_identity_file(identity, 0), path_in(&maker, "site.ini"));
	assert_string_equal(tg_identity_file(identity, 1), path_in(&maker, "server.pem"));
	assert_null(tg_identity_file(identity, 4));
	assert_int_equal(chdir(maker.folder), 0);
	tlsgraft_identity_unref(identity);
	identity = NULL;
	{
		tlsgraft_messages *messages = NULL;

		assert_int_equal(tlsgraft_load("site.ini", NULL, &identity, &messages), TLSGRAFT_OK);
		tlsgraft_messages_free(messages);
	}
	assert_string_equal(tg_identity_file(identity, 0), path_in(&maker, "site.ini"));
	assert_int_equal(chdir("/"), 0);
}

static void settings(void **state)
{
	const struct tg_settings *read;
	char *program;

	(void)state;
	use(SERVER);
	read = tg_identity_settings(identity);
	assert_int_equal(read->log_target, TG_LOG_STDERR);
	assert_int_equal(read->warn_days, 14);
	assert_false(read->watch);
	use("[tlsgraft]\nlog = /var/log/x.log\nlog_level = debug\nreload_signal = USR1\nwatch = yes\nexe = /bin/sh\n"
	    "user = root\nchildren = drop\nwarn_days = 3\n" SERVER);
	read = tg_identity_settings(identity);
	assert_int_equal(read->log_target, TG_LOG_FILE);
	assert_string_equal(read->log_file, "/var/log/x.log");
	assert_int_equal(read->log_level, TG_LOG_DEBUG);
	assert_int_equal(read->reload_signal, SIGUSR1);
	assert_int_equal(document->reload_signal, SIGUSR1);
	assert_true(read->watch);
	assert_int_equal(read->warn_days, 3);
	assert_int_equal(read->user_count, 1);
	assert_string_equal(read->users[0], "root");
	assert_false(document->children_keep);
	/* A program is known by where its links lead. */
	assert_int_equal(document->exe_count, 1);
	program = realpath("/bin/sh", NULL);
	assert_string_equal(document->exes[0], program);
	free(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_server_alone, done),
	    cmocka_unit_test_teardown(a_listener_replaces_keys_and_whole_lists, done),
	    cmocka_unit_test_teardown(certificate_and_key_are_replaced_together, done),
	    cmocka_unit_test_teardown(an_sni_inherits_from_its_listener, done),
	    cmocka_unit_test_teardown(without_a_server_only_listeners_are_governed, done),
	    cmocka_unit_test_teardown(off_has_neither_credentials_nor_trust, done),
	    cmocka_unit_test_teardown(several_key_types_stand_side_by_side, done),
	    cmocka_unit_test_teardown(equal_policies_and_files_are_kept_once, done),
	    cmocka_unit_test_teardown(session_age_and_recheck_are_inherited_and_replaced, done),
	    cmocka_unit_test_teardown(what_plaintext_servers_need_is_their_listeners_own, done),
	    cmocka_unit_test_teardown(protocols_are_replaced_as_a_list, done),
	    cmocka_unit_test_teardown(digests_follow_who_is_let_in, done),
	    cmocka_unit_test_teardown(relative_paths_begin_at_the_ini, done),
	    cmocka_unit_test_teardown(settings, done),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
