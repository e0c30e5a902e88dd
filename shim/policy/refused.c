/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/policy/refused.h"

#include "ipc/refusal.h"
#include "ipc/report.h"
#include "ipc/route.h"
#include "shim/binding/libc.h"
#include "shim/connections/peers.h"
#include "shim/process/process.h"
#include "shim/process/state.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

bool tg_refused_may_ask;

/* A reset has ended the connection for getpeername(2), not for SO_PEERNAME, which wants to be given the exact size. */
static bool ask_peer(int fd, struct tg_address *ret)
{
	static const socklen_t sizes[] = {sizeof(struct sockaddr_in6), sizeof(struct sockaddr_in)};
	struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
	const int saved = errno;
	bool known = false;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !known; i++) {
		socklen_t size = sizes[i];
		known = tg_libc.getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &storage, &size) == 0;
	}
	errno = saved;
	return known && tg_address_from(&storage, ret);
}

static void set_address(struct tg_event_address *ret, const struct tg_address *address)
{
	if (address == NULL || address->family == 0)
		return;
	ret->family = address->family;
	ret->port = address->port;
	memcpy(ret->bytes, address->bytes, sizeof(ret->bytes));
}

static void set_client(struct tg_event *event, const struct tg_refused *refused)
{
	struct tg_address peer;

	if (refused->fd < 0)
		set_address(&event->client, refused->peer);
	else if (tg_peers_find(refused->fd, &peer) || (tg_refused_may_ask && ask_peer(refused->fd, &peer)))
		set_address(&event->client, &peer);
}

/* The coarse clock is read without a system call. */
static uint64_t now(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_REALTIME_COARSE, &time) != 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void tg_refused_tell(const struct tg_refused *refused)
{
	const struct tg_fault *fault = refused->fault;
	struct tg_event event = {
	    .kind = TG_EVENT_REFUSED,
	    .reason = (uint16_t)fault->reason,
	    .source = (uint16_t)fault->source,
	    .code = fault->code,
	    .depth = fault->depth,
	    .version = (uint16_t)refused->version,
	};

	if (refused->counters == NULL)
		return;
	tg_report_refused(tg_shim.report, refused->counters, fault->reason);
	event.time = now();
	event.pid = tg_process_id();
	set_client(&event, refused);
	set_address(&event.server, refused->local);
	memcpy(event.section, refused->counters->name, sizeof(event.section) - 1);
	tg_event_set_text(event.words, sizeof(event.words), fault->words == NULL ? "" : fault->words);
	tg_event_set_text(event.subject, sizeof(event.subject), refused->subject == NULL ? "" : refused->subject);
	tg_events_write(tg_shim.report, &event);
}

void tg_refused_subject(const struct tg_openssl *o, const X509 *certificate, char ret[TG_EVENT_SUBJECT_SIZE])
{
	BIO *bio = o->BIO_new(o->BIO_s_mem());
	const char *text = NULL;
	char whole[TG_EVENT_SUBJECT_SIZE + 1];
	size_t size = 0;

	if (bio != NULL && o->X509_NAME_print_ex(bio, o->X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0)
		size = (size_t)o->BIO_ctrl(bio, BIO_CTRL_INFO, 0, &text);
	size = text == NULL ? 0 : size < sizeof(whole) ? size : sizeof(whole) - 1;
	memcpy(whole, text == NULL ? "" : text, size);
	whole[size] = '\0';
	tg_event_set_text(ret, TG_EVENT_SUBJECT_SIZE, whole);
	o->BIO_free(bio);
}

void tg_refused_queue(const struct tg_openssl *o, int code, const struct tg_fault *fault, const char *subject)
{
	const bool is_about = subject != NULL && subject[0] != '\0';

	o->ERR_new();
	o->ERR_set_debug("tlsgraft", 0, "refused");
	if (fault->source == TG_EVENT_X509)
		o->ERR_set_error(ERR_LIB_SSL, code, "%s: %u:%s, depth %d%s%s", tg_refusal_name(fault->reason), fault->code,
				 fault->words, fault->depth, is_about ? ", subject " : "", is_about ? subject : "");
	else
		o->ERR_set_error(ERR_LIB_SSL, code, "refused by tlsgraft: %s: %s%s%s", tg_refusal_name(fault->reason),
				 fault->words, is_about ? ", subject " : "", is_about ? subject : "");
}
