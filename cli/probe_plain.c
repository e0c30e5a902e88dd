/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/probe_plain.h"

#include "cli/dial.h"
#include "keeper/clock.h"
#include "keeper/escape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GREETING_MS 600
#define TEXT_SIZE 2048

static const char *const names[TG_PROTOCOL_COUNT] = {"a protocol that is not known",
						     "SMTP",
						     "FTP",
						     "IMAP",
						     "POP3",
						     "MySQL",
						     "PostgreSQL",
						     "LDAP",
						     "SSH",
						     "HTTP",
						     "MQTT",
						     "DNS"};

/* RFC 4511 4.14: ExtendedRequest 1.3.6.1.4.1.1466.20037 */
static const unsigned char ldap_starttls[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
					     "1.3.6.1.4.1.1466.20037";
/* an anonymous bind */
static const unsigned char ldap_bind[] = "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00";
/* "SSLRequest" of PostgreSQL's frontend/backend protocol */
static const unsigned char postgres_ssl[] = {0, 0, 0, 8, 4, 210, 22, 47};
/* its StartupMessage 3.0 */
static const unsigned char postgres_start[] = "\x00\x00\x00\x29\x00\x03\x00\x00user\0postgres\0database\0postgres\0";
/* MQTT 3.1.1 CONNECT, clean session */
static const unsigned char mqtt_connect[] = "\x10\x0e\x00\x04MQTT\x04\x02\x00\x0a\x00\x02tg";
/* DNS over TCP: the root's NS records */
static const unsigned char dns_query[] = "\x00\x11\x54\x47\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01";

static const char http_request[] = "HEAD / HTTP/1.0\r\n\r\n";

struct talk {
	int fd;
	int64_t deadline;
	char text[TEXT_SIZE]; /* the newest answer, NUL-terminated */
	ssize_t size;
};

static int begin_talk(struct talk *talk, const struct tg_address *to, int64_t deadline)
{
	*talk = (struct talk){.deadline = deadline};
	talk->fd = tg_dial(to, deadline);
	return talk->fd < 0 ? talk->fd : 0;
}

static ssize_t hear(struct talk *talk, int64_t deadline)
{
	talk->size = tg_dial_receive(talk->fd, talk->text, sizeof(talk->text) - 1, deadline);
	talk->text[talk->size > 0 ? talk->size : 0] = '\0';
	return talk->size;
}

/* Sends, and hears the answer to its end where that is told by `last` (a text in it); NULL: one packet. */
static bool request_line(struct talk *talk, const void *request, size_t size, const char *last)
{
	size_t have = 0;

	talk->size = tg_dial_send(talk->fd, request, size, talk->deadline);
	if (talk->size < 0)
		return false;
	for (;;) {
		const ssize_t got =
		    tg_dial_receive(talk->fd, talk->text + have, sizeof(talk->text) - 1 - have, talk->deadline);

		if (got <= 0)
			break;
		have += (size_t)got;
		talk->text[have] = '\0';
		if (last == NULL || strstr(talk->text, last) != NULL || have + 1 == sizeof(talk->text))
			break;
	}
	talk->text[have] = '\0';
	talk->size = (ssize_t)have;
	return have > 0;
}

/* Whether `text` ends with the last line of a reply of FTP or SMTP: three digits and a space (RFC 959 4.2, RFC 5321 4.2).
 */
static bool is_whole_reply(const char *text)
{
	const size_t length = strlen(text);
	const char *line = text;

	if (length == 0 || text[length - 1] != '\n')
		return false;
	for (const char *next = text; next[1] != '\0'; next++)
		if (*next == '\n')
			line = next + 1;
	return strspn(line, "0123456789") == 3 && line[3] != '-';
}

/* Sends a line, and hears the reply to its last line, whatever it says. */
static bool ask_reply(struct talk *talk, const char *request)
{
	size_t have = 0;

	talk->size = tg_dial_send(talk->fd, request, strlen(request), talk->deadline);
	talk->text[0] = '\0';
	while (talk->size >= 0 && !is_whole_reply(talk->text) && have + 1 < sizeof(talk->text)) {
		const ssize_t got =
		    tg_dial_receive(talk->fd, talk->text + have, sizeof(talk->text) - 1 - have, talk->deadline);

		if (got <= 0)
			break;
		have += (size_t)got;
		talk->text[have] = '\0';
	}
	talk->size = (ssize_t)have;
	return have > 0;
}

static bool ask_text(struct talk *talk, const char *request, const char *last)
{
	return request_line(talk, request, strlen(request), last);
}

static bool begins(const struct talk *talk, const char *text)
{
	return strncmp(talk->text, text, strlen(text)) == 0;
}

static void sample(const struct talk *talk, struct tg_plain_answer *answer)
{
	char text[TG_SAMPLE_SIZE / 4 * 2];

	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, talk->text);
	text[strcspn(text, "\r\n")] = '\0';
	tg_escape(text, answer->sample, sizeof(answer->sample));
	if (answer->sample[0] == '\0' && talk->size > 0)
		snprintf(answer->sample, sizeof(answer->sample), "%zd bytes", talk->size);
}

/* Length (3), sequence 0, protocol 10 */
static bool is_mysql(const struct talk *talk)
{
	return talk->size > 8 && talk->text[3] == 0 && talk->text[4] == 10;
}

/* By the greeting of servers that speak first. */
static enum tg_protocol greeted_by(const struct talk *talk)
{
	if (is_mysql(talk))
		return TG_PROTOCOL_MYSQL;
	if (begins(talk, "* OK") || begins(talk, "* PREAUTH"))
		return TG_PROTOCOL_IMAP;
	if (begins(talk, "+OK"))
		return TG_PROTOCOL_POP3;
	if (begins(talk, "220"))
		return strstr(talk->text, "SMTP") != NULL ? TG_PROTOCOL_SMTP : TG_PROTOCOL_FTP;
	if (begins(talk, "SSH-"))
		return TG_PROTOCOL_SSH;
	return TG_PROTOCOL_UNKNOWN;
}

static enum tg_open decided(bool open, bool closed)
{
	return open ? TG_OPEN_YES : closed ? TG_OPEN_NO : TG_OPEN_UNKNOWN;
}

static void judge_smtp(struct talk *talk, struct tg_plain_answer *answer)
{
	if (!ask_reply(talk, "EHLO localhost\r\n"))
		return;
	answer->upgrades = strstr(talk->text, "STARTTLS") != NULL;
	if (ask_text(talk, "MAIL FROM:<>\r\n", "\n"))
		answer->open = decided(begins(talk, "2"), begins(talk, "5"));
}

static void judge_ftp(struct talk *talk, struct tg_plain_answer *answer)
{
	static const char *const logins[] = {"USER tlsgraft-doctor\r\n", "USER anonymous\r\n"};

	if (!ask_reply(talk, "FEAT\r\n"))
		return;
	answer->upgrades = strstr(talk->text, "AUTH TLS") != NULL;
	/* vsftpd has one switch for accounts, and one for those who have none */
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		if (!ask_reply(talk, logins[i]))
			return;
		answer->open = decided(begins(talk, "331") || begins(talk, "230"), begins(talk, "5"));
		if (answer->open == TG_OPEN_YES)
			return;
	}
}

static void judge_imap(struct talk *talk, struct tg_plain_answer *answer)
{
	if (!ask_text(talk, "a CAPABILITY\r\n", "a OK"))
		return;
	answer->upgrades = strstr(talk->text, "STARTTLS") != NULL;
	answer->open = strstr(talk->text, "LOGINDISABLED") != NULL ? TG_OPEN_NO : TG_OPEN_YES;
}

static void judge_pop3(struct talk *talk, struct tg_plain_answer *answer)
{
	if (!ask_text(talk, "CAPA\r\n", "\r\n."))
		return;
	answer->upgrades = strstr(talk->text, "STLS") != NULL;
	answer->open =
	    strstr(talk->text, "\nUSER") != NULL || strstr(talk->text, "PLAIN") != NULL ? TG_OPEN_YES : TG_OPEN_NO;
}

/* The lower half of the capabilities stands behind the version, the connection's id, 8 bytes of salt and a zero. */
static void judge_mysql(struct talk *talk, struct tg_plain_answer *answer)
{
	/* protocol 4.1, secure connection; user "tlsgraft-doctor", no password */
	static const unsigned char login[] = "\x31\x00\x00\x01\x00\x82\x00\x00\x00\x00\x00\x01\x21"
					     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
					     "tlsgraft-doctor\0";
	const size_t at = 5 + strnlen(talk->text + 5, (size_t)talk->size - 5) + 1 + 4 + 8 + 1;

	if (at + 2 > (size_t)talk->size)
		return;
	answer->upgrades = (talk->text[at + 1] & 0x08) != 0; /* CLIENT_SSL, 0x0800 */
	if (!request_line(talk, login, sizeof(login), NULL) || talk->size < 7)
		return;
	/* error 3159: insecure transport is prohibited; MariaDB looks at that only once it believes who asks */
	const unsigned char *said = (const unsigned char *)talk->text + 4;
	answer->open = decided(said[0] == 0x00, said[0] == 0xff && said[1] == 0x57 && said[2] == 0x0c);
}

/* A server may keep its list of features to itself, or leave TLS out of it, and begin TLS all the same when asked to. */
static void try_unsaid_upgrade(const struct tg_address *to, int64_t deadline, struct tg_plain_answer *answer)
{
	int fd;

	switch (answer->protocol) {
	case TG_PROTOCOL_SMTP:
	case TG_PROTOCOL_FTP:
	case TG_PROTOCOL_IMAP:
	case TG_PROTOCOL_POP3:
		break;
	default:
		return;
	}
	if (answer->upgrades)
		return;
	fd = tg_plain_upgrade(to, answer->protocol, deadline + GREETING_MS);
	answer->upgrades = fd >= 0;
	if (fd >= 0)
		close(fd);
}

static bool try_greeting(const struct tg_address *to, int64_t deadline, struct tg_plain_answer *answer)
{
	struct talk talk;

	if (begin_talk(&talk, to, deadline) < 0)
		return true;
	if (hear(&talk, tg_monotonic_ms() + GREETING_MS) > 0) {
		sample(&talk, answer);
		answer->protocol = greeted_by(&talk);
		answer->open = TG_OPEN_YES;
		if (answer->protocol == TG_PROTOCOL_SMTP)
			judge_smtp(&talk, answer);
		else if (answer->protocol == TG_PROTOCOL_FTP)
			judge_ftp(&talk, answer);
		else if (answer->protocol == TG_PROTOCOL_IMAP)
			judge_imap(&talk, answer);
		else if (answer->protocol == TG_PROTOCOL_POP3)
			judge_pop3(&talk, answer);
		else if (answer->protocol == TG_PROTOCOL_MYSQL)
			judge_mysql(&talk, answer);
	}
	close(talk.fd);
	try_unsaid_upgrade(to, deadline, answer);
	return answer->sample[0] != '\0';
}

/* PostgreSQL alone answers an SSLRequest by one letter. */
static bool try_postgres(const struct tg_address *to, int64_t deadline, struct tg_plain_answer *answer)
{
	struct talk talk;

	if (begin_talk(&talk, to, deadline) < 0)
		return true;
	if (request_line(&talk, postgres_ssl, sizeof(postgres_ssl), NULL) && talk.size == 1 &&
	    strchr("SN", talk.text[0]) != NULL) {
		answer->protocol = TG_PROTOCOL_POSTGRESQL;
		answer->upgrades = talk.text[0] == 'S';
		strcpy(answer->sample, answer->upgrades ? "S" : "N");
	} else if (talk.size > 0) {
		sample(&talk, answer);
		answer->open = TG_OPEN_YES;
	}
	close(talk.fd);
	if (answer->protocol != TG_PROTOCOL_POSTGRESQL || begin_talk(&talk, to, deadline) < 0)
		return answer->sample[0] != '\0';
	/* "R": it goes on to the login; an error of class 28 (invalid_authorization) is a rule of pg_hba.conf */
	if (request_line(&talk, postgres_start, sizeof(postgres_start), NULL) && talk.size > 5)
		answer->open = decided(talk.text[0] == 'R',
				       talk.text[0] == 'E' && memmem(talk.text, (size_t)talk.size, "C28000", 6) != NULL);
	close(talk.fd);
	return true;
}

static bool try_ldap(const struct tg_address *to, int64_t deadline, struct tg_plain_answer *answer)
{
	struct talk talk;

	if (begin_talk(&talk, to, deadline) < 0)
		return true;
	/* an ExtendedResponse with the same message number */
	if (request_line(&talk, ldap_starttls, sizeof(ldap_starttls) - 1, NULL) && talk.size > 8 && talk.text[0] == 0x30 &&
	    memmem(talk.text, (size_t)talk.size, "\x02\x01\x01\x78", 4) != NULL) {
		answer->protocol = TG_PROTOCOL_LDAP;
		answer->upgrades = memmem(talk.text, (size_t)talk.size, "\x0a\x01\x00", 3) != NULL;
		strcpy(answer->sample, "an LDAP response");
	}
	close(talk.fd);
	if (answer->protocol != TG_PROTOCOL_LDAP || begin_talk(&talk, to, deadline) < 0)
		return answer->protocol == TG_PROTOCOL_LDAP;
	/* confidentialityRequired (13) where the server insists */
	if (request_line(&talk, ldap_bind, sizeof(ldap_bind) - 1, NULL))
		answer->open = memmem(talk.text, (size_t)talk.size, "\x0a\x01\x0d", 3) != NULL ? TG_OPEN_NO : TG_OPEN_YES;
	close(talk.fd);
	return true;
}

/* Any answer to a request of one protocol. */
static bool try_request(const struct tg_address *to, int64_t deadline, const void *request, size_t size,
			enum tg_protocol protocol, const char *expected, struct tg_plain_answer *answer)
{
	struct talk talk;

	if (begin_talk(&talk, to, deadline) < 0)
		return true;
	if (request_line(&talk, request, size, NULL)) {
		sample(&talk, answer);
		answer->open = TG_OPEN_YES;
		if (expected == NULL || begins(&talk, expected))
			answer->protocol = protocol;
	}
	close(talk.fd);
	return answer->sample[0] != '\0';
}

const char *tg_protocol_name(enum tg_protocol protocol)
{
	return names[(unsigned int)protocol < TG_PROTOCOL_COUNT ? protocol : TG_PROTOCOL_UNKNOWN];
}

void tg_probe_plain(const struct tg_address *to, int each_ms, struct tg_plain_answer *ret)
{
	struct tg_plain_answer answer = {0};

	if (!try_greeting(to, tg_monotonic_ms() + 2 * each_ms, &answer) &&
	    !try_request(to, tg_monotonic_ms() + each_ms, http_request, sizeof(http_request) - 1, TG_PROTOCOL_HTTP, "HTTP/",
			 &answer) &&
	    !try_postgres(to, tg_monotonic_ms() + each_ms, &answer) &&
	    !try_request(to, tg_monotonic_ms() + each_ms, mqtt_connect, 16, TG_PROTOCOL_MQTT, "\x20", &answer) &&
	    !try_ldap(to, tg_monotonic_ms() + each_ms, &answer))
		try_request(to, tg_monotonic_ms() + each_ms, dns_query, 19, TG_PROTOCOL_DNS, NULL, &answer);
	*ret = answer;
}

/* A status by which an HTTP server lets a client in that came without TLS to a port where it also speaks TLS. */
static bool is_http_open(const struct talk *talk)
{
	const char *status = begins(talk, "HTTP/") ? strchr(talk->text, ' ') : NULL;

	/* a redirection leads to https; 400, 421, 426 and 497 (nginx) say that it should have been TLS; 5xx tells nothing
	 */
	return status != NULL && (status[1] == '2' || strncmp(status + 1, "401", 3) == 0 ||
				  strncmp(status + 1, "403", 3) == 0 || strncmp(status + 1, "404", 3) == 0);
}

static bool try_http_beside(const struct tg_address *to, int64_t deadline, struct tg_plain_answer *answer)
{
	struct talk talk;

	if (begin_talk(&talk, to, deadline) < 0)
		return true;
	if (ask_text(&talk, http_request, NULL) && is_http_open(&talk)) {
		sample(&talk, answer);
		answer->protocol = TG_PROTOCOL_HTTP;
		answer->open = TG_OPEN_YES;
	}
	close(talk.fd);
	return answer->protocol == TG_PROTOCOL_HTTP;
}

/* Each of them tells its protocol for sure, or leaves nothing behind. */
void tg_probe_beside(const struct tg_address *to, int each_ms, struct tg_plain_answer *ret)
{
	struct tg_plain_answer answer = {0};

	if (!try_greeting(to, tg_monotonic_ms() + 2 * each_ms, &answer) &&
	    !try_http_beside(to, tg_monotonic_ms() + each_ms, &answer)) {
		try_postgres(to, tg_monotonic_ms() + each_ms, &answer);
		if (answer.protocol != TG_PROTOCOL_POSTGRESQL) {
			answer = (struct tg_plain_answer){0};
			try_request(to, tg_monotonic_ms() + each_ms, mqtt_connect, 16, TG_PROTOCOL_MQTT, "\x20", &answer);
		}
		if (answer.protocol == TG_PROTOCOL_UNKNOWN) {
			answer = (struct tg_plain_answer){0};
			try_ldap(to, tg_monotonic_ms() + each_ms, &answer);
		}
	}
	/* bytes before a client's first that are none of a protocol's: what they are cannot be told */
	*ret = answer;
}

int tg_plain_upgrade(const struct tg_address *to, enum tg_protocol protocol, int64_t deadline)
{
	/* CLIENT_SSL and protocol 4.1, without a login behind it */
	static const unsigned char mysql_ssl[] = "\x20\x00\x00\x01\x00\x8a\x00\x00\x00\x00\x00\x01\x21"
						 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct talk talk;
	bool ready = false;
	const int result = begin_talk(&talk, to, deadline);

	if (result < 0)
		return result;
	if (protocol == TG_PROTOCOL_POSTGRESQL)
		ready = request_line(&talk, postgres_ssl, sizeof(postgres_ssl), NULL) && talk.text[0] == 'S';
	else if (protocol == TG_PROTOCOL_LDAP)
		ready = request_line(&talk, ldap_starttls, sizeof(ldap_starttls) - 1, NULL);
	else if (hear(&talk, deadline) <= 0)
		ready = false;
	else if (protocol == TG_PROTOCOL_MYSQL)
		ready = tg_dial_send(talk.fd, mysql_ssl, sizeof(mysql_ssl), deadline) == 0;
	else if (protocol == TG_PROTOCOL_SMTP)
		ready = ask_reply(&talk, "EHLO localhost\r\n") && ask_reply(&talk, "STARTTLS\r\n") && begins(&talk, "220");
	else if (protocol == TG_PROTOCOL_FTP)
		ready = ask_reply(&talk, "AUTH TLS\r\n") && begins(&talk, "234");
	else if (protocol == TG_PROTOCOL_IMAP)
		ready = ask_text(&talk, "a STARTTLS\r\n", "\n") && begins(&talk, "a OK");
	else if (protocol == TG_PROTOCOL_POP3)
		ready = ask_text(&talk, "STLS\r\n", "\n") && begins(&talk, "+OK");
	if (!ready) {
		close(talk.fd);
		return -EPROTO;
	}
	return talk.fd;
}
