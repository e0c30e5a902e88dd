/* SPDX-License-Identifier: Apache-2.0 */
/* ALPN where TLS is terminated for a server: what is agreed on, who is refused and how, in new sessions and resumed ones.
 */
#include "streams.h"

#include "ipc/report.h"
#include "shim/process/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define HTTP LISTENER "alpn = h2, http/1.1\n"
#define REQUIRED HTTP "alpn_required = yes\n"
/* of a client; libssl's function wants them so */
#define H2 "\2h2"
#define OLD "\10http/1.1"
#define OTHER "\5other"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static int last_alert; /* that the client got */

static uint64_t unanswered(const char *section)
{
	const struct tg_section_slot *slot = counters_of(section);

	return tg_shim.report->alpn_unanswered[slot - tg_shim.report->sections];
}

static uint64_t refusals(void)
{
	return tg_report_refusals(tg_shim.report, counters_of("listener api"), TG_REFUSED_NO_COMMON_ALPN);
}

static void note_alert(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
		last_alert = value & 0xff;
}

/* `offer`: NULL for a client without ALPN. */
static void open_offering(struct both *both, enum client_kind kind, int version, const char *offer)
{
	both_open(both, kind, version, 0);
	if (offer != NULL)
		assert_int_equal(SSL_set_alpn_protos(both->client, (const unsigned char *)offer, (unsigned)strlen(offer)),
				 0);
	SSL_set_info_callback(both->client, note_alert);
	last_alert = -1;
}

static void assert_agreed(const struct both *both, const char *wanted)
{
	const unsigned char *name = NULL;
	unsigned size = 0;

	SSL_get0_alpn_selected(both->client, &name, &size);
	assert_int_equal(size, strlen(wanted));
	if (size > 0)
		assert_memory_equal(name, wanted, size);
}

static void assert_crosses(struct both *both)
{
	char data[8];

	assert_int_equal(SSL_write(both->client, "ask", 3), 3);
	await_bytes(both->sockets.server);
	assert_int_equal(stream_read(both, data, sizeof(data)), 3);
}

/* "": served without a protocol. */
static void served(int version, const char *offer, const char *wanted)
{
	struct both both;

	open_offering(&both, CLIENT_GOOD, version, offer);
	assert_true(shake_hands(&both));
	assert_agreed(&both, wanted);
	assert_crosses(&both);
	both_close(&both);
}

/* It may still be on its way when the server's end is over; a client of TLS 1.3 may be through with its own part. */
static void read_alert(struct both *both)
{
	char data[8];

	if (last_alert >= 0)
		return;
	await_bytes(both->sockets.client);
	SSL_read(both->client, data, sizeof(data));
}

static void refused(enum client_kind kind, int version, const char *offer, int alert)
{
	struct both both;
	char data[8];

	open_offering(&both, kind, version, offer);
	assert_false(shake_hands(&both));
	read_alert(&both);
	assert_int_equal(last_alert, alert);
	assert_int_equal(stream_read(&both, data, sizeof(data)), -1);
	both_close(&both);
}

static void choices(void **state)
{
	uint64_t before = unanswered("listener api");
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		served(versions[i], H2, "h2");
		served(versions[i], OLD H2, "h2");
		served(versions[i], OTHER OLD, "http/1.1");
		served(versions[i], NULL, "");
		assert_int_equal(unanswered("listener api"), before + i);
		served(versions[i], OTHER, "");
		assert_int_equal(unanswered("listener api"), before + i + 1);
	}
}

/* Without a list nobody is answered, and that is counted. */
static void no_list(void **state)
{
	uint64_t before = unanswered("listener api");
	(void)state;

	govern_again(LISTENER);
	for (size_t i = 0; i < 2; i++) {
		served(versions[i], H2, "");
		served(versions[i], NULL, "");
	}
	assert_int_equal(unanswered("listener api"), before + 2);
	govern_again(HTTP);
}

static void certificates_count_first(void **state)
{
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		refused(CLIENT_NONE, versions[i], H2,
			versions[i] == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE);
		/* of another CA of the same name */
		refused(CLIENT_OTHER_CA, versions[i], H2, SSL_AD_DECRYPT_ERROR);
	}
}

static void required(void **state)
{
	uint64_t before;
	(void)state;

	govern_again(REQUIRED);
	before = refusals();
	for (size_t i = 0; i < 2; i++) {
		uint64_t offers = unanswered("listener api");

		served(versions[i], OTHER H2, "h2");
		refused(CLIENT_GOOD, versions[i], OTHER, SSL_AD_NO_APPLICATION_PROTOCOL);
		refused(CLIENT_GOOD, versions[i], NULL, SSL_AD_NO_APPLICATION_PROTOCOL);
		/* before anybody looks at its certificate */
		refused(CLIENT_OTHER_CA, versions[i], NULL, SSL_AD_NO_APPLICATION_PROTOCOL);
		assert_int_equal(unanswered("listener api"), offers + 1);
		assert_int_equal(refusals(), before + 3 * (i + 1));
	}
	govern_again(HTTP);
}

static SSL_SESSION *session_of(int version, const char *offer)
{
	struct both both;
	char data[8];

	open_offering(&both, CLIENT_GOOD, version, offer);
	assert_true(shake_hands(&both));
	/* tickets of TLS 1.3 come behind the handshake */
	assert_int_equal(stream_write(&both, "x", 1), 1);
	await_bytes(both.sockets.client);
	assert_int_equal(SSL_read(both.client, data, 1), 1);
	SSL_SESSION *session = SSL_get1_session(both.client);
	SSL_set_shutdown(both.client, SSL_SENT_SHUTDOWN); /* else libssl takes the session for a broken one */
	both_close(&both);
	assert_true(SSL_SESSION_is_resumable(session));
	return session;
}

static bool resumes(SSL_SESSION *session, int version, const char *offer, const char *wanted)
{
	struct both both;

	open_offering(&both, CLIENT_GOOD, version, offer);
	assert_int_equal(SSL_set_session(both.client, session), 1);
	bool done = shake_hands(&both);
	SSL_set_shutdown(both.client, SSL_SENT_SHUTDOWN);
	if (done) {
		assert_true(SSL_session_reused(both.client));
		assert_agreed(&both, wanted);
	} else {
		read_alert(&both);
	}
	both_close(&both);
	return done;
}

/* Each resumption agrees anew, by what is listed and offered then; and a list that changes ends no session. */
static void resumption(void **state)
{
	(void)state;

	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *session = session_of(versions[i], H2);

		assert_true(resumes(session, versions[i], H2, "h2"));
		SSL_SESSION *again = session_of(versions[i], H2);
		assert_true(resumes(again, versions[i], OLD, "http/1.1"));
		SSL_SESSION_free(again);
		again = session_of(versions[i], H2);
		govern_again(LISTENER "alpn = http/1.1\n");
		assert_true(resumes(again, versions[i], H2 OLD, "http/1.1"));
		SSL_SESSION_free(again);
		again = session_of(versions[i], OLD);
		govern_again(REQUIRED);
		assert_false(resumes(again, versions[i], NULL, ""));
		assert_int_equal(last_alert, SSL_AD_NO_APPLICATION_PROTOCOL);
		SSL_SESSION_free(again);
		again = session_of(versions[i], H2);
		assert_false(resumes(again, versions[i], OTHER, ""));
		assert_int_equal(last_alert, SSL_AD_NO_APPLICATION_PROTOCOL);
		SSL_SESSION_free(again);
		SSL_SESSION_free(session);
		govern_again(HTTP);
	}
}

/* Nothing is agreed on by a second handshake on the same connection: there is none. */
static void renegotiation(void **state)
{
	struct both both;
	(void)state;

	open_offering(&both, CLIENT_GOOD, TLS1_2_VERSION, H2);
	assert_true(shake_hands(&both));
	assert_int_equal(SSL_set_alpn_protos(both.client, (const unsigned char *)OLD, sizeof(OLD) - 1), 0);
	assert_int_equal(SSL_renegotiate(both.client), 1);
	SSL_do_handshake(both.client);
	await_bytes(both.sockets.server);
	assert_int_equal(stream_read(&both, (char[8]){0}, 8), -1);
	await_bytes(both.sockets.client);
	assert_true(SSL_do_handshake(both.client) <= 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
	ERR_clear_error();
	both_close(&both);
}

/* The hello after a HelloRetryRequest is judged like the first, and counted with it. */
static void retried_hello(void **state)
{
	uint64_t before;
	struct both both;
	(void)state;

	govern_again(HTTP "groups = P-256\n");
	before = unanswered("listener api");
	for (int i = 0; i < 2; i++) {
		open_offering(&both, CLIENT_GOOD, TLS1_3_VERSION, i == 0 ? OLD : OTHER);
		char list[] = "X25519:P-256";
		assert_int_equal(SSL_set1_groups_list(both.client, list), 1);
		assert_true(shake_hands(&both));
		assert_agreed(&both, i == 0 ? "http/1.1" : "");
		both_close(&both);
	}
	assert_int_equal(unanswered("listener api"), before + 1);
	govern_again(HTTP);
}

/* A host name's own list takes the place of its listener's. */
static void names(void **state)
{
	struct both both;
	(void)state;

	govern_again(HTTP "[sni shop]\nnames = localhost\nlistener = api\nalpn = postgresql\nalpn_required = yes\n");
	refused(CLIENT_GOOD, TLS1_3_VERSION, H2, SSL_AD_NO_APPLICATION_PROTOCOL);
	assert_int_equal(unanswered("sni shop"), 1);
	served(TLS1_3_VERSION, "\12postgresql", "postgresql");
	open_offering(&both, CLIENT_GOOD, TLS1_3_VERSION, H2);
	char other[] = "other.example";
	SSL_set_tlsext_host_name(both.client, other);
	assert_int_equal(SSL_set1_host(both.client, "localhost"), 1);
	assert_true(shake_hands(&both));
	assert_agreed(&both, "h2");
	both_close(&both);
	govern_again(HTTP);
}

static int set_up(void **state)
{
	(void)state;
	return streams_set_up(HTTP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(certificates_count_first),
	    cmocka_unit_test(choices),
	    cmocka_unit_test(no_list),
	    cmocka_unit_test(required),
	    cmocka_unit_test(resumption),
	    cmocka_unit_test(renegotiation),
	    cmocka_unit_test(retried_hello),
	    cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, set_up, streams_tear_down);
}
